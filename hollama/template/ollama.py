"""Prompts from Go templates, as Ollama makes them. Knows which values a template sees, not how it is executed.

A template that mentions `.Messages` sees the whole conversation at once. An older one sees a system text, a prompt
and a response, and is executed for each exchange; the last execution stops where the response should begin. With a
prompt and a suffix a template is asked for the text between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from hollama.template import functions, tags
from hollama.template.data import message_value, tools_value
from hollama.template.executor import execute
from hollama.template.nodes import Action, Body, Call, Field, If, Pipe, Range, Statement, Tree, With
from hollama.template.parser import parse
from hollama.template.prompt import TemplateValues, ThinkingTags, with_image_tags
from hollama.template.values import well_formed
from hollama.types import Message

DEFAULT_TEMPLATE = "{{ .Prompt }}"
_CACHED = 64  # templates; each of at most a megabyte


@dataclass(frozen=True)
class GoTemplate:
    """A parsed template. Values of this class may be shared between threads."""

    tree: Tree
    text: str = ""

    @staticmethod
    def parse(text: str) -> GoTemplate:
        """Raises TemplateError with Go's text. A template that shows no answer gets `{{ .Response }}` at its end."""
        return _parsed(text)

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names of all fields and variables used, in lower case; variables with their dollar."""
        bodies = (self.tree.root, *self.tree.defined.values())
        return frozenset(name.lower() for body in bodies for name in tags.names(body))

    @cached_property
    def thinking_tags(self) -> ThinkingTags | None:
        return tags.thinking_tags(self.tree.root)

    @cached_property
    def tool_call_tag(self) -> str:
        return tags.tool_call_tag(self.tree.root)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        found = {"tools": "tools" in self.variables, "insert": "suffix" in self.variables}
        found["thinking"] = self.thinking_tags is not None
        return frozenset(name for name, has in found.items() if has)

    @cached_property
    def _cut(self) -> Tree:
        return replace(self.tree, root=_until_response(self.tree.root)[0])

    def render(self, values: TemplateValues) -> str:
        """Raises TemplateFailed."""
        if values.prompt and values.suffix:
            return execute(self.tree, _think(values) | _texts(Prompt=values.prompt, Suffix=values.suffix, Response=""))
        messages = collate(with_image_tags(values.conversation))
        if "messages" in self.variables:
            return execute(self.tree, _think(values) | _conversation(values, messages))
        return self._legacy(values, messages)

    def _legacy(self, values: TemplateValues, messages: Sequence[Message]) -> str:
        think, parts = _think(values), []
        pending = {"System": "", "Prompt": "", "Response": ""}
        slots = {"system": "System", "user": "Prompt", "assistant": "Response"}
        ends = {"system": ("Prompt", "Response"), "user": ("Response",), "assistant": ()}
        for message in messages:
            if any(pending[slot] for slot in ends.get(message.role, ())):
                parts.append(execute(self.tree, think | pending))
                pending = dict.fromkeys(pending, "")
            if message.role in slots:
                pending[slots[message.role]] = well_formed(message.content)
        parts.append(execute(self._cut, think | pending))
        return "".join(parts)


@lru_cache(_CACHED)
def _parsed(text: str) -> GoTemplate:
    template = GoTemplate(parse(well_formed(text), functions.NAMES), text)
    if template.variables & {"messages", "response"}:
        return template
    response = parse("{{ .Response }}", functions.NAMES).root
    return replace(template, tree=replace(template.tree, root=template.tree.root + response))


def _think(values: TemplateValues) -> dict[str, Any]:
    return {"Think": values.think, "ThinkLevel": values.think_level, "IsThinkSet": values.is_think_set}


def _texts(**texts: str) -> dict[str, Any]:
    return {name: well_formed(text) for name, text in texts.items()}


def _conversation(values: TemplateValues, messages: Sequence[Message]) -> dict[str, Any]:
    system = "\n\n".join(message.content for message in values.conversation if message.role == "system")
    shown = [message_value(message) for message in messages]
    return _texts(System=system, Response="") | {"Messages": shown, "Tools": tools_value(values.tools)}


def collate(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Neighbours of one role as one message, their texts joined by a blank line; tool results stay apart."""
    collated: list[Message] = []
    for message in messages:
        last = collated[-1] if collated else None
        if last is not None and last.role == message.role != "tool":
            collated[-1] = replace(last, content=f"{last.content}\n\n{message.content}")
        else:
            collated.append(message)
    return tuple(collated)


def _until_response(body: Body) -> tuple[Body, bool]:
    """What comes up to the first `.Response`, that included; and whether there was one."""
    kept: list[Statement] = []
    for statement in body:
        if isinstance(statement, If | With | Range):
            inner, found = _until_response(statement.body)
            otherwise: Body = ()
            if not found:
                otherwise, found = _until_response(statement.otherwise)
            kept.append(replace(statement, body=inner, otherwise=otherwise))
        else:
            kept.append(statement)
            found = isinstance(statement, Action | Call) and _shows_response(statement.pipe)
        if found:
            return tuple(kept), True
    return tuple(kept), False


def _shows_response(pipe: Pipe | None) -> bool:
    return pipe is not None and any(
        _shows_response(arg) if isinstance(arg, Pipe) else isinstance(arg, Field) and "Response" in arg.names
        for command in pipe.commands
        for arg in command.args
    )
