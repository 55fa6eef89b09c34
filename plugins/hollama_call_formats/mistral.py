"""Mistral: `[TOOL_CALLS]` and a list of JSON, or since 2025 `[TOOL_CALLS]NAME[ARGS]{..}` for each call."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hollama.interfaces import Call, CallFormatSpec, CallRegion
from hollama.types import JsonObject

from .objects import read_arguments, read_calls

_OPENING = "[TOOL_CALLS]"
_NAME = re.compile(r"\s*([^\s\[\]{}]+)\s*(?:\[CALL_ID\][^\[]*)?(?:\[ARGS\]|(?=\{))")


def read(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    found: list[Call] = []
    for part in text.split(_OPENING):
        name = _NAME.match(part)
        if name is None:
            found += read_calls(part) or ()
        elif (arguments := read_arguments(part[name.end() :])) is not None:
            found.append((name[1], arguments))
    return found


SPEC = CallFormatSpec(
    "mistral",
    order=400,
    matches=lambda template: _OPENING in template,
    regions=(CallRegion(_OPENING, "", read),),
    help="Mistral: [TOOL_CALLS], then JSON",
)
