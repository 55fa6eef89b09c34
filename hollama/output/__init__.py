"""Token ids to text, text to what it means: answer, thoughts, calls of tools. Knows neither engine nor dialects."""

from __future__ import annotations

from hollama.output.calls import CallParser
from hollama.output.parsers import PARSERS, ParserRule
from hollama.output.text import TextDecoder
from hollama.output.thinking import ThinkingSplitter
from hollama.output.tools import ToolCallParser

__all__ = ["PARSERS", "CallParser", "ParserRule", "TextDecoder", "ThinkingSplitter", "ToolCallParser"]
