"""/api/generate and /api/chat: requests to the runtime, its events to chunks. Knows no model."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aiohttp import web

from hollama.api.answer import gather
from hollama.api.ollama import Chunk, chat_chunk, chat_request, generate_chunk, generate_request
from hollama.errors import RequestError
from hollama.server.answers import NDJSON, answer, read, stream
from hollama.server.rooms import Rooms
from hollama.types import Delta, Event, Finished, Rendered

Chunker = Callable[[str, int, Delta, Finished | Rendered | None], Chunk]


def routes(rooms: Rooms) -> list[web.RouteDef]:
    async def generate(request: web.Request) -> web.StreamResponse:
        asked, streamed = await read(request, generate_request)
        return await _reply(request, asked.model, rooms.runtime.generate(asked), generate_chunk, streamed)

    async def chat(request: web.Request) -> web.StreamResponse:
        asked, streamed = await read(request, chat_request)
        if not asked.model:
            raise RequestError("model is required")
        return await _reply(request, asked.model, rooms.runtime.chat(asked), chat_chunk, streamed)

    return [web.post("/api/generate", generate), web.post("/api/chat", chat)]


async def _reply(
    request: web.Request, model: str, events: AsyncGenerator[Event], chunk: Chunker, streamed: bool
) -> web.StreamResponse:
    """A stream, or one object: what says nothing but that a model came, went or was asked is always one object."""
    async with aclosing(events):
        first = await anext(events)
        alone = isinstance(first, Rendered) or (isinstance(first, Finished) and first.reason in ("load", "unload"))
        if streamed and not alone:
            return await stream(request, _chunks(model, first, events, chunk), NDJSON)
        deltas, end = await _collect(first, events)
    return answer(chunk(model, time.time_ns(), gather(deltas), end))


async def _chunks(model: str, first: Event, events: AsyncGenerator[Event], chunk: Chunker) -> AsyncGenerator[Chunk]:
    yield _chunk(model, first, chunk)
    async for event in events:
        yield _chunk(model, event, chunk)


def _chunk(model: str, event: Event, chunk: Chunker) -> Chunk:
    if isinstance(event, Delta):
        return chunk(model, time.time_ns(), event, None)
    return chunk(model, time.time_ns(), Delta(), event)


async def _collect(first: Event, events: AsyncGenerator[Event]) -> tuple[list[Delta], Finished | Rendered | None]:
    deltas: list[Delta] = []
    end: Finished | Rendered | None = None
    for event in [first, *[event async for event in events]]:
        if isinstance(event, Delta):
            deltas.append(event)
        else:
            end = event
    return deltas, end
