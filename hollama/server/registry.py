"""/api/pull and /api/push: no registry is asked, and the refusal looks as Ollama's does when it reaches none.

Source: facts about the API, 2.4, 4.9 and 4.10.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from aiohttp import web

from hollama.api import tables
from hollama.api.decode import Struct, decode
from hollama.api.names import local_name
from hollama.errors import HollamaError, RequestError
from hollama.server.answers import NDJSON, read, stream
from hollama.server.rooms import Rooms
from hollama.store.names import ModelName

Step = dict[str, Any]
Move = Callable[[Rooms, ModelName], AsyncGenerator[Step]]


class Unreachable(HollamaError):
    """A registry that nobody talks to."""


def routes(rooms: Rooms) -> list[web.RouteDef]:
    return [
        web.post("/api/pull", _moving(rooms, tables.PULL, "invalid model name", _pull)),
        web.post("/api/push", _moving(rooms, tables.PUSH, "model is required", _push)),
    ]


def _moving(rooms: Rooms, table: Struct, nameless: str, move: Move) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        fields = await read(request, lambda body: decode(body, table))
        raw = fields.get("model") or fields.get("name") or ""
        if not raw:
            raise RequestError(nameless)
        steps = move(rooms, ModelName.parse(local_name(raw)))
        if not fields.get("stream", True):
            async with aclosing(steps):
                async for _ in steps:
                    pass  # it ends with a refusal, which is all that is told
        return await stream(request, steps, NDJSON)

    return handle


async def _pull(rooms: Rooms, name: ModelName) -> AsyncGenerator[Step]:
    yield {"status": "pulling manifest"}
    raise Unreachable(f"pull model manifest: {_unreachable(name)}")


async def _push(rooms: Rooms, name: ModelName) -> AsyncGenerator[Step]:
    yield {"status": "retrieving manifest"}
    if not rooms.store.exists(name):
        yield {"status": "couldn't retrieve manifest"}
        raise Unreachable(f"open {rooms.store.root / 'manifests' / name.path}: no such file or directory")
    raise Unreachable(_unreachable(name))


def _unreachable(name: ModelName) -> str:
    instead = "create models from files, or copy them into the models' folder"
    return f"registry {name.host} is unreachable: hollama talks to no registry; {instead}"
