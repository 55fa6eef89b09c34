"""What the server says of itself. Knows no model."""

from __future__ import annotations

from aiohttp import web

from hollama.server.answers import answer
from hollama.server.rooms import Rooms

OLLAMA_VERSION = "0.33.0"  # whose behaviour this server has; clients refuse to talk to versions that are too old


def routes(rooms: Rooms) -> list[web.RouteDef]:
    return [
        web.get("/", _root),
        web.get("/api/version", _version),
        web.get("/api/status", _status, allow_head=False),
    ]


async def _root(request: web.Request) -> web.Response:
    return web.Response(text="Ollama is running")


async def _version(request: web.Request) -> web.Response:
    return answer({"version": OLLAMA_VERSION})


async def _status(request: web.Request) -> web.Response:
    return answer({"cloud": {"disabled": False, "source": "none"}})
