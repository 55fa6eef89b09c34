"""The application: every route, and what stands before them. Knows no endpoint's meaning."""

from __future__ import annotations

from importlib.metadata import version

from aiohttp import web

from hollama.config import Settings
from hollama.runtime.compile import Compiler
from hollama.runtime.runtime import Runtime
from hollama.server import (
    account,
    anthropic,
    audio,
    blobs,
    embedding,
    generating,
    metrics,
    models,
    openai,
    openapi,
    registry,
    responses,
    status,
)
from hollama.server.answers import LARGEST_BODY, errors
from hollama.server.guard import Cors, host_check
from hollama.server.metrics import make_metrics
from hollama.server.records import hear, recording, write
from hollama.server.rooms import Rooms
from hollama.server.routing import refusals, routing
from hollama.store.store import Store

_ROOMS = (
    status,
    generating,
    embedding,
    models,
    blobs,
    openai,
    responses,
    anthropic,
    audio,
    account,
    registry,
    openapi,
)


def create_app(runtime: Runtime, store: Store, settings: Settings, compiler: Compiler) -> web.Application:
    """In this order, which is Ollama's: the log, redirects, CORS, the Host, the routes."""
    cors, check = Cors(settings.origins), host_check(settings.host.host)
    counted = make_metrics(runtime)
    keepers = [write, *([counted.keep] if counted else [])]
    runtime.listeners += [hear, *([counted.hear] if counted else [])]
    guards = [recording(keepers), routing, cors.middleware(), *([check] if check else []), refusals, errors]
    app = web.Application(middlewares=guards, client_max_size=LARGEST_BODY)
    app.on_response_prepare.append(cors.mark)
    app.on_response_prepare.append(_sign)
    rooms = Rooms(runtime, store, settings, compiler)
    for room in _ROOMS:
        app.add_routes(room.routes(rooms))
    app.add_routes(metrics.routes(counted))
    return app


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = f"hollama/{version('hollama')}"
