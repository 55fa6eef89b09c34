"""FireFunction 2: ` functools[{"name": .., "arguments": {..}}]` at the end of the answer."""

from __future__ import annotations

from hollama.interfaces import CallFormatSpec, CallRegion

from .objects import read_calls

SPEC = CallFormatSpec(
    "firefunction",
    order=550,
    matches=lambda template: "functools[" in template,
    regions=(CallRegion("functools", "", read_calls),),
    help="FireFunction 2: functools, then a list of JSON",
)
