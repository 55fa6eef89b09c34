"""Ollama's built-in parsers by name, as a Modelfile's PARSER gives them. Knows neither templates nor how calls look.

Source: facts about Modelfiles 10. Each is a format of calls, tags of thoughts, and when an answer begins with thoughts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ParserRule:
    """How a named parser reads answers."""

    calls: str = ""  # the name of a call format; empty: none are looked for
    opening: str = ""  # of thoughts; empty: it knows none
    closing: str = ""
    begins: bool = False  # an answer begins with thoughts even where the prompt does not end with the opening
    always: bool = False  # also where the request wants no thoughts
    until: tuple[str, ...] = ()  # what ends thoughts beside `closing`
    not_with_tools: bool = False  # no thoughts are looked for where the request has tools


_THINK = ("<think>", "</think>")
_UNTIL = ("<tool_call>",)
_THINKING_XML = ParserRule("qwen-xml", *_THINK, begins=True, until=_UNTIL)

PARSERS: Mapping[str, ParserRule] = MappingProxyType(
    {
        "passthrough": ParserRule(),
        "qwen3": ParserRule("hermes"),
        "qwen3-thinking": ParserRule("hermes", *_THINK, begins=True, until=_UNTIL),
        "qwen3-vl-instruct": ParserRule("hermes"),
        "qwen3-vl-thinking": ParserRule("hermes", *_THINK, begins=True, always=True),
        "qwen3-coder": ParserRule("qwen-xml"),
        "qwen3.5": _THINKING_XML,
        "ornith": _THINKING_XML,
        "nemotron-3-nano": _THINKING_XML,
        "nemotron-3.5-nano": _THINKING_XML,
        "ministral": ParserRule("mistral", "[THINK]", "[/THINK]"),
        "cogito": ParserRule("deepseek", *_THINK, not_with_tools=True),
        "deepseek3": ParserRule("deepseek", *_THINK),
        "cohere": ParserRule("cohere", "<|START_THINKING|>", "<|END_THINKING|>"),
        "olmo3": ParserRule("pythonic"),
        "olmo3-think": ParserRule("", *_THINK, begins=True, always=True),
        "lfm2": ParserRule("pythonic"),
        "lfm2-thinking": ParserRule("pythonic", *_THINK),
        "glm-4.7": ParserRule("glm", *_THINK, begins=True),
        "glm-ocr": ParserRule("glm"),
    }
)
