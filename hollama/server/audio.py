"""/v1/audio/transcriptions: a form is read, and models that hear nothing, as all do so far, are told apart from none.

Source: facts about the API, 5.7.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from hollama.errors import RequestError
from hollama.runtime.lookup import find
from hollama.server.packed import too_large
from hollama.server.rooms import Rooms

LARGEST_FORM = 25 << 20  # bytes


def routes(rooms: Rooms) -> list[web.RouteDef]:
    async def transcribe(request: web.Request) -> web.StreamResponse:
        form = await _form(request)
        name = form.get("model", b"").decode("utf-8", "replace")
        if not name:
            raise RequestError("model is required")
        if "file" not in form:
            raise RequestError("file is required: http: no such file")
        if not form["file"]:
            raise RequestError("audio file is empty")
        model = await asyncio.to_thread(find, rooms.store, name)
        raise RequestError(f"{model.name.full} does not support audio")

    return [web.post("/v1/audio/transcriptions", transcribe)]


async def _form(request: web.Request) -> dict[str, bytes]:
    """The fields of a multipart body, the last of each name. Raises RequestError."""
    found: dict[str, bytes] = {}
    left = LARGEST_FORM
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise ValueError("a form holds no forms")
            data = bytearray()
            while piece := await part.read_chunk():
                data += piece
                left -= len(piece)
                if left < 0:
                    raise too_large(LARGEST_FORM)
            found[part.name or ""] = bytes(data)
    except (AssertionError, ValueError, LookupError) as error:
        raise RequestError(f"failed to parse multipart form: {error or 'it is cut off'}") from None
    return found
