"""Bodies in, answers out: JSON, streams, and errors in the shape of the API that was asked. Knows no endpoint."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from hollama.api import anthropic, openai
from hollama.api.encode import encode
from hollama.errors import HollamaError
from hollama.server.packed import too_large, unpack
from hollama.server.records import CLIENT_LEFT

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"
LARGEST_BODY = 256 << 20  # bytes; a conversation with many images fits, an endless body does not
LARGEST_UNPACKED = 20 << 20  # bytes of a compressed one, as in Ollama: a few kilobytes can be packed gigabytes
_SMALL = 1 << 16  # bytes that are decoded in less than a millisecond
_UNFORESEEN = "internal error; the server's log says more"

T = TypeVar("T")


@dataclass(frozen=True)
class Framing(Generic[T]):
    """How the pieces of a stream stand on the wire, and a failure among them, of which message and status are known."""

    content_type: str
    piece: Callable[[T], bytes]
    fault: Callable[[str, int], bytes]
    cache_control: str = ""


def _line(chunk: dict[str, Any]) -> bytes:
    return encode(chunk) + b"\n"


NDJSON = Framing("application/x-ndjson", _line, lambda message, status: _line({"error": message}))


async def read(request: web.Request, decode: Callable[[bytes], T]) -> T:
    """The decoded body, unpacked by then if it came compressed; a large one is decoded in a thread."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large(LARGEST_BODY) from None
    if (encoding := request.headers.get("Content-Encoding", "").strip().lower()) not in ("", "identity"):
        body = await asyncio.to_thread(unpack, body, encoding, LARGEST_UNPACKED)
    return decode(body) if len(body) < _SMALL else await asyncio.to_thread(decode, body)


def answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode(value), headers={"Content-Type": JSON})


def error_body(path: str, message: str, status: int) -> dict[str, Any]:
    """A refusal in the shape of the API that `path` belongs to."""
    if path.startswith("/v1/messages"):
        return anthropic.error(message, status, secrets.token_hex(12))
    if path.startswith("/v1/"):
        return openai.error(message, status)
    return {"error": message}


async def stream(request: web.Request, pieces: AsyncGenerator[T], framing: Framing[T]) -> web.StreamResponse:
    """Send each piece as soon as it is there; an error after the first is the last piece.

    An error before the first piece is raised. When the client leaves, `pieces` is closed at once.
    """
    async with aclosing(pieces):
        first = await anext(pieces, None)
        response = web.StreamResponse(headers={"Content-Type": framing.content_type})
        if framing.cache_control:
            response.headers["Cache-Control"] = framing.cache_control
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            if first is not None:
                await response.write(framing.piece(first))
            async for piece in pieces:
                await response.write(framing.piece(piece))
        except HollamaError as error:
            log.warning("%s: %s", request.path, error)
            await response.write(framing.fault(_text(error), error.status))
        except Exception:
            if _left(request):
                raise
            log.exception("%s failed", request.path)
            await response.write(framing.fault(_UNFORESEEN, 500))
        await response.write_eof()
    return response


def _left(request: web.Request) -> bool:
    """Whether nobody is there any more to read an answer."""
    return request.transport is None or request.transport.is_closing()


def _text(error: HollamaError) -> str:
    return str(error) or type(error).__name__


def _refusal(request: web.Request, message: str, status: int) -> web.Response:
    return answer(error_body(request.path, message, status), status)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal with its status; what nobody foresaw is logged and answered with 500."""
    try:
        return await handler(request)
    except HollamaError as error:
        level = logging.ERROR if error.status >= 500 else logging.DEBUG  # it may quote the request
        log.log(level, "%s %s: %d %s", request.method, request.path, error.status, error)
        return _refusal(request, _text(error), error.status)
    except web.HTTPException:
        raise
    except web.RequestPayloadError as error:
        refusal = _refusal(request, f"the body of the request cannot be read: {error.__cause__ or error}", 400)
        refusal.force_close()  # where the next request would begin is not known
        return refusal
    except Exception:
        if _left(request):
            log.info("%s %s: the client left", request.method, request.path)
            return web.Response(status=CLIENT_LEFT)
        log.exception("%s %s failed", request.method, request.path)
        return _refusal(request, _UNFORESEEN, 500)
