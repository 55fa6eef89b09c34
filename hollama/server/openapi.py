"""GET /openapi.json: what this server answers to, in OpenAPI 3.1, made of its routes and of the tables that decode.

Knows no handler.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hollama.api import tables
from hollama.api.anthropic.tables import MESSAGES
from hollama.api.decode import Struct
from hollama.api.openai.tables import CHAT, COMPLETION, EMBEDDINGS, RESPONSES
from hollama.api.schema import REFERENCE, Schema, Schemas
from hollama.server.answers import answer, error_body
from hollama.server.rooms import Rooms
from hollama.server.status import OLLAMA_VERSION

PATH = "/openapi.json"
# What the body of a request is decoded by, or its content type; every other route takes none.
BODIES: Mapping[str, Struct | str] = {
    "/api/generate": tables.GENERATE,
    "/api/chat": tables.CHAT,
    "/api/embed": tables.EMBED,
    "/api/embeddings": tables.EMBEDDINGS,
    "/api/show": tables.SHOW,
    "/api/copy": tables.COPY,
    "/api/delete": tables.DELETE,
    "/api/create": tables.CREATE,
    "/api/pull": tables.PULL,
    "/api/push": tables.PUSH,
    "/api/blobs/{digest}": "application/octet-stream",
    "/api/experimental/web_search": "application/json",
    "/api/experimental/web_fetch": "application/json",
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETION,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/responses": RESPONSES,
    "/v1/audio/transcriptions": "multipart/form-data",
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": MESSAGES,
}
_BODILESS = ("GET", "HEAD")
_TEXT, _OBJECT = {"type": "string"}, {"type": "object"}


def routes(rooms: Rooms) -> list[web.RouteDef]:
    async def describe(request: web.Request) -> web.Response:
        return answer(description(request.app))

    return [web.get(PATH, describe, allow_head=False)]


def description(app: web.Application) -> dict[str, Any]:
    """The document; every route of `app` is in it."""
    schemas, paths = Schemas(), dict[str, dict[str, Any]]()
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else "/"
        paths.setdefault(path, {})[route.method.lower()] = _operation(route.method, path, schemas)
    about = "Ollama's API, and those of OpenAI and Anthropic as Ollama speaks them, for models on edge accelerators."
    return {
        "openapi": "3.1.0",
        "info": {"title": "hollama", "version": OLLAMA_VERSION, "description": about},
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {"schemas": dict(sorted(schemas.found.items()))},
    }


def _operation(method: str, path: str, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": f"{method.lower()} {path}"}
    names = re.findall(r"\{(\w+)\}", path)
    if names:
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    taken = BODIES.get(path) if method not in _BODILESS else None
    if taken is not None:
        kind = taken if isinstance(taken, str) else "application/json"
        schema = schemas.of(taken) if isinstance(taken, Struct) else {}
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema}}}
    return operation | {"responses": {"2XX": {"description": "The answer"}, "default": _refusal(path, schemas)}}


def _refusal(path: str, schemas: Schemas) -> dict[str, Any]:
    """How the API that `path` belongs to says no: the schema of its errors, taken from one of them."""
    dialect = "anthropic" if path.startswith("/v1/messages") else "openai" if path.startswith("/v1/") else "api"
    name = f"{dialect}.Error"
    schemas.found[name] = _like(error_body(path, "", 400))
    return {"description": "A refusal", "content": {"application/json": {"schema": {"$ref": REFERENCE + name}}}}


def _like(value: Any) -> Schema:
    """The schema of values of this shape, none of whose members may be missing."""
    match value:
        case dict():
            members = {key: _like(value[key]) for key in value}
            return {**_OBJECT, "properties": members, "required": list(members)}
        case str():
            return _TEXT
    return {}
