"""What the server says of itself, and what it honestly cannot do yet. Knows no model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from hollama.api import tables
from hollama.api.decode import Struct, decode
from hollama.api.names import local_name
from hollama.errors import HollamaError, RequestError
from hollama.runtime.lookup import find
from hollama.server.answers import answer, read
from hollama.server.rooms import Rooms
from hollama.store.names import ModelName

OLLAMA_VERSION = "0.33.0"  # whose behaviour this server has; clients refuse to talk to versions that are too old

_MISSING_MODEL = 'model "{}" not found, try pulling it first'


class NotAvailable(HollamaError):
    """An endpoint of Ollama's that is not built yet."""

    status = 501


# What comes with later versions: method, path and how to call it. A route moves out of here when it is built.
_LATER = (
    ("POST", "/v1/chat/completions", "the OpenAI API is"),
    ("POST", "/v1/completions", "the OpenAI API is"),
    ("POST", "/v1/embeddings", "the OpenAI API is"),
    ("GET", "/v1/models", "the OpenAI API is"),
    ("GET", "/v1/models/{model}", "the OpenAI API is"),
    ("POST", "/v1/responses", "the OpenAI API is"),
    ("POST", "/v1/audio/transcriptions", "transcription is"),
    ("POST", "/v1/messages", "the Anthropic API is"),
    ("POST", "/api/me", "accounts at ollama.com are"),
    ("POST", "/api/signout", "accounts at ollama.com are"),
    ("DELETE", "/api/user/keys/{key}", "accounts at ollama.com are"),
    ("POST", "/api/experimental/web_search", "web search is"),
    ("POST", "/api/experimental/web_fetch", "web fetch is"),
    ("GET", "/api/experimental/model-recommendations", "recommendations are"),
)


def routes(rooms: Rooms) -> list[web.RouteDef]:
    return [
        *both("/", _root),
        *both("/api/version", _version),
        web.get("/api/status", _status, allow_head=False),
        web.post(
            "/api/pull", _moving(tables.PULL, "registries are not available yet; create models from files instead")
        ),
        web.post(
            "/api/push", _moving(tables.PUSH, "registries are not available yet; copy the models' folder instead")
        ),
        web.post("/api/embed", _embedding(rooms, tables.EMBED)),
        web.post("/api/embeddings", _embedding(rooms, tables.EMBEDDINGS)),
        *(web.route(method, path, _later(f"{what} not available yet")) for method, path, what in _LATER),
    ]


def both(path: str, handler: Callable[[web.Request], Any]) -> list[web.RouteDef]:
    """GET and HEAD; HEAD answers with the headers alone."""
    return [web.get(path, handler, allow_head=True)]


async def _root(request: web.Request) -> web.Response:
    return web.Response(text="Ollama is running")


async def _version(request: web.Request) -> web.Response:
    return answer({"version": OLLAMA_VERSION})


async def _status(request: web.Request) -> web.Response:
    return answer({"cloud": {"disabled": False, "source": "none"}})


def _later(text: str) -> Callable[[web.Request], Any]:
    async def refuse(request: web.Request) -> web.Response:
        raise NotAvailable(text)

    return refuse


def _moving(table: Struct, text: str) -> Callable[[web.Request], Any]:
    """Pull and push: a request that is wrong is told so before one that is right is told that nobody can serve it."""

    async def refuse(request: web.Request) -> web.Response:
        fields = await read(request, lambda body: decode(body, table))
        name = fields.get("model") or fields.get("name") or ""
        if not name and table is tables.PUSH:
            raise RequestError("model is required")
        ModelName.parse(local_name(name))
        raise NotAvailable(text)

    return refuse


def _embedding(rooms: Rooms, table: Struct) -> Callable[[web.Request], Any]:
    async def refuse(request: web.Request) -> web.Response:
        fields = await read(request, lambda body: decode(body, table))
        name = fields.get("model", "")
        if not name and table is tables.EMBEDDINGS:
            raise RequestError("model is required")
        find(rooms.store, name, _MISSING_MODEL if name else "model '{}' not found")
        raise NotAvailable("embeddings are not available yet")

    return refuse
