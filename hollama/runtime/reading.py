"""How the text of an answer is read: thoughts first, then calls of tools in what is left. Knows no tokens.

A Go template says by itself what a call begins with (Ollama's rule); for what that rule cannot read, and for Jinja
templates, the template's text chooses one of the plugins' call formats. A model's PARSER goes before its template.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

from hollama.interfaces import CallFormatSpec
from hollama.output import PARSERS, CallParser, ParserRule, ThinkingSplitter, ToolCallParser
from hollama.template import GoTemplate, PromptTemplate
from hollama.types import Delta, JsonObject, Thoughts, ToolCall

_ID = string.ascii_lowercase + string.digits

Formats = Mapping[str, CallFormatSpec]


class Stage(Protocol):
    """Takes what it looks for out of the content."""

    def push(self, text: str) -> list[Delta]: ...

    def flush(self) -> list[Delta]: ...


class CallStage(Stage, Protocol):
    @property
    def marks(self) -> Sequence[str]:
        """Texts that say where calls are."""
        ...


@dataclass(frozen=True)
class Reading:
    """What is looked for in an answer; the stages keep the state of one answer."""

    stages: tuple[Stage, ...] = ()
    thoughts: Thoughts | None = None  # what the first stage looks for
    marks: tuple[str, ...] = ()  # texts to be seen though they may be control tokens
    _count: Iterator[int] = field(default_factory=count)

    def push(self, text: str) -> list[Delta]:
        """What `text` makes certain."""
        return self._through(0, [Delta(content=text)] if text else [])

    def flush(self) -> list[Delta]:
        """What was held back, at the end."""
        return [delta for place, stage in enumerate(self.stages, 1) for delta in self._through(place, stage.flush())]

    def _through(self, start: int, deltas: list[Delta]) -> list[Delta]:
        for stage in self.stages[start:]:
            deltas = [found for delta in deltas for found in (stage.push(delta.content) if delta.content else [delta])]
        return [replace(delta, tool_calls=tuple(self._named(call) for call in delta.tool_calls)) for delta in deltas]

    def _named(self, call: ToolCall) -> ToolCall:
        """With an id of its own, and its number in the answer."""
        id = "".join(secrets.choice(_ID) for _ in range(8))
        return replace(call, id=f"call_{id}", index=next(self._count)) if not call.id else call


@dataclass(frozen=True)
class Asked:
    """What an answer answers. A prompt may end within a thought, or within an answer that somebody began."""

    prompt: str
    tools: tuple[JsonObject, ...] = ()
    thinks: bool = False
    prefilled: bool = False


def reading_of(template: PromptTemplate, parser: str, asked: Asked, formats: Formats) -> Reading:
    """How an answer is read; `parser` is the model's PARSER, ignored where nobody knows it, as in Ollama."""
    rule = PARSERS.get(parser)
    calls = _ruled_calls(rule, asked.tools, formats) if rule else _calls(template, parser, asked.tools, formats)
    thoughts = _thoughts(rule or _rule(template), asked)
    marks = [mark for stage in calls for mark in stage.marks]
    if thoughts is None:
        return Reading(calls, None, tuple(marks))
    until = rule.until if rule else ()
    splitter = ThinkingSplitter(thoughts.opening, thoughts.closing, thoughts.begun, until)
    return Reading((splitter, *calls), thoughts, (thoughts.opening, thoughts.closing, *marks))


def _rule(template: PromptTemplate) -> ParserRule:
    tags = template.thinking_tags
    return ParserRule(opening=tags.opening, closing=tags.closing) if tags else ParserRule()


def _thoughts(rule: ParserRule, asked: Asked) -> Thoughts | None:
    if not rule.opening or not (asked.thinks or rule.always) or (asked.tools and rule.not_with_tools):
        return None
    end = asked.prompt.rstrip()
    begins = rule.begins and not asked.prefilled and not end.endswith(rule.closing)
    return Thoughts(rule.opening, rule.closing, begins or end.endswith(rule.opening))


def _ruled_calls(rule: ParserRule, tools: Sequence[JsonObject], formats: Formats) -> tuple[CallStage, ...]:
    format = formats.get(rule.calls)
    return (CallParser(format, tools),) if format else ()


def _calls(
    template: PromptTemplate, parser: str, tools: Sequence[JsonObject], formats: Formats
) -> tuple[CallStage, ...]:
    if not tools:
        return ()
    format = formats.get(parser) or _format(template.text, formats)
    if format is None or (isinstance(template, GoTemplate) and format.tagged_json and format.name != parser):
        return (ToolCallParser(template.tool_call_tag if isinstance(template, GoTemplate) else "{", tools),)
    bare = (ToolCallParser("{", tools),) if format.bare else ()
    return (CallParser(format, tools), *bare) if format.regions else bare


def _format(text: str, formats: Formats) -> CallFormatSpec | None:
    return next((format for format in sorted(formats.values(), key=_order) if format.matches(text)), None)


def _order(format: CallFormatSpec) -> tuple[int, str]:
    return format.order, format.name
