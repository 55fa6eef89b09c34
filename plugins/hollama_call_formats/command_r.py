"""Command R and R+: `Action:` and a fence with a list of JSON, `tool_name` and `parameters` in each object."""

from __future__ import annotations

from hollama.interfaces import CallFormatSpec, CallRegion

from .objects import read_calls


def matches(template: str) -> bool:
    return "Action:" in template and "tool_name" in template and "<|CHATBOT_TOKEN|>" in template


SPEC = CallFormatSpec(
    "command-r",
    order=250,
    matches=matches,
    regions=tuple(CallRegion(f"Action:{blank}```json", "```", read_calls) for blank in (" ", "\n", "")),
    tagged_json=False,
    help='Command R: "Action:", then JSON in a fence',
)
