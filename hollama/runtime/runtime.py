"""Answers requests: finds the model, checks what it can do, has it loaded, asks it. Knows no HTTP and no dialect.

What may take long (reading weights' headers, rendering, tokenising) is done in threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from hollama.config import Settings
from hollama.errors import HollamaError, RequestError
from hollama.modelfile import check_options, default_options
from hollama.plugins import Plugins
from hollama.runtime.compile import Compiler
from hollama.runtime.generation import Question, answer
from hollama.runtime.loading import SMALLEST_CONTEXT, ModelLoader, Running
from hollama.runtime.lookup import find
from hollama.runtime.prompt import Thought, capabilities
from hollama.runtime.rendering import Rendering, chat_rendering, generate_rendering
from hollama.runtime.residency import Residency, Wish
from hollama.store.model import StoredModel
from hollama.store.store import Store
from hollama.types import ChatRequest, Event, Finished, GenerateRequest, Rendered, Terms

UNBOUNDED = 2**31  # tokens: more than any context


class FormatUnavailable(HollamaError):
    status = 501


@dataclass(frozen=True)
class ResidentModel:
    """A loaded model, for /api/ps. `memory` is bytes, `expires_in` seconds, `context` tokens."""

    model: StoredModel
    memory: int
    context: int
    expires_in: float


class Runtime:
    """Owns the loaded models. Use it from one event loop, and close it there."""

    def __init__(self, settings: Settings, plugins: Plugins, store: Store, compiler: Compiler) -> None:
        self._settings = settings
        self._store = store
        self._loader = ModelLoader(settings, plugins, store, compiler)
        self._residency = Residency[StoredModel, Running](
            self._loader,
            limit=settings.max_loaded_models,
            queue=settings.max_queue,
            keep_alive=settings.keep_alive,
        )

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Continue a conversation; without messages only load the model, or unload it if it is not to be kept.

        Raises RequestError and its kind before the first event; BackendError at any time.
        """
        began = time.monotonic_ns()
        model = await asyncio.to_thread(find, self._store, request.model)
        needed = ("tools",) if request.tools else ()
        if not request.messages and request.terms.keep_alive == 0:
            yield self._unload(model)
            return
        thinks = await self._check(model, request.model, "chat", needed, request.terms)
        rendering = chat_rendering(model, request, Thought.of(request.terms.think, thinks))
        async with aclosing(self._serve(model, request.terms, rendering, began, bool(request.messages))) as events:
            async for event in events:
                yield event

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event]:
        """Complete a prompt; an empty one loads or unloads. Raises as `chat`."""
        began = time.monotonic_ns()
        model = await asyncio.to_thread(find, self._store, request.model)
        if not request.prompt and request.terms.keep_alive == 0:
            yield self._unload(model)
            return
        if request.raw and (request.template or request.system or request.context):
            raise RequestError("raw mode does not support template, system, or context")
        needed = ("insert",) if request.suffix else ()
        thinks = await self._check(model, request.model, "generate", needed, request.terms)
        rendering = generate_rendering(model, request, Thought.of(request.terms.think, thinks))
        async with aclosing(self._serve(model, request.terms, rendering, began, bool(request.prompt))) as events:
            async for event in events:
                yield event

    def residents(self) -> list[ResidentModel]:
        now = time.time()
        return [
            ResidentModel(
                model=resident.source,
                memory=resident.loaded.model.device.memory,
                context=resident.loaded.context,
                expires_in=resident.expires_at - now,
            )
            for resident in self._residency.residents
        ]

    async def aclose(self) -> None:
        """Unload everything; answers under way end with a BackendError."""
        await self._loader.stop()
        await self._residency.close()

    def _unload(self, model: StoredModel) -> Finished:
        self._residency.unload(_key(model))
        return Finished("unload")

    async def _check(self, model: StoredModel, asked: str, kind: str, needed: tuple[str, ...], terms: Terms) -> bool:
        """Refuse what the model cannot do; whether it thinks."""
        able = await asyncio.to_thread(capabilities, model)
        if "completion" not in able:
            raise RequestError(f'"{asked}" does not support {kind}')
        missing = [f"{model.name.full} does not support {name}" for name in needed if name not in able]
        if missing:
            raise RequestError("\n".join(missing))
        if terms.think and "thinking" not in able:
            raise RequestError(f'"{asked}" does not support thinking')
        if terms.format is not None:
            raise FormatUnavailable("structured output is not available yet; leave out format")
        return "thinking" in able

    async def _serve(
        self, model: StoredModel, terms: Terms, rendering: Rendering, began: int, asks: bool
    ) -> AsyncGenerator[Event]:
        """Load the model, and answer if anything is asked."""
        given = await asyncio.to_thread(_given_options, model, terms)
        await self._loader.compiled(model)
        wish = Wish(_key(model), model, self._wanted_context(given))
        async with self._residency.use(wish, terms.keep_alive) as loaded:
            load_ns = time.monotonic_ns() - began
            if not asks:
                yield Finished("load")
                return
            running = loaded.model
            options = default_options() | dict(running.info.options) | given
            options["num_ctx"] = min(wish.context, loaded.context)
            prompt = await asyncio.to_thread(rendering.render, running, options, terms)
            if terms.render_only:
                yield Rendered(prompt.text, prompt.images)
                return
            if prompt.images:
                raise RequestError(f'"{model.name.short}" does not support images')
            question = Question(
                prompt=prompt.tokens,
                options=options,
                shift=terms.shift,
                top_logprobs=terms.top_logprobs if terms.logprobs else None,
                reading=prompt.reading,
                began=began,
                load_ns=load_ns,
                keeps_context=rendering.keeps_context,
            )
            async with aclosing(answer(running, question)) as events:
                async for event in events:
                    yield event

    def _wanted_context(self, given: Mapping[str, Any]) -> int:
        """Tokens; what nobody bounds is what the package was compiled for."""
        return max(given.get("num_ctx") or self._settings.context_length or UNBOUNDED, SMALLEST_CONTEXT)


def _key(model: StoredModel) -> str:
    """Two names of the same weights share one load."""
    return str(model.model_path)


def _given_options(model: StoredModel, terms: Terms) -> dict[str, Any]:
    """What the Modelfile and the request say, types checked; raises OptionInvalid."""
    return dict(check_options(model.parameters)) | check_options(terms.options)
