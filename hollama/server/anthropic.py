"""/v1/messages and its count_tokens: Anthropic's dialect to the runtime and back. Knows no model.

Source: facts about the API, 6. Ollama counts no tokens; its clients then guess.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from aiohttp import web

from hollama.api.anthropic import fault
from hollama.api.anthropic.answer import MessageStream, message_answer
from hollama.api.anthropic.request import count_request, messages_request
from hollama.runtime.lookup import find
from hollama.runtime.prompt import capabilities
from hollama.server.answers import Framing, answer, read, stream
from hollama.server.choices import whole
from hollama.server.rooms import Rooms
from hollama.types import ChatRequest, Event, Rendered

EVENTS: Framing[bytes] = Framing("text/event-stream", bytes, fault, "no-cache")


def routes(rooms: Rooms) -> list[web.RouteDef]:
    async def messages(request: web.Request) -> web.StreamResponse:
        asked, streamed = await read(request, messages_request)
        events = rooms.runtime.chat(await _as_it_thinks(rooms, asked))
        id = secrets.token_hex(12)
        if streamed:
            return await stream(request, _pieces(events, MessageStream(id, asked)), EVENTS)
        (said,) = await whole([events])
        return answer(message_answer(id, asked.model, said.delta, said.end))

    async def count(request: web.Request) -> web.Response:
        asked = await read(request, count_request)
        async with aclosing(rooms.runtime.chat(await _as_it_thinks(rooms, asked))) as events:
            tokens = [event.tokens async for event in events if isinstance(event, Rendered)]
        return answer({"input_tokens": sum(tokens)})

    return [web.post("/v1/messages", messages), web.post("/v1/messages/count_tokens", count)]


async def _as_it_thinks(rooms: Rooms, asked: ChatRequest) -> ChatRequest:
    """Clients of this dialect ask every model for thoughts; of one that has none they are not expected."""
    if not asked.terms.think:
        return asked
    model = await asyncio.to_thread(find, rooms.store, asked.model)
    if "thinking" in await asyncio.to_thread(capabilities, model):
        return asked
    return replace(asked, terms=replace(asked.terms, think=None))


async def _pieces(events: AsyncGenerator[Event], writer: MessageStream) -> AsyncGenerator[bytes]:
    begin = writer.open()
    async with aclosing(events):
        async for event in events:
            yield begin + writer.write(event)
            begin = b""
