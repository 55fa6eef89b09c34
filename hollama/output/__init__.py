"""Token ids to text, text to what it means: answer, thoughts, calls of tools. Knows neither engine nor dialects."""

from __future__ import annotations

from hollama.output.text import TextDecoder

__all__ = ["TextDecoder"]
