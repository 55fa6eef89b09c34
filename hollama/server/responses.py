"""/v1/responses: OpenAI's newer dialect to the runtime and back. Knows no model. Source: facts about the API, 5.6."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from hollama.api.openai.envelope import Head
from hollama.api.openai.response_object import ResponseStream, response_answer
from hollama.api.openai.responses import responses_request
from hollama.errors import RequestError
from hollama.server.answers import Framing, answer, read, stream
from hollama.server.choices import whole
from hollama.server.rooms import Rooms
from hollama.types import Event


def routes(rooms: Rooms) -> list[web.RouteDef]:
    async def respond(request: web.Request) -> web.StreamResponse:
        asked = await read(request, responses_request)
        if not asked.request.model:
            raise RequestError("model is required")
        head = Head(secrets.randbelow(10**9), int(time.time()), asked.request.model)
        events = rooms.runtime.chat(asked.request)
        if asked.stream:
            writer = ResponseStream(head, asked)
            framing: Framing[bytes] = Framing("text/event-stream", bytes, writer.fault, "no-cache")
            return await stream(request, _pieces(events, writer), framing)
        (said,) = await whole([events])
        return answer(response_answer(head, asked, said, int(time.time())))

    return [web.post("/v1/responses", respond)]


async def _pieces(events: AsyncGenerator[Event], writer: ResponseStream) -> AsyncGenerator[bytes]:
    begin = writer.open()
    async with aclosing(events):
        async for event in events:
            yield begin + writer.write(event, int(time.time()))
            begin = b""
