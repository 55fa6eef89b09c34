"""Hermes, Qwen 2.5 and 3, SmolLM and many more: `<tool_call>{"name": .., "arguments": {..}}</tool_call>`.

Small ones, Qwen2.5-Coder before all, often write other tags than they were told to, a fence, or nothing around the
JSON; then only the name of one of the tools makes it a call.
"""

from __future__ import annotations

from hollama.interfaces import CallFormatSpec, CallRegion

from .objects import read_calls, read_known_calls

_OTHER_TAGS = (("<tools>", "</tools>"), ("<function_call>", "</function_call>"), ("```json", "```"))

SPEC = CallFormatSpec(
    "hermes",
    order=500,
    matches=lambda template: "<tool_call>" in template,
    regions=(
        CallRegion("<tool_call>", "</tool_call>", read_calls),
        *(CallRegion(opening, closing, read_known_calls) for opening, closing in _OTHER_TAGS),
    ),
    bare=True,
    help="Hermes, Qwen 2.5 and 3: JSON in <tool_call> tags",
)
