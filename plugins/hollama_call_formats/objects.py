"""Calls that are JSON objects with a name and arguments, in the words of many families. Knows no tags around them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from hollama.interfaces import Call
from hollama.types import JsonObject

_NAMES = ("name", "tool_name", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
_BETWEEN = re.compile(r"[\s,;]*")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]]', re.DOTALL)  # possessive: an unfinished string costs no more


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def read_calls(text: str, tools: Sequence[JsonObject] = ()) -> Sequence[Call] | None:
    """Calls one after the other, or in lists; None where the JSON is not complete, () where it is something else."""
    found: list[Call] = []
    place = _skip(text, 0)
    while place < len(text):
        if text[place] not in "{[":
            return found
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return None if _open(text, place) else found
        calls = _calls(value)
        if calls is None:
            return found
        found += calls
        place = _skip(text, place)
    return found


def read_known_calls(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    """The same for text that need not be a call at all: nothing, unless each call is of one of the tools."""
    calls = read_calls(text, tools)
    names = tool_names(tools)
    return calls if calls is None or all(name in names for name, _ in calls) else ()


def read_arguments(text: str) -> JsonObject | None:
    """One object that the text begins with; None where it does not, or is not complete. No text: no arguments."""
    text = text.strip()
    try:
        value = _DECODER.raw_decode(text)[0] if text else {}
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def incomplete(text: str) -> bool:
    """Whether a string or bracket of JSON is still open at the text's end."""
    return _open(text, 0)


def tool_names(tools: Iterable[JsonObject]) -> frozenset[str]:
    functions = (tool.get("function") for tool in tools)
    return frozenset(str(function.get("name")) for function in functions if isinstance(function, dict))


def without_fence(text: str) -> str:
    """What a Markdown fence around the text holds."""
    return text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")


def _calls(value: Any) -> list[Call] | None:
    if isinstance(value, list):
        calls = [_call(item) for item in value]
        return None if None in calls else [call for call in calls if call]
    call = _call(value)
    return [call] if call else None


def _call(value: Any) -> Call | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str) and value[key]), None)
    if name is None:
        return None
    arguments = next((value[key] for key in _ARGUMENTS if key in value), None)
    if isinstance(arguments, str):
        arguments = read_arguments(arguments)
        return (name, arguments) if arguments is not None else None
    return (name, arguments or {}) if isinstance(arguments, dict | None) else None


def _skip(text: str, place: int) -> int:
    match = _BETWEEN.match(text, place)
    return match.end() if match else place


def _open(text: str, place: int) -> bool:
    depth = 0
    for match in _TOKEN.finditer(text, place):
        token = match[0]
        if token[0] == '"':
            if len(token) == 1 or token[-1] != '"' or _escaped(token):
                return True
        else:
            depth += 1 if token in "{[" else -1
    return depth > 0


def _escaped(token: str) -> bool:
    """Whether the quote at a token's end is behind an odd number of backslashes, and so does not close it."""
    body = token[:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1
