"""Routes of ollama.com's accounts and services, answered as Ollama does when nobody is signed in. Knows no model.

Nobody ever is: hollama talks to no cloud. Source: facts about the API, 2.3 and 4.13.
"""

from __future__ import annotations

import socket
from urllib.parse import quote

from aiohttp import web

from hollama.errors import RequestError
from hollama.runtime.embedded import EMBEDDED
from hollama.server.answers import answer, read
from hollama.server.rooms import Rooms

_RECOMMENDED = [{"model": EMBEDDED, "description": "Small, embedded, and ready to talk"}]


class SignedOut(RequestError):
    status = 401


def routes(rooms: Rooms) -> list[web.RouteDef]:
    return [
        web.post("/api/me", _who),
        web.post("/api/signout", _sign_out),
        web.delete("/api/user/keys/{key}", _sign_out),
        web.post("/api/experimental/web_search", _service),
        web.post("/api/experimental/web_fetch", _service),
        web.get("/api/experimental/model-recommendations", _recommendations, allow_head=False),
    ]


async def _who(request: web.Request) -> web.Response:
    signin = f"https://ollama.com/connect?name={quote(socket.gethostname())}"
    return answer({"error": "unauthorized", "signin_url": signin}, SignedOut.status)


async def _sign_out(request: web.Request) -> web.Response:
    raise SignedOut("you are not currently signed in")


async def _service(request: web.Request) -> web.Response:
    if not (await read(request, bytes)).strip():
        raise RequestError("missing request body")
    return await _who(request)


async def _recommendations(request: web.Request) -> web.Response:
    return answer({"recommendations": _RECOMMENDED})
