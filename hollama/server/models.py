"""/api/tags, ps, show, copy, delete and create: the models of the store as HTTP shows them.

Source: facts about the API, 4.5 to 4.8 and 4.11.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from hollama.api import tables
from hollama.api.decode import Struct, decode
from hollama.api.encode import after, local, without_empty
from hollama.api.names import local_name
from hollama.api.ollama import message
from hollama.errors import ModelNotFound, NameInvalid, RequestError
from hollama.runtime.create import Progress, create
from hollama.runtime.create_request import CreateRequest
from hollama.runtime.runtime import ResidentModel
from hollama.runtime.show import listed, show
from hollama.server.answers import NDJSON, answer, read, stream
from hollama.server.rooms import Rooms
from hollama.store.names import ModelName


def routes(rooms: Rooms) -> list[web.RouteDef]:
    handlers = Handlers(rooms)
    return [
        web.get("/api/tags", handlers.tags),
        web.get("/api/ps", handlers.ps, allow_head=False),
        web.post("/api/show", handlers.show),
        web.post("/api/copy", handlers.copy),
        web.delete("/api/delete", handlers.delete),
        web.post("/api/create", handlers.create),
    ]


class Handlers:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def tags(self, request: web.Request) -> web.Response:
        def models() -> list[dict[str, Any]]:
            return [listed(model) for model in self._rooms.store.models()]

        return answer({"models": await asyncio.to_thread(models)})

    async def ps(self, request: web.Request) -> web.Response:
        residents = sorted(self._rooms.runtime.residents(), key=lambda resident: -resident.expires_in)
        return answer({"models": [_resident(resident) for resident in residents]})

    async def show(self, request: web.Request) -> web.Response:
        fields = await _fields(request, tables.SHOW)
        name = _name(fields)
        base = local_name(name, refused="remote model details are unavailable")
        model = await asyncio.to_thread(self._rooms.store.find, base)
        verbose, system = fields.get("verbose", False), fields.get("system", "")
        shown = await asyncio.to_thread(show, model, verbose, system, fields.get("options", {}))
        if request.headers.get("User-Agent", "").startswith("GitHubCopilotChat/"):
            shown["model_info"]["general.basename"] = name
        return answer(shown)

    async def copy(self, request: web.Request) -> web.Response:
        fields = await _fields(request, tables.COPY)
        source, target = fields.get("source", ""), fields.get("destination", "")
        names = [_valid(kind, name) for kind, name in (("source", source), ("destination", target))]
        try:
            await asyncio.to_thread(self._rooms.store.copy, *names)
        except ModelNotFound:
            raise ModelNotFound(f'model "{source}" not found') from None
        return web.Response()

    async def delete(self, request: web.Request) -> web.Response:
        name = _name(await _fields(request, tables.DELETE))
        try:
            await asyncio.to_thread(self._rooms.store.delete, local_name(name))
        except NameInvalid:
            raise NameInvalid(f'name "{name}" is invalid') from None
        except ModelNotFound:
            raise ModelNotFound(f"model '{name}' not found") from None
        return web.Response()

    async def create(self, request: web.Request) -> web.StreamResponse:
        fields = await _fields(request, tables.CREATE)
        asked = create_request(fields)
        ModelName.parse(asked.model)
        steps = _progress(self._rooms, asked)
        if fields.get("stream", True):
            return await stream(request, steps, NDJSON)
        async with aclosing(steps):
            last = [step async for step in steps][-1]
        return answer({"status": last["status"]})


def create_request(fields: Mapping[str, Any]) -> CreateRequest:
    """The decoded body as what the runtime takes; old names of fields count where the new ones are absent."""
    plain = ("template", "system", "draft_quantize", "renderer", "parser", "requires", "info", "remote_host")
    maps = ("files", "adapters", "draft_files", "parameters", "license")
    return CreateRequest(
        model=fields.get("model") or fields.get("name") or "",
        from_=fields.get("from", ""),
        messages=tuple(message(item) for item in fields.get("messages", ())),
        quantize=fields.get("quantize") or fields.get("quantization") or "",
        **{key: fields[key] for key in (*plain, *maps) if key in fields},
    )


async def _progress(rooms: Rooms, asked: CreateRequest) -> AsyncGenerator[dict[str, Any]]:
    async with aclosing(create(rooms.store, asked, rooms.compiler)) as steps:
        async for step in steps:
            yield _step(step)


def _step(step: Progress) -> dict[str, Any]:
    parts = {"status": step.status, "digest": step.digest, "total": step.total, "completed": step.completed}
    return without_empty(parts, "status")


async def _fields(request: web.Request, table: Struct) -> dict[str, Any]:
    return await read(request, lambda body: decode(body, table))


def _name(fields: Mapping[str, Any]) -> str:
    name: str = fields.get("model") or fields.get("name") or ""
    if not name:
        raise RequestError("model is required")
    return name


def _valid(kind: str, name: str) -> ModelName:
    try:
        return ModelName.parse(name)
    except NameInvalid:
        raise NameInvalid(f'{kind} "{name}" is invalid') from None


def _resident(resident: ResidentModel) -> dict[str, Any]:
    model = resident.model
    details = {key: value for key, value in model.details.items() if not key.endswith("_length")}
    expires = after(resident.expires_in, datetime.now(UTC))
    return {
        "name": model.name.short,
        "model": model.name.short,
        "size": resident.memory,
        "digest": model.digest,
        "details": details,
        "expires_at": local(expires),
        "size_vram": 0,  # every backend so far computes in the machine's own memory
        "context_length": resident.context,
    }
