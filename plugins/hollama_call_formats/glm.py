"""GLM 4.5 and later: `<tool_call>NAME<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>`, values bare text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hollama.interfaces import Call, CallFormatSpec, CallRegion
from hollama.types import JsonObject

from .typed import coerce, declared

_KEY = "<arg_key>"


def read(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    head, *pairs = text.split(_KEY)
    name = head.strip()
    if not re.fullmatch(r"[^\s<>{}]+", name):
        return ()
    types = declared(tools, name)
    arguments = {}
    for pair in pairs:
        key, _, rest = pair.partition("</arg_key>")
        value, closed, _ = rest.partition("<arg_value>")[2].partition("</arg_value>")
        if not closed:
            return None
        arguments[key.strip()] = coerce(value, types.get(key.strip(), frozenset()))
    return [(name, arguments)]


SPEC = CallFormatSpec(
    "glm",
    order=150,
    matches=lambda template: _KEY in template,
    regions=(CallRegion("<tool_call>", "</tool_call>", read),),
    tagged_json=False,
    help="GLM 4.5 and later: <arg_key> and <arg_value> tags",
)
