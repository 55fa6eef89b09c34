"""How the text of an answer is read: thoughts first, then calls of tools in what is left. Knows no tokens."""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hollama.output import ThinkingSplitter, ToolCallParser
from hollama.template import GoTemplate, PromptTemplate, ThinkingTags
from hollama.types import Delta, JsonObject, Thoughts

_ID = string.ascii_lowercase + string.digits
_JINJA_CALLS = ("<tool_call>", "[TOOL_CALLS]", "<|tool_call|>", "<|python_tag|>")  # what families begin a call with
_JINJA_THOUGHTS = ThinkingTags("<think>", "</think>")


@dataclass(frozen=True)
class Reading:
    """What is looked for in an answer; the parts keep the state of one answer."""

    thinking: ThinkingSplitter | None = None
    calls: ToolCallParser | None = None
    thoughts: Thoughts | None = None  # what `thinking` looks for

    def push(self, text: str) -> list[Delta]:
        """What `text` makes certain."""
        return self._called(self.thinking.push(text) if self.thinking else [Delta(content=text)])

    def flush(self) -> list[Delta]:
        """What was held back, at the end."""
        return self._called(self.thinking.flush() if self.thinking else []) + (self.calls.flush() if self.calls else [])

    def _called(self, deltas: Sequence[Delta]) -> list[Delta]:
        if self.calls is None:
            return list(deltas)
        found: list[Delta] = []
        for delta in deltas:
            if delta.thinking:
                found.append(Delta(thinking=delta.thinking))
            if delta.content:
                found.extend(_named(piece) for piece in self.calls.push(delta.content))
        return found


def reading_of(template: PromptTemplate, prompt: str, tools: Sequence[JsonObject], thinks: bool) -> Reading:
    """A template says how its model writes thoughts and calls; a prompt may end within a thought already."""
    tags = template.thinking_tags if isinstance(template, GoTemplate) else _JINJA_THOUGHTS
    thinking = thoughts = None
    if thinks and tags:
        thoughts = Thoughts(tags.opening, tags.closing, begun=prompt.rstrip().endswith(tags.opening))
        thinking = ThinkingSplitter(thoughts.opening, thoughts.closing, thoughts.begun)
    tag = template.tool_call_tag if isinstance(template, GoTemplate) else _jinja_tag(template)
    return Reading(thinking, ToolCallParser(tag, tools) if tools else None, thoughts)


def _jinja_tag(template: PromptTemplate) -> str:
    text = getattr(template, "text", "")
    return next((tag for tag in _JINJA_CALLS if tag in text), "{")


def _named(delta: Delta) -> Delta:
    """Each call with an id of its own."""
    if not delta.tool_calls:
        return delta
    calls = (replace(call, id=f"call_{''.join(secrets.choice(_ID) for _ in range(8))}") for call in delta.tool_calls)
    return replace(delta, tool_calls=tuple(calls))
