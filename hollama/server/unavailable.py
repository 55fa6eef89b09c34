"""Endpoints of Ollama's that are not built yet, and what is honestly said instead.

A route leaves this module when it is built.
"""

from __future__ import annotations

from aiohttp import web

from hollama.errors import HollamaError
from hollama.server.rooms import Rooms


class NotAvailable(HollamaError):
    status = 501


def routes(rooms: Rooms) -> list[web.RouteDef]:
    return [web.post("/v1/audio/transcriptions", _transcribe)]


async def _transcribe(request: web.Request) -> web.StreamResponse:
    raise NotAvailable("no model that hears is available yet")
