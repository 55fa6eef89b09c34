"""/api/embed, /api/embeddings and /v1/embeddings: requests to the runtime, its vectors to answers. Knows no model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hollama.api import embedding as native
from hollama.api.openai import embedding as openai
from hollama.server.answers import answer, read
from hollama.server.rooms import Rooms


def routes(rooms: Rooms) -> list[web.RouteDef]:
    async def embed(request: web.Request) -> web.Response:
        asked = await read(request, native.embed_request)
        embedded = await rooms.runtime.embed(asked)
        return await _written(lambda: native.embed_answer(asked.model, embedded))

    async def embeddings(request: web.Request) -> web.Response:
        embedded = await rooms.runtime.embed(await read(request, native.embeddings_request))
        return await _written(lambda: native.embeddings_answer(embedded))

    async def openai_embeddings(request: web.Request) -> web.Response:
        asked = await read(request, openai.embeddings_request)
        embedded = await rooms.runtime.embed(asked.request)
        return await _written(lambda: openai.embeddings_answer(asked, embedded))

    return [
        web.post("/api/embed", embed),
        web.post("/api/embeddings", embeddings),
        web.post("/v1/embeddings", openai_embeddings),
    ]


async def _written(make: Callable[[], dict[str, Any]]) -> web.Response:
    """A batch has a million numbers: they are written in a thread."""
    return await asyncio.to_thread(lambda: answer(make()))
