"""Arguments written as bare text become values of the types that the tool's schema declares. Knows no tags.

Source: facts about Modelfiles 10, typed coercion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hollama.types import JsonObject

_ORDER = ("boolean", "integer", "number", "array", "object", "string")
_DEEPEST = 16  # anyOf within anyOf


def coerce(text: str, types: frozenset[str]) -> Any:
    """One value; a string where no type is declared, or none of them fits."""
    text = text.removeprefix("\n").removesuffix("\n")
    if text.lower() == "null":
        return None
    for kind in _ORDER:
        if kind in types and (value := _READERS[kind](text)) is not None:
            return value
    return False if types == {"boolean"} else text


def declared(tools: Sequence[JsonObject], name: str) -> dict[str, frozenset[str]]:
    """The types of each parameter of a tool, by name; empty for a tool that is not there."""
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, Mapping) and function.get("name") == name:
            parameters = function.get("parameters")
            properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
            if isinstance(properties, Mapping):
                return {key: frozenset(_types(schema)) for key, schema in properties.items()}
    return {}


def _types(schema: Any, depth: int = 0) -> Iterator[str]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    kinds = schema.get("type")
    yield from [kinds] if isinstance(kinds, str) else filter(_is_text, kinds if isinstance(kinds, list) else ())
    for part in schema.get("anyOf") or ():
        yield from _types(part, depth + 1)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.strip().lower())


def _integer(text: str) -> int | None:
    try:
        return int(text.strip()) if "_" not in text else None
    except ValueError:
        return None


def _number(text: str) -> float | int | None:
    """Whole numbers are integers; infinity and NaN, which JSON lacks, are no numbers."""
    try:
        value = float(text.strip()) if "_" not in text else float("nan")
    except ValueError:
        return None
    if value in (float("inf"), float("-inf")) or value != value:
        return None
    return int(value) if value.is_integer() else value


def _json(kind: type) -> Any:
    def read(text: str) -> Any:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, kind) else None

    return read


_READERS: dict[str, Any] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "array": _json(list),
    "object": _json(dict),
    "string": str,
}
