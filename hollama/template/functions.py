"""The functions a Go template may call: Go's own and the four that Ollama adds. Knows no syntax.

A function raises ValueError with Go's words; the executor says where. `and` and `or` are not here: they do not
evaluate all of their arguments.
"""

from __future__ import annotations

import datetime
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hollama.template import gofmt, gojson
from hollama.template.values import Object, decoded, encoded, plain, truth, type_name

_HTML = str.maketrans({'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"})
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


@dataclass(frozen=True, slots=True)
class Function:
    """`most` is the greatest number of arguments; None for any."""

    call: Callable[..., Any]
    least: int
    most: int | None


def _basic_kind(value: Any) -> str:
    """The kind Go compares by; empty for what it does not compare."""
    if isinstance(value, bool):
        return "bool"
    return type_name(value) if isinstance(value, int | float | str) else ""


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise ValueError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(left: Any, right: Any) -> bool:
    kinds = _basic_kind(left), _basic_kind(right)
    if kinds[0] != kinds[1]:
        if left is not None and right is not None:
            raise ValueError("incompatible types for comparison")
        return False
    if kinds[0]:
        return bool(left == right)
    if left is None or right is None:
        return left is None and right is None
    raise ValueError(f"non-comparable type {gofmt.display(right)}: {type_name(right)}")


def _not_equal(left: Any, right: Any) -> bool:
    return not _same(left, right)


def _less(left: Any, right: Any) -> bool:
    kinds = _basic_kind(left), _basic_kind(right)
    if not kinds[0] or not kinds[1]:
        raise ValueError("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise ValueError("incompatible types for comparison")
    if kinds[0] == "bool":
        raise ValueError("invalid type for comparison")
    if isinstance(left, str):
        return encoded(left) < encoded(right)
    return bool(left < right)


def _less_or_equal(left: Any, right: Any) -> bool:
    return _less(left, right) or _same(left, right)


def _greater(left: Any, right: Any) -> bool:
    return not _less_or_equal(left, right)


def _greater_or_equal(left: Any, right: Any) -> bool:
    return not _less(left, right)


def _length(value: Any) -> int:
    value = plain(value)
    if isinstance(value, str):
        return len(value) if value.isascii() else len(encoded(value))
    if isinstance(value, Sequence | Mapping):
        return len(value)
    raise ValueError("len of nil pointer" if value is None else f"len of type {type_name(value)}")


def _index(value: Any, *keys: Any) -> Any:
    if value is None:
        raise ValueError("index of untyped nil")
    for key in keys:
        value = _indexed(plain(value), key)
    return value


def _indexed(value: Any, key: Any) -> Any:
    if value is None:
        raise ValueError("index of nil pointer")
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            raise ValueError(f"value has type {type_name(key)}; should be string")
        return value.get(key)
    if isinstance(value, str):
        return encoded(value)[_position(key, _length(value))]
    if isinstance(value, Sequence):
        return value[_position(key, len(value))]
    raise ValueError(f"can't index item of type {type_name(value)}")


def _position(key: Any, size: int, inclusive: bool = False) -> int:
    if key is None:
        raise ValueError("cannot index slice/array with nil")
    if not isinstance(key, int) or isinstance(key, bool):
        raise ValueError(f"cannot index slice/array with type {type_name(key)}")
    if not 0 <= key < size + inclusive:
        raise ValueError(f"index out of range: {key}")
    return key


def _slice(value: Any, *bounds: Any) -> Any:
    value = plain(value)
    if value is None:
        raise ValueError("slice of untyped nil")
    if len(bounds) > 3:
        raise ValueError(f"too many slice indexes: {len(bounds)}")
    if not isinstance(value, str | Sequence):
        raise ValueError(f"can't slice item of type {type_name(value)}")
    if isinstance(value, str) and len(bounds) == 3:
        raise ValueError("cannot 3-index slice a string")
    size = _length(value)
    places = [_position(bound, size, inclusive=True) for bound in bounds]
    start, stop = places[0] if places else 0, places[1] if len(places) > 1 else size
    for low, high in ((start, stop), (stop, places[2] if len(places) > 2 else stop)):
        if low > high:
            raise ValueError(f"invalid slice index: {low} > {high}")
    return decoded(encoded(value)[start:stop]) if isinstance(value, str) else value[start:stop]


def _html(*values: Any) -> str:
    return gofmt.sprint(values).translate(_HTML)


def _js(*values: Any) -> str:
    return "".join(_js_rune(rune) for rune in gofmt.sprint(values))


def _js_rune(rune: str) -> str:
    if rune in _JS:
        return _JS[rune]
    return rune if rune.isprintable() else f"\\u{ord(rune):04X}"


def _urlquery(*values: Any) -> str:
    return urllib.parse.quote_plus(encoded(gofmt.sprint(values)), safe="")


def _call(function: Any, *_: Any) -> Any:
    # no data of ours holds a function
    raise ValueError(
        "call of nil" if function is None else f"non-function {gofmt.display(function)} of type {type_name(function)}"
    )


def _date(days_back: int) -> str:
    return (datetime.date.today() - datetime.timedelta(days=days_back)).isoformat()


def _typescript(schema: Any) -> str:
    """The TypeScript type of a tool's property."""
    if not isinstance(schema, Object) or not isinstance(schema.value, Mapping):
        raise ValueError(f"wrong type for value; expected api.ToolProperty; got {type_name(schema)}")
    if alternatives := schema.value.get("AnyOf"):
        return " | ".join(_typescript(alternative) for alternative in alternatives)
    names = plain(schema.value.get("Type")) or ("any",)
    return " | ".join(_TYPESCRIPT.get(name, "any") for name in names)


_TYPESCRIPT = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "any[]",
    "object": "Record<string, any>",
    "null": "null",
}

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "not": Function(lambda value: not truth(value), 1, 1),
        "eq": Function(_equal, 1, None),
        "ne": Function(_not_equal, 2, 2),
        "lt": Function(_less, 2, 2),
        "le": Function(_less_or_equal, 2, 2),
        "gt": Function(_greater, 2, 2),
        "ge": Function(_greater_or_equal, 2, 2),
        "len": Function(_length, 1, 1),
        "index": Function(_index, 1, None),
        "slice": Function(_slice, 1, None),
        "print": Function(lambda *values: gofmt.sprint(values), 0, None),
        "println": Function(lambda *values: gofmt.sprintln(values), 0, None),
        "printf": Function(lambda form, *values: gofmt.sprintf(_text(form), values), 1, None),
        "call": Function(_call, 1, None),
        "html": Function(_html, 0, None),
        "js": Function(_js, 0, None),
        "urlquery": Function(_urlquery, 0, None),
        "json": Function(gojson.encode, 1, 1),
        "currentDate": Function(lambda *_: _date(0), 0, None),
        "yesterdayDate": Function(lambda *_: _date(1), 0, None),
        "toTypeScriptType": Function(_typescript, 1, 1),
    }
)

NAMES = frozenset(FUNCTIONS) | {"and", "or"}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"wrong type for value; expected string; got {type_name(value)}")
    return value
