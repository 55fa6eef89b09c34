"""What every kind of prompt template is given and can be asked. Knows no template language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hollama.types import Message


@dataclass(frozen=True)
class ThinkingTags:
    opening: str
    closing: str


@dataclass(frozen=True, slots=True)
class TemplateValues:
    """What a prompt is made of.

    `prompt` and `suffix` together ask for text to fill in between them; otherwise the messages make the prompt.
    `system`, where given, comes before them as a message of its own. `response` is what an answer has begun with.
    `think_level` is "low", "medium", "high", "max" or empty; `is_think_set` says whether the request spoke of it.
    """

    system: str = ""
    messages: Sequence[Message] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    prompt: str = ""
    suffix: str = ""
    response: str = ""
    think: bool = False
    think_level: str = ""
    is_think_set: bool = False

    @property
    def conversation(self) -> tuple[Message, ...]:
        """Every message in order: the system's first, and what the answer has begun with last."""
        first = (Message("system", self.system),) if self.system else ()
        last = (Message("assistant", self.response),) if self.response else ()
        return (*first, *self.messages, *last)


class PromptTemplate(Protocol):
    """A conversation to the text a model continues."""

    @property
    def text(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]:
        """Of "tools", "insert" and "thinking", those the template provides for."""
        ...

    @property
    def thinking_tags(self) -> ThinkingTags | None:
        """What the model writes around its thoughts."""
        ...

    def render(self, values: TemplateValues) -> str:
        """Raises TemplateError."""
        ...


def with_image_tags(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with a tag `[img-N]` for each image, N counting from 0 over all of them.

    A tag takes the place of a literal `[img]`, as far as there are any; the others go before the text.
    """
    tagged, count = [], 0
    for message in messages:
        content, before = message.content, ""
        for _ in message.images:
            if "[img]" in content:
                content = content.replace("[img]", f"[img-{count}]", 1)
            else:
                before += f"[img-{count}]"
            count += 1
        tagged.append(replace(message, content=before + content) if message.images else message)
    return tuple(tagged)
