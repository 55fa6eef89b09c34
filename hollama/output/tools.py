"""Finds the calls of tools in what a model writes after its tag. Knows no template and no dialect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hollama.output.hold import held
from hollama.types import Delta, JsonObject, ToolCall

_STRING = r'"(?:[^"\\]++|\\.)*+"?'  # possessive, so that an unfinished one costs no more than a finished one
_MARK = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
_BRACKETS = {  # tags that are JSON themselves, and may begin no call at all
    "{": re.compile(_STRING + "|[{}]", re.DOTALL),
    "[": re.compile(_STRING + r"|[\[\]]", re.DOTALL),
}


class ToolCallParser:
    """Text before the tag is content, calls follow it, and other text after it is dropped.

    A call is a tool's name and a JSON object in any of the shapes that models use: `{"name": n, "arguments": {...}}`
    (or `parameters`, or either as a string of JSON), `{n: {...}}`, or the bare object of arguments. With the tag "{"
    or "[" the tag is part of the JSON: then only an answer that begins with it can be a call, and what closes without
    one is content after all.
    """

    def __init__(self, tag: str, tools: Sequence[JsonObject]) -> None:
        self._tag = tag or "{"
        names = (tool.get("function", {}).get("name", "") for tool in tools)
        self._names = [name for name in names if name]
        self._state = self._look
        self._buffer = ""
        self._blank = True  # no content so far
        self._calls = 0

    @property
    def marks(self) -> list[str]:
        """What in the tag may be a token of its own."""
        return _MARK.findall(self._tag)

    def push(self, text: str) -> list[Delta]:
        """What has become certain by `text`."""
        self._buffer += text
        return self._state()

    def flush(self) -> list[Delta]:
        """What was held back, at the end; what follows a tag of its own without being a call is dropped."""
        dropped = self._state == self._call and (self._calls or self._tag not in _BRACKETS)
        return [] if dropped else self._pass()

    def _look(self) -> list[Delta]:
        before, found, _ = self._buffer.partition(self._tag)
        if not found:
            before = before[: len(before) - held(before, self._tag)]
        self._blank = self._blank and not before.strip()
        if self._tag in _BRACKETS and not self._blank:
            self._state = self._pass
            return self._pass()
        self._buffer = self._buffer[len(before) :]
        content = [Delta(content=before)] if before else []
        if not found:
            return content
        self._state = self._call
        return content + self._call()

    def _call(self) -> list[Delta]:
        calls = []
        while call := self._next_call():
            calls.append(call)
        if calls:
            return [Delta(tool_calls=tuple(calls))]
        if not self._calls and self._closed():
            self._state = self._pass
            return self._pass()
        return []

    def _pass(self) -> list[Delta]:
        text, self._buffer = self._buffer, ""
        return [Delta(content=text)] if text else []

    def _next_call(self) -> ToolCall | None:
        found = self._name()
        if not found:
            return None
        name, end = found
        for value, stop in _objects(self._buffer):
            self._buffer = self._buffer[max(end, stop) :]
            self._calls += 1
            return ToolCall(name, _arguments(value, name), index=self._calls - 1)
        return None

    def _name(self) -> tuple[str, int] | None:
        """The earliest name of a tool (of several at one place the longest) and its end; None if it may yet grow."""
        if any(held(self._buffer, name) for name in self._names):
            return None
        places = [(self._buffer.find(name), -len(name), name) for name in self._names]
        start, length, name = min((place for place in places if place[0] >= 0), default=(0, 0, ""))
        return (name, start - length) if name else None

    def _closed(self) -> bool:
        """Whether the brackets of the tag's kind are balanced."""
        return self._tag in _BRACKETS and _balanced(self._buffer, 0, self._tag) is not None


def _balanced(text: str, start: int, opening: str) -> int | None:
    """The place behind the bracket that brings those from `start` on into balance, strings of JSON left out."""
    depth = 0
    for match in _BRACKETS[opening].finditer(text, start):
        if match[0][0] != '"':
            depth += 1 if match[0] == opening else -1
            if depth == 0:
                return match.end()
    return None


def _objects(text: str) -> Iterator[tuple[dict[str, Any], int]]:
    """The complete JSON objects of `text`, outermost only, and the place behind each; what is no JSON is skipped."""
    start = text.find("{")
    while start >= 0:
        stop = _balanced(text, start, "{")
        if stop is None:
            return
        value = _json_object(text[start:stop])
        if value is not None:
            yield value, stop
        start = text.find("{", stop)


def _json_object(text: Any) -> dict[str, Any] | None:
    """`text` if it is an object, or what it says if it is a string with the JSON of one."""
    if isinstance(text, dict):
        return text
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _arguments(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = next((arguments for part in _inside(value) if (arguments := _named(part, name)) is not None), None)
    return value if found is None else found


def _named(value: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The arguments in `value` where it is a call, None where it is something else."""
    if "name" in value:
        for key in ("arguments", "parameters"):
            if (arguments := _json_object(value.get(key))) is not None:
                return arguments
        if value["name"] == name:
            return {}
    return _json_object(value.get(name))


def _inside(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All objects in a JSON value, the outer before the inner."""
    stack: list[Any] = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            part = list(part.values())
        if isinstance(part, list):
            stack.extend(reversed(part))
