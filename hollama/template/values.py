"""What a template's expressions are made of, in Python's types, and how Go would call them.

nil is None; bool, int, float64 and string are Python's own; slices are sequences, maps are mappings of strings.
`Object` is what Python has no type for: a Go struct, or a slice or map that prints itself. Text holds what is not
UTF-8 as surrogate escapes, because Go's strings are bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STRING_LIMIT = 16 << 20  # characters of one value, and of the output


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """`value` are a struct's fields, or what a named slice or map holds.

    `to_json` gives what `json` encodes, in its order; `text` is the type's String method, where it has one.
    """

    type_name: str
    value: Mapping[str, Any] | Sequence[Any]
    to_json: Callable[[], object]
    text: Callable[[], str] | None = None
    is_struct: bool = False


def plain(value: Any) -> Any:
    """A named slice or map as what it holds; anything else as it is."""
    return value.value if isinstance(value, Object) and not value.is_struct else value


def type_name(value: Any) -> str:
    """As Go's %T."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case Object():
            return value.type_name
        case bytes():
            return "[]uint8"
        case Mapping():
            return "map[string]interface {}"
        case Sequence():
            return "[]interface {}"
    return type(value).__name__


def truth(value: Any) -> bool:
    """Go's truth: not nil, not zero, not empty; a struct is always true."""
    if isinstance(value, Object):
        return value.is_struct or bool(value.value)
    return bool(value)


def encoded(text: str) -> bytes:
    """A string as Go's bytes."""
    return text.encode("utf-8", "surrogateescape")


def decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def well_formed(text: str) -> str:
    """Text from outside, or on its way out: whatever is not UTF-8 becomes U+FFFD."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        # neighbouring escaped bytes may have met again to form a character
        escaped = "".join(
            rune if not "\ud800" <= rune <= "\udfff" or "\udc80" <= rune <= "\udcff" else "\ufffd" for rune in text
        )
        return escaped.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
