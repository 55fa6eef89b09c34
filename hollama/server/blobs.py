"""/api/blobs: whether a blob is there, and uploads, verified while they stream in.

Source: facts about the API, 4.12. Knows no model.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from hollama.errors import RequestError
from hollama.server.answers import answer
from hollama.server.rooms import Rooms

_PIECE = 1 << 20  # bytes written at a time, by a thread


def routes(rooms: Rooms) -> list[web.RouteDef]:
    async def head(request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        if not rooms.store.has_blob(digest):
            return answer({"error": f'blob "{digest}" not found'}, 404)
        return web.Response()

    async def post(request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        if rooms.store.has_blob(digest):
            return web.Response()
        with rooms.store.blob_writer() as writer:
            async for piece in request.content.iter_chunked(_PIECE):
                await asyncio.to_thread(writer.write, piece)
            got = await asyncio.to_thread(writer.commit)
        if got != digest:
            raise RequestError(f'digest mismatch, expected "{digest}", got "{got}"')
        return web.Response(status=201)

    return [web.head("/api/blobs/{digest}", head), web.post("/api/blobs/{digest}", post)]
