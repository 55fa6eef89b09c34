"""Answers requests: finds the model, checks what it can do, has it loaded, asks it. Knows no HTTP and no dialect.

What may take long (reading weights' headers, rendering, tokenising) is done in threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from hollama.config import Settings
from hollama.errors import RequestError
from hollama.modelfile import OPTIONS, check_options, default_options
from hollama.plugins import Plugins
from hollama.runtime.compile import Compiler
from hollama.runtime.embedding import embed
from hollama.runtime.generation import Question, answer
from hollama.runtime.loading import SMALLEST_CONTEXT, ModelLoader, Running
from hollama.runtime.lookup import find
from hollama.runtime.prompt import Thought, capabilities
from hollama.runtime.rendering import Rendering, chat_rendering, generate_rendering
from hollama.runtime.residency import Residency, Wish
from hollama.store.model import StoredModel
from hollama.store.store import Store
from hollama.types import (
    ChatRequest,
    Embedded,
    EmbedRequest,
    Event,
    Finished,
    GenerateRequest,
    Heard,
    Rendered,
    Statistics,
    Terms,
)

log = logging.getLogger(__name__)

UNBOUNDED = 2**31  # tokens: more than any context
_TOLD = 10  # option names that a warning repeats
_MISSING, _UNNAMED = 'model "{}" not found, try pulling it first', "model '{}' not found"  # in embeddings' words


@dataclass(frozen=True)
class ResidentModel:
    """A loaded model. `memory` is bytes, `expires_in` seconds, `context` tokens.

    `pages` are those of KV memory, in use and altogether; `running` and `waiting` count jobs.
    """

    model: StoredModel
    memory: int
    context: int
    expires_in: float
    pages: tuple[int, int]
    running: int
    waiting: int


@dataclass(frozen=True)
class _Ask:
    """What a chat and a generation have in common."""

    kind: str
    model: str  # as it was sent
    terms: Terms
    empty: bool  # nothing is asked but that the model be loaded
    needed: tuple[str, ...]  # capabilities
    images: bool
    rendering: Callable[[StoredModel, Thought], Rendering]
    conflict: str = ""  # between its own parts


class Runtime:
    """Owns the loaded models. Use it from one event loop, and close it there."""

    def __init__(self, settings: Settings, plugins: Plugins, store: Store, compiler: Compiler) -> None:
        self.listeners: list[Callable[[Heard], None]] = []  # are told of each answer at its end, in its task
        self._settings = settings
        self._store = store
        self._loader = ModelLoader(settings, plugins, store, compiler)
        samplers = [entry.spec for entry in plugins.samplers.values()]
        self._checks = [spec.check for spec in samplers if spec.check]
        self._known = frozenset(OPTIONS).union(*(spec.options for spec in samplers))
        self._residency = Residency[StoredModel, Running](
            self._loader,
            limit=settings.max_loaded_models,
            queue=settings.max_queue,
            keep_alive=settings.keep_alive,
        )

    def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Continue a conversation; without messages only load the model, or unload it if it is not to be kept.

        Raises RequestError and its kind before the first event; BackendError at any time.
        """
        ask = _Ask(
            kind="chat",
            model=request.model,
            terms=request.terms,
            empty=not request.messages,
            needed=("tools",) if request.tools else (),
            images=any(message.images for message in request.messages),
            rendering=lambda model, thought: chat_rendering(model, request, thought),
        )
        return self._answer(ask)

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Event]:
        """Complete a prompt; an empty one loads or unloads. Raises as `chat`."""
        conflict = request.raw and (request.template or request.system or request.context)
        ask = _Ask(
            kind="generate",
            model=request.model,
            terms=request.terms,
            empty=not request.prompt and not request.tokens,
            needed=("insert",) if request.suffix else (),
            images=bool(request.images),
            rendering=lambda model, thought: generate_rendering(model, request, thought),
            conflict="raw mode does not support template, system, or context" if conflict else "",
        )
        return self._answer(ask)

    async def embed(self, request: EmbedRequest) -> Embedded:
        """A vector for each text. Raises RequestError and its kind, BackendError."""
        began = time.monotonic_ns()
        model = await asyncio.to_thread(find, self._store, request.model, _MISSING if request.model else _UNNAMED)
        if not request.texts and request.keep_alive == 0:
            self._residency.unload(_key(model))
            return Embedded()
        given = await asyncio.to_thread(_checked_options, model, request.options)
        self._warn(request.options)
        await self._loader.compiled(model)
        wish = Wish(_key(model), model, self._wanted_context(given))
        async with self._residency.use(wish, request.keep_alive) as loaded:
            load_ns = time.monotonic_ns() - began
            if not request.texts:
                return Embedded()
            room, adapter = min(wish.context, loaded.context), given.get("adapter", "")
            vectors, tokens = await embed(loaded.model, request, room, adapter)
            embedded = Embedded(vectors, tokens, time.monotonic_ns() - began, load_ns)
            self._tell(model, Statistics(embedded.total_ns, load_ns, tokens))
            return embedded

    def residents(self) -> list[ResidentModel]:
        now = time.time()
        return [
            ResidentModel(
                model=resident.source,
                memory=resident.loaded.model.device.memory,
                context=resident.loaded.context,
                expires_in=resident.expires_at - now,
                pages=resident.loaded.model.device.pages,
                running=resident.loaded.model.engine.busy,
                waiting=resident.loaded.model.engine.waiting,
            )
            for resident in self._residency.residents
        ]

    @property
    def waiting(self) -> int:
        """Requests that wait for a load."""
        return self._residency.waiting

    async def aclose(self) -> None:
        """Unload everything; answers under way end with a BackendError."""
        await self._loader.stop()
        await self._residency.close()

    async def _answer(self, ask: _Ask) -> AsyncGenerator[Event]:
        began = time.monotonic_ns()
        model = await asyncio.to_thread(find, self._store, ask.model)
        if ask.empty and ask.terms.keep_alive == 0:
            self._residency.unload(_key(model))
            yield Finished("unload")
            return
        able = await asyncio.to_thread(capabilities, model)
        _refuse_what_cannot_be(ask, model, able)
        given = await asyncio.to_thread(_given_options, model, ask.terms)
        self._warn(ask.terms.options)
        if not ask.empty:
            await asyncio.to_thread(self._check, given)
        await self._loader.compiled(model)
        wish = Wish(_key(model), model, self._wanted_context(given))
        async with self._residency.use(wish, ask.terms.keep_alive) as loaded:
            load_ns = time.monotonic_ns() - began
            if ask.empty:
                yield Finished("load")
                return
            options = default_options() | dict(loaded.model.info.options) | given
            options["num_ctx"] = min(wish.context, loaded.context)
            rendering = ask.rendering(model, Thought.of(ask.terms.think, "thinking" in able))
            prompt = await asyncio.to_thread(rendering.render, loaded.model, options, ask.terms)
            if ask.terms.render_only:
                yield Rendered(prompt.text, prompt.images, len(prompt.tokens))
                return
            question = Question(prompt, options, ask.terms, began, load_ns, rendering.keeps_context)
            async with aclosing(answer(loaded.model, question)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        self._tell(model, event.statistics)
                    yield event

    def _tell(self, model: StoredModel, statistics: Statistics) -> None:
        for hear in self.listeners:
            hear(Heard(model.name.short, statistics))

    def _check(self, options: Mapping[str, Any]) -> None:
        """Raises RequestError for what samplers refuse whatever the model."""
        for check in self._checks:
            check(options)

    def _warn(self, options: Mapping[str, Any]) -> None:
        """Nobody reads an option of another name, but the request is served, as Ollama does."""
        if unknown := [f"{name!r:.60}" for name in options if name not in self._known]:
            log.warning("invalid option provided: %s", ", ".join(unknown[:_TOLD]))

    def _wanted_context(self, given: Mapping[str, Any]) -> int:
        """Tokens; what nobody bounds is what the package was compiled for."""
        wanted: int = given.get("num_ctx", self._settings.context_length or UNBOUNDED)
        return max(wanted, SMALLEST_CONTEXT)


def _key(model: StoredModel) -> str:
    """Two names of the same weights share one load."""
    return f"{model.model_path} {model.adapter}"


def _given_options(model: StoredModel, terms: Terms) -> dict[str, Any]:
    """What the Modelfile and the request say, types checked; raises OptionInvalid."""
    return _checked_options(model, terms.options) | {"format": terms.format}


def _checked_options(model: StoredModel, options: Mapping[str, Any]) -> dict[str, Any]:
    adapter = {"adapter": model.adapter} if model.adapter else {}
    return adapter | check_options(model.parameters) | check_options(options)


def _refuse_what_cannot_be(ask: _Ask, model: StoredModel, able: Collection[str]) -> None:
    """Raises RequestError; in Ollama's words, which some clients look for."""
    if ask.conflict:
        raise RequestError(ask.conflict)
    if "completion" not in able:
        raise RequestError(f'"{ask.model}" does not support {ask.kind}')
    missing = [f"{model.name.full} does not support {name}" for name in ask.needed if name not in able]
    if missing:
        raise RequestError("\n".join(missing))
    if ask.terms.think and "thinking" not in able:
        raise RequestError(f'"{ask.model}" does not support thinking')
    if ask.images and not ask.empty and not ask.terms.render_only:
        raise RequestError(f'"{ask.model}" does not support images')
