"""Prompts from the Jinja chat templates of checkpoints, rendered as Hugging Face transformers does.

Knows the messages' shape and the names such templates expect; does not know tokens. A template writes its own
beginning-of-sequence text where the family has one: whoever tokenises must not add a second.
"""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, NoReturn

import jinja2

from hollama.errors import TemplateError, TemplateFailed
from hollama.template.prompt import TemplateValues, ThinkingTags, with_image_tags
from hollama.template.sandbox import SIZE_LIMIT, BoundedEnvironment
from hollama.template.values import well_formed
from hollama.types import Message, ToolCall

TEXT_LIMIT = 1 << 20  # characters of a template
_CACHED = 32
_THOUGHTS = (
    ThinkingTags("<think>", "</think>"),
    ThinkingTags("[THINK]", "[/THINK]"),
    ThinkingTags("<|START_THINKING|>", "<|END_THINKING|>"),
)
_INDENT_LIMIT = 16  # of JSON


@dataclass(frozen=True)
class JinjaTemplate:
    """A chat template and the special tokens it may name. Safe to share between threads.

    Raises TemplateError where the text does not compile.
    """

    text: str
    bos_token: str = ""
    eos_token: str = ""
    _program: _Program = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_program", _compiled(self.text))

    @cached_property
    def capabilities(self) -> frozenset[str]:
        found = {"tools": "tools" in self.text or "tool_call" in self.text, "thinking": self.thinking_tags is not None}
        return frozenset(name for name, has in found.items() if has)

    @cached_property
    def thinking_tags(self) -> ThinkingTags | None:
        """The tags of the first family whose both tags the text has; or it splits a text at the closing one."""
        text = self.text.replace('"', "'")
        for tags in _THOUGHTS:
            if tags.closing in text and (tags.opening in text or f"split('{tags.closing}')" in text):
                return tags
        return None

    def render(self, values: TemplateValues) -> str:
        """The conversation, up to where the model's turn begins; or within that turn, if the model has begun it.

        Raises TemplateFailed.
        """
        messages = with_image_tags(values.conversation)
        try:
            return self._rendered(messages, values)
        except TemplateFailed:
            folded = _without_system(messages)
            if folded == messages:
                raise
            return self._rendered(folded, values)

    def _rendered(self, messages: Sequence[Message], values: TemplateValues) -> str:
        tools = [_plain(tool) for tool in values.tools]
        prefilled = bool(messages) and messages[-1].role == "assistant" and not messages[-1].tool_calls
        text = self._prompt(messages, tools, not prefilled, _thinking(values))
        return _up_to(text, messages[-1].content) if prefilled else text

    def _prompt(self, messages: Sequence[Message], tools: Any, begin: bool, extra: Mapping[str, Any]) -> str:
        # Templates disagree on a call's arguments (an object, or its text) and on the content beside (none, or "").
        shapes = [(text, none) for text in (False, True) for none in (True, False)]
        while True:
            arguments_as_text, empty_is_none = shapes.pop(0)
            chat = [_chat_message(message, arguments_as_text, empty_is_none) for message in messages]
            try:
                return self.render_chat(chat, tools, begin, **extra)
            except _WrongType:
                if not shapes or not any(message.tool_calls for message in messages):
                    raise

    def render_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        add_generation_prompt: bool = True,
        **variables: Any,
    ) -> str:
        """The same from messages and tools as OpenAI's API has them, and any variables a template knows of."""
        names: dict[str, Any] = {"messages": list(messages), "tools": list(tools) or None, "documents": None}
        names |= {"add_generation_prompt": add_generation_prompt}
        names |= {"bos_token": self.bos_token, "eos_token": self.eos_token}
        return self._program.run(names | variables)


class _WrongType(TemplateFailed):
    """The template did with a value what its type does not allow."""


