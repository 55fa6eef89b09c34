"""The tables of requests as JSON Schema, for whoever reads machines' descriptions of APIs. Knows no route.

What a schema cannot say is left out: keys match in any case, unknown ones are ignored, and null is as good as absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hollama.api.decode import Anything, Items, Members, Named, Scalar, Struct, Type
from hollama.api.openai.prompts import prompts
from hollama.api.values import THINK_LEVELS, keep_alive, property_type, think

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/"
_SCALARS: dict[str, Schema] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer", "format": "int64"},
    "float": {"type": "number"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
}
_CHECKED: dict[Callable[[Any], Any], Schema] = {  # values that a table leaves to a function
    keep_alive: {"type": ["number", "string"]},
    think: {"anyOf": [{"type": "boolean"}, {"enum": list(THINK_LEVELS)}]},
    prompts: {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": ["string", "integer"]}},
            {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        ]
    },
    property_type: {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}


@dataclass(frozen=True)
class Schemas:
    """Collects the schemas of tables and of all that they refer to, by the name that Go has for each."""

    found: dict[str, Schema] = field(default_factory=dict)

    def of(self, table: Type) -> Schema:
        """The schema of a value; an object with fields of its own is referred to by name."""
        match table:
            case Scalar(kind):
                return _SCALARS[kind]
            case Anything(check):
                return _CHECKED.get(check, {}) if check else {}
            case Members():
                return {"type": "object"}
            case Items(item):
                return {"type": "array", "items": self.of(item)}
            case Named(item):
                return {"type": "object", "additionalProperties": self.of(item)}
            case Struct(go, fields, package):
                name = f"{package}.{go}"
                if name not in self.found:
                    self.found[name] = {"type": "object"}  # before its fields: a table may hold itself
                    self.found[name]["properties"] = {key: self.of(fields[key]) for key in fields}
                return {"$ref": REFERENCE + name}
