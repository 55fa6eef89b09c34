"""Endpoints of Ollama's that are not built yet: a table, and what is honestly said instead.

A request that is wrong is told so first; a right one is told that nobody can serve it. A route leaves this module when
it is built.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from hollama.api import tables
from hollama.api.decode import Struct, decode
from hollama.errors import HollamaError, RequestError
from hollama.runtime.lookup import find
from hollama.server.answers import read
from hollama.server.rooms import Rooms

Refusal = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LATER = (
    ("POST", "/v1/embeddings", "embeddings are not available yet"),
    ("POST", "/v1/audio/transcriptions", "no model that hears is available yet"),
)
_NO_EMBEDDINGS = "embeddings are not available yet"


class NotAvailable(HollamaError):
    status = 501


def routes(rooms: Rooms) -> list[web.RouteDef]:
    return [
        web.post("/api/embed", _embedding(rooms, tables.EMBED)),
        web.post("/api/embeddings", _embedding(rooms, tables.EMBEDDINGS)),
        *(_route(method, path, _later(text)) for method, path, text in _LATER),
    ]


def _route(method: str, path: str, refusal: Refusal) -> web.RouteDef:
    # aiohttp answers HEAD wherever it answers GET, unless it is told not to
    return web.RouteDef(method, path, refusal, {"allow_head": False} if method == "GET" else {})


def _later(text: str) -> Refusal:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise NotAvailable(text)

    return refuse


def _embedding(rooms: Rooms, table: Struct) -> Refusal:
    async def refuse(request: web.Request) -> web.StreamResponse:
        fields = await read(request, lambda body: decode(body, table))
        name = fields.get("model", "")
        if not name and table is tables.EMBEDDINGS:
            raise RequestError("model is required")
        missing = 'model "{}" not found, try pulling it first' if name else "model '{}' not found"
        await asyncio.to_thread(find, rooms.store, name, missing)
        raise NotAvailable(_NO_EMBEDDINGS)

    return refuse
