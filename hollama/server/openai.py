"""/v1/chat/completions, completions and models: OpenAI's dialect to the runtime and back. Knows no model.

Source: facts about the API, 5.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from aiohttp import web

from hollama.api.answer import Answer
from hollama.api.names import local_name
from hollama.api.openai import fault
from hollama.api.openai.chat import ChatStream, chat_answer, chat_request
from hollama.api.openai.completions import CompletionStream, completion_answer, completion_request
from hollama.api.openai.envelope import Head
from hollama.api.openai.models import model_entry, model_list
from hollama.api.openai.terms import Asked, Request
from hollama.errors import RequestError
from hollama.server.answers import Framing, answer, read, stream
from hollama.server.choices import merged, whole
from hollama.server.rooms import Rooms
from hollama.types import ChatRequest, Event, GenerateRequest

EVENTS: Framing[bytes] = Framing("text/event-stream", bytes, fault)


class _Writer(Protocol):
    def write(self, index: int, event: Event) -> bytes: ...

    def close(self) -> bytes: ...


@dataclass(frozen=True)
class _Endpoint(Generic[Request]):
    """Who answers, and how that is written."""

    ask: Callable[[Request], AsyncGenerator[Event]]
    writer: Callable[[Head, Asked[Request]], _Writer]
    whole: Callable[[Head, Asked[Request], Sequence[Answer]], dict[str, Any]]

    async def reply(self, request: web.Request, asked: Asked[Request]) -> web.StreamResponse:
        head = Head(secrets.randbelow(10**9), int(time.time()), asked.request.model)
        answers = [self.ask(one) for one in asked.requests(secrets.randbelow(2**31))]
        if asked.stream:
            return await stream(request, _pieces(answers, self.writer(head, asked)), EVENTS)
        return answer(self.whole(head, asked, await whole(answers)))


def routes(rooms: Rooms) -> list[web.RouteDef]:
    chats = _Endpoint[ChatRequest](rooms.runtime.chat, ChatStream, chat_answer)
    completions = _Endpoint[GenerateRequest](rooms.runtime.generate, CompletionStream, completion_answer)

    async def chat(request: web.Request) -> web.StreamResponse:
        asked = await read(request, chat_request)
        if not asked.request.model:
            raise RequestError("model is required")
        return await chats.reply(request, asked)

    async def complete(request: web.Request) -> web.StreamResponse:
        return await completions.reply(request, await read(request, completion_request))

    async def models(request: web.Request) -> web.Response:
        def entries() -> list[dict[str, Any]]:
            found = rooms.store.models()
            return [model_entry(model.name.short, model.modified_at, model.name.namespace) for model in found]

        return answer(model_list(await asyncio.to_thread(entries)))

    async def model(request: web.Request) -> web.Response:
        name = request.match_info["model"]
        base = local_name(name, refused="remote model details are unavailable")
        found = await asyncio.to_thread(rooms.store.find, base)
        return answer(model_entry(name, found.modified_at, found.name.namespace))

    return [
        web.post("/v1/chat/completions", chat),
        web.post("/v1/completions", complete),
        web.get("/v1/models", models, allow_head=False),
        web.get("/v1/models/{model}", model, allow_head=False),
    ]


async def _pieces(answers: Sequence[AsyncGenerator[Event]], writer: _Writer) -> AsyncGenerator[bytes]:
    async with aclosing(merged(answers)) as events:
        async for index, event in events:
            yield writer.write(index, event)
    yield writer.close()
