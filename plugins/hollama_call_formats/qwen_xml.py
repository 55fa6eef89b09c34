"""Qwen3-Coder, Qwen 3.5, Nemotron 3: `<tool_call><function=NAME><parameter=P>value</parameter></function></tool_call>`.

Values are bare text, to be read by the types of the tool's schema. The outer tag is often forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hollama.interfaces import Call, CallFormatSpec, CallRegion
from hollama.types import JsonObject

from .typed import coerce, declared

_FUNCTION, _PARAMETER = "<function=", "<parameter="
_HEAD = re.compile(r"([^>\n]*)>")
_VALUE = re.compile(r"\s*<parameter=([^>\n]*)>(.*?)</parameter>", re.DOTALL)
_END = re.compile(r"\s*</function>\s*")


def read(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    """What is in `<tool_call>`: one function, or several."""
    found: list[Call] = []
    rest = text.strip()
    while rest.startswith(_FUNCTION):
        call, place = _function(rest, len(_FUNCTION), tools)
        end = _END.match(rest, place)
        if end is None:
            return None
        found += [call] if call else []
        rest = rest[end.end() :]
    return () if rest else found


def read_alone(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    """What follows `<function=` where the outer tag was forgotten, up to `</function>`; that may be in a value."""
    call, place = _function(text, 0, tools)
    if text[place:].strip():
        return None if call else ()
    return [call] if call else ()


def _function(text: str, start: int, tools: Sequence[JsonObject]) -> tuple[Call | None, int]:
    """The function whose name begins at `start`, and the place behind its last parameter."""
    head = _HEAD.match(text, start)
    name = head[1].strip() if head else ""
    if head is None or not name:
        return None, start
    types, arguments, place = declared(tools, name), {}, head.end()
    while value := _VALUE.match(text, place):
        key = value[1].strip()
        arguments[key] = coerce(value[2], types.get(key, frozenset()))
        place = value.end()
    return (name, arguments), place


def matches(template: str) -> bool:
    return _FUNCTION in template and _PARAMETER in template


SPEC = CallFormatSpec(
    "qwen-xml",
    order=100,
    matches=matches,
    regions=(CallRegion("<tool_call>", "</tool_call>", read), CallRegion(_FUNCTION, "</function>", read_alone)),
    frames=("</tool_call>",),
    tagged_json=False,
    help="Qwen3-Coder, Qwen 3.5: <function=..> and <parameter=..> tags",
)
