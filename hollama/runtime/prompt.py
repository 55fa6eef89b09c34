"""Prompts: which template a model is given, what goes into it, and what is left out where it is too long.

Knows messages, templates and token counts; no engine. Source: facts about Modelfiles 6, 7 and the API 3.11, 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hollama.errors import ContextOverflow, TemplateFailed
from hollama.output import PARSERS, ParserRule
from hollama.store.inspect import describe
from hollama.store.model import StoredModel
from hollama.template import DEFAULT_TEMPLATE, GoTemplate, JinjaTemplate, PromptTemplate, TemplateValues
from hollama.template.renderers import renderer_text
from hollama.types import ChatRequest, GenerateRequest, Message

TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the "
    "context length in settings, or use a model with a longer context length"
)
_THOUGHTS = re.compile(r"<think>.*?</think>\s*", re.DOTALL)


@dataclass(frozen=True)
class Choice:
    """The template that makes a model's prompts, and its text."""

    template: PromptTemplate
    text: str


def choose(model: StoredModel, override: str | None = None, bos: str = "", eos: str = "") -> Choice:
    """The request's template, the model's own, or its checkpoint's; without any the prompt is passed as it is.

    A GGUF's Jinja template goes before a Go template that can do less, as in Ollama. Raises TemplateError.
    """
    text = override or model.template
    description = describe(model)
    jinja = (
        Choice(JinjaTemplate(description.chat_template, bos, eos), description.chat_template)
        if description.chat_template
        else None
    )
    if text is None:
        return jinja or Choice(GoTemplate.parse(DEFAULT_TEMPLATE), DEFAULT_TEMPLATE)
    go = Choice(GoTemplate.parse(text), text)
    if jinja and not override and model.format == "gguf" and jinja.template.capabilities > go.template.capabilities:
        return jinja
    return go


def prompting(model: StoredModel, override: str | None = None, bos: str = "", eos: str = "") -> Choice:
    """As `choose`; but the renderer of the model's config goes before its own template.

    Raises TemplateError, also where a renderer is not there and the checkpoint has no template to do its work.
    """
    name = "" if override else model.config.renderer
    text = renderer_text(name) if name else None
    if text:
        return Choice(JinjaTemplate(text, bos, eos), text)
    if name and (text := describe(model).chat_template):
        return Choice(JinjaTemplate(text, bos, eos), text)
    if name and not model.template:
        raise TemplateFailed(
            f'the renderer "{name}" is not available, nor has the model a template; give it a TEMPLATE'
        )
    return choose(model, override, bos, eos)


def capabilities(model: StoredModel) -> tuple[str, ...]:
    """What a model can do, in Ollama's words. Raises StoreError, FormatError, TemplateError."""
    if model.config.capabilities or model.config.remote_host:
        return model.config.capabilities
    if describe(model).embeds:
        return ("embedding",)
    found = choose(model).template.capabilities | _parsed(model.config.parser)
    return ("completion", *(name for name in ("tools", "insert", "thinking") if name in found))


def _parsed(parser: str) -> frozenset[str]:
    """What a built-in parser adds to a model's capabilities."""
    rule = PARSERS.get(parser, ParserRule())
    return frozenset(name for name, has in (("tools", rule.calls), ("thinking", rule.opening)) if has)


@dataclass(frozen=True)
class Thought:
    """How much the model shall think: what a template is told."""

    on: bool = False
    level: str = ""
    asked: bool = False

    @staticmethod
    def of(think: bool | str | None, thinks: bool) -> Thought:
        """A model that thinks does, unless it is told not to; a switch is the level in the middle."""
        if think is None:
            think = True if thinks else None
        level = think if isinstance(think, str) else "medium" if think else ""
        return Thought(bool(think), level, think is not None)


def chat_values(model: StoredModel, request: ChatRequest, thought: Thought) -> TemplateValues:
    """What a conversation's template is given: the model's own words first, unless the request brings a system."""
    starts_with_system = bool(request.messages) and request.messages[0].role == "system"
    messages = (*model.messages, *_without_old_thoughts(model, request.messages))
    system = "" if starts_with_system else model.system
    return _with_thought(TemplateValues(system=system, messages=messages, tools=request.tools), thought)


def generate_values(model: StoredModel, request: GenerateRequest, thought: Thought) -> TemplateValues:
    """As for a chat of one turn; with a suffix, the text to fill in between."""
    if request.suffix:
        return _with_thought(TemplateValues(prompt=request.prompt, suffix=request.suffix), thought)
    before = () if request.context else model.messages
    turn = Message("user", request.prompt, images=request.images)
    system = model.system if request.system is None else request.system
    return _with_thought(TemplateValues(system=system, messages=(*before, turn)), thought)


def _with_thought(values: TemplateValues, thought: Thought) -> TemplateValues:
    return replace(values, think=thought.on, think_level=thought.level, is_think_set=thought.asked)


def _without_old_thoughts(model: StoredModel, messages: Sequence[Message]) -> tuple[Message, ...]:
    """Some families must not see what they thought before the last question."""
    if model.config.model_family != "qwen3" and model.name.model != "deepseek-r1":
        return tuple(messages)
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=0)
    return tuple(
        replace(message, content=_THOUGHTS.sub("", message.content))
        if message.role == "assistant" and index < last
        else message
        for index, message in enumerate(messages)
    )


def fit(
    values: TemplateValues, render: Callable[[TemplateValues], str], count: Callable[[str], int], context: int
) -> str:
    """The prompt, without the oldest messages if it would be longer than `context` tokens.

    System messages and the last message always stay. That fewer messages make fewer tokens lets it search by halves.
    """
    text = render(values)
    messages = values.messages
    if len(messages) < 2 or count(text) <= context:
        return text
    low, high = 1, len(messages) - 1
    while low < high:
        middle = (low + high) // 2
        if count(render(_from(values, middle))) <= context:
            high = middle
        else:
            low = middle + 1
    return render(_from(values, low))


def _from(values: TemplateValues, start: int) -> TemplateValues:
    dropped = [message for message in values.messages[:start] if message.role == "system"]
    return replace(values, messages=(*dropped, *values.messages[start:]))


def shorten(tokens: Sequence[int], context: int, keep: int, *, shift: bool) -> tuple[int, ...]:
    """The tokens, or where they fill the context the first `keep` (all that fit, if negative) and the tail.

    Raises ContextOverflow where the context may not be shifted.
    """
    if len(tokens) < context:
        return tuple(tokens)
    if not shift:
        raise ContextOverflow(TOO_LONG)
    keep = min(len(tokens) if keep < 0 else keep, context - 1)
    tail = context - max((context - keep) // 2, 1) - keep
    return (*tokens[:keep], *tokens[len(tokens) - tail :])