class _Program:
    """A compiled template with its environment, which serves one thread at a time."""

    def __init__(self, text: str) -> None:
        self._lock = threading.Lock()
        self._environment = BoundedEnvironment()
        self._environment.add_filter("tojson", _tojson)
        self._environment.globals.update(raise_exception=_raise, strftime_now=_strftime_now)
        self._template = self._environment.from_string(self._environment.bounded(text))

    def run(self, names: Mapping[str, Any]) -> str:
        with self._lock:
            self._environment.restart()
            try:
                return well_formed(self._rendered(names))
            except TypeError as error:
                raise _WrongType(f"chat template: {error}") from error
            except Exception as error:
                # a template is a program from outside: whatever it raises is its failure
                raise TemplateFailed(f"chat template: {error or type(error).__name__}") from error

    def _rendered(self, names: Mapping[str, Any]) -> str:
        parts, size = [], 0
        for part in self._template.generate(names):
            parts.append(part)
            size += len(part)
            if size > SIZE_LIMIT:
                raise TemplateFailed(f"the output is longer than {SIZE_LIMIT} characters")
        return "".join(parts)


@lru_cache(_CACHED)
def _compiled(text: str) -> _Program:
    if len(text) > TEXT_LIMIT:
        raise TemplateError(f"chat template: it has {len(text)} characters, at most {TEXT_LIMIT} are read")
    try:
        return _Program(text)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"chat template: line {error.lineno}: {error.message}") from error
    except Exception as error:
        # what Python's own compiler refuses, such as blocks nested too deep
        raise TemplateError(f"chat template: it does not compile: {error}") from error


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    if indent is not None and not 0 <= int(indent) <= _INDENT_LIMIT:
        raise ValueError(f"tojson with an indent of {indent}, at most {_INDENT_LIMIT} is allowed")
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_listed,
    )


def _listed(value: Any) -> list[Any]:
    """What a filter such as `map` has left unfinished."""
    if isinstance(value, Iterator):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.datetime.now().strftime(form[:100])


def _thinking(values: TemplateValues) -> dict[str, Any]:
    """The variables by which families switch thinking; none where the request says nothing."""
    if not values.is_think_set:
        return {}
    effort = {"reasoning_effort": values.think_level} if values.think_level else {}
    return {"enable_thinking": values.think, "thinking": values.think, **effort}


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A leading system text put before the first user's, for families that have no system turn and refuse one."""
    if [message.role for message in messages[:2]] != ["system", "user"]:
        return messages
    system, user, *rest = messages
    return (replace(user, content=f"{system.content}\n\n{user.content}"), *rest)


def _chat_message(message: Message, arguments_as_text: bool, empty_is_none: bool) -> dict[str, Any]:
    chat: dict[str, Any] = {"role": well_formed(message.role), "content": well_formed(message.content)}
    if message.thinking:
        thinking = well_formed(message.thinking)
        chat |= {"reasoning_content": thinking, "reasoning": thinking, "thinking": thinking, "tool_plan": thinking}
    if message.tool_calls:
        chat["content"] = chat["content"] or (None if empty_is_none else "")
        chat["tool_calls"] = [_chat_call(call, arguments_as_text) for call in message.tool_calls]
    if message.role == "tool":
        chat |= {"name": well_formed(message.tool_name), "tool_call_id": well_formed(message.tool_call_id)}
    return chat


def _chat_call(call: ToolCall, arguments_as_text: bool) -> dict[str, Any]:
    arguments = _plain(call.arguments)
    shown = json.dumps(arguments, ensure_ascii=False) if arguments_as_text else arguments
    function = {"name": well_formed(call.name), "arguments": shown}
    return {"type": "function", "id": well_formed(call.id), "function": function}


def _plain(value: Any) -> Any:
    """JSON as a template's own copy."""
    match value:
        case Mapping():
            return {well_formed(str(key)): _plain(item) for key, item in value.items()}
        case str():
            return well_formed(value)
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def _up_to(text: str, content: str) -> str:
    """What precedes and includes the last occurrence of what the model has begun to say."""
    begun = well_formed(content).strip()
    found = text.rfind(begun)
    if found < 0:
        raise TemplateFailed("chat template: it does not show the text that the last, assistant's message begins with")
    return text[: found + len(begun)]
