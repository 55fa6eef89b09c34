"""Command R7B and A: a list of JSON with `tool_name` and `parameters` between `<|START_ACTION|>` and its end."""

from __future__ import annotations

from hollama.interfaces import CallFormatSpec, CallRegion

from .objects import read_calls

SPEC = CallFormatSpec(
    "cohere",
    order=200,
    matches=lambda template: "<|START_ACTION|>" in template,
    regions=(CallRegion("<|START_ACTION|>", "<|END_ACTION|>", read_calls),),
    frames=("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"),
    tagged_json=False,
    help="Command R7B and A: JSON between <|START_ACTION|> and <|END_ACTION|>",
)
