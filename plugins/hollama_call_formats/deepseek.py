"""DeepSeek V3, R1, V3.1 and the models distilled from them: a call between markers, its name before its JSON.

V3 and R1 write `function<sep>NAME`, a line and the arguments in a fence; V3.1 writes `NAME<sep>{..}`. The distilled
ones leave out the marker around all calls as often as not, so each call is found by its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from hollama.interfaces import Call, CallFormatSpec, CallRegion
from hollama.types import JsonObject

from .objects import incomplete, read_arguments, without_fence


def _mark(name: str) -> str:
    """With the family's own bars and blanks."""
    return f"<\uff5c{name.replace(' ', chr(0x2581))}\uff5c>"


_SEPARATOR = _mark("tool sep")
_CALL = _mark("tool call begin")


def read(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    kind, separated, rest = text.partition(_SEPARATOR)
    name, body = kind.strip(), rest
    if name == "function":
        name, _, body = rest.strip().partition("\n")
    if not separated or not name.strip():
        return ()
    arguments = read_arguments(without_fence(body))
    if arguments is None:
        return None if incomplete(body) else ()
    return [(name.strip(), arguments)]


SPEC = CallFormatSpec(
    "deepseek",
    order=300,
    matches=lambda template: _CALL in template,
    regions=(CallRegion(_CALL, _mark("tool call end"), read),),
    frames=(_mark("tool calls begin"), _mark("tool calls end")),
    help="DeepSeek V3, R1, V3.1: a name and JSON between markers",
)
