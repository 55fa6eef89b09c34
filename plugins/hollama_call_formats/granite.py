"""Granite and Phi-4-mini: `<|tool_call|>` and a list of JSON."""

from __future__ import annotations

from hollama.interfaces import CallFormatSpec, CallRegion

from .objects import read_calls

SPEC = CallFormatSpec(
    "granite",
    order=450,
    matches=lambda template: "<|tool_call|>" in template,
    regions=(CallRegion("<|tool_call|>", "", read_calls),),
    frames=("<|/tool_call|>",),
    help="Granite, Phi-4-mini: <|tool_call|>, then a list of JSON",
)
