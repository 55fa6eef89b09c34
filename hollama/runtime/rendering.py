"""One request's way from messages to tokens, and how its answer is to be read. Runs in a thread; loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hollama.interfaces import Tokenizer
from hollama.runtime.loading import Running
from hollama.runtime.prompt import Choice, Thought, chat_values, fit, generate_values, prompting, shorten
from hollama.runtime.reading import Asked, Formats, Reading, reading_of
from hollama.store.model import StoredModel
from hollama.template import TemplateValues
from hollama.types import ChatRequest, GenerateRequest, JsonObject, Terms


@dataclass(frozen=True)
class Prompt:
    """What the model will see."""

    text: str
    tokens: tuple[int, ...]
    images: int
    reading: Reading
    shown: Mapping[int, bytes]  # control tokens that the reading must see, and what they say


@dataclass(frozen=True)
class Rendering:
    """How a request becomes a prompt; `values` is None for raw text."""

    model: StoredModel
    values: TemplateValues | None
    raw: str = ""
    template: str | None = None  # of the request
    context: tuple[int, ...] = ()  # tokens in front
    tools: tuple[JsonObject, ...] = ()
    keeps_context: bool = False

    def render(self, running: Running, options: Mapping[str, Any], terms: Terms) -> Prompt:
        """Raises TemplateError, ContextOverflow."""
        context = options["num_ctx"]
        info = running.info
        choice = None if self.values is None else prompting(self.model, self.template, info.bos_token, info.eos_token)
        begin = info.add_bos and not self.context
        encode = _encoder(running, begin)
        text = self.raw if choice is None else self._text(choice, encode, context, terms.truncate)
        tokens = (*self.context, *encode(text))
        if terms.truncate:
            keep = options["num_keep"] + (begin if options["num_keep"] >= 0 else 0)
            tokens = shorten(tokens, context, keep, shift=terms.shift)
        images = sum(len(message.images) for message in self.values.messages) if self.values else 0
        before = b"".join(map(running.tokenizer.piece, self.context)).decode("utf-8", "replace")
        reading = self._reading(choice, text, running.formats) if choice else Reading()
        shown = control_marks(running.tokenizer, reading.marks)
        return Prompt(before + text, tokens, images, reading, shown)

    def _reading(self, choice: Choice, text: str, formats: Formats) -> Reading:
        assert self.values is not None
        prefilled = bool(self.values.messages) and self.values.messages[-1].role == "assistant"
        asked = Asked(text, self.tools, self.values.think, prefilled)
        return reading_of(choice.template, self.model.config.parser, asked, formats)

    def _text(self, choice: Choice, encode: Callable[[str], list[int]], context: int, truncate: bool) -> str:
        assert self.values is not None
        if not truncate:
            return choice.template.render(self.values)
        return fit(self.values, choice.template.render, lambda text: len(encode(text)), context - len(self.context))


def chat_rendering(model: StoredModel, request: ChatRequest, thought: Thought) -> Rendering:
    return Rendering(model, chat_values(model, request, thought), tools=request.tools)


def generate_rendering(model: StoredModel, request: GenerateRequest, thought: Thought) -> Rendering:
    if request.raw:
        return Rendering(model, None, raw=request.prompt, context=request.tokens)
    values = generate_values(model, request, thought)
    return Rendering(model, values, template=request.template, context=request.context, keeps_context=True)


def control_marks(tokenizer: Tokenizer, marks: Sequence[str]) -> dict[int, bytes]:
    """The marks that are a control token each, which has no text of its own."""
    shown = {}
    for mark in marks:
        controls = [token for token in tokenizer.encode(mark) if tokenizer.control(token)]
        if len(controls) == 1:
            shown[controls[0]] = mark.encode()
    return shown


def _encoder(running: Running, begin: bool) -> Callable[[str], list[int]]:
    """Text to tokens; a beginning that the template wrote out is not doubled."""
    bos = running.info.bos_token

    def encode(text: str) -> list[int]:
        return running.tokenizer.encode(text.removeprefix(bos) if begin and bos else text, begin=begin)

    return encode
