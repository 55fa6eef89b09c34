"""Bodies in, answers out: JSON, NDJSON streams, and errors in the shape of Ollama's API. Knows no endpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from hollama.api.encode import encode
from hollama.errors import HollamaError, RequestError

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"
LARGEST_BODY = 256 << 20  # bytes; a conversation with many images fits, an endless body does not
_CLIENT_LEFT = 499  # what nginx notes for it; nobody reads it
_SMALL = 1 << 16  # bytes that are decoded in less than a millisecond
_UNFORESEEN = {"error": "internal error; the server's log says more"}

T = TypeVar("T")


class BodyTooLarge(RequestError):
    status = 413


async def read(request: web.Request, decode: Callable[[bytes], T]) -> T:
    """The decoded body; a large one is decoded in a thread."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(f"http: request body too large; at most {LARGEST_BODY} bytes are taken") from None
    return decode(body) if len(body) < _SMALL else await asyncio.to_thread(decode, body)


def answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode(value), headers={"Content-Type": JSON})


def error_of(error: HollamaError) -> dict[str, str]:
    return {"error": str(error) or type(error).__name__}


async def stream(request: web.Request, chunks: AsyncGenerator[dict[str, Any]]) -> web.StreamResponse:
    """Send each chunk as a line, as soon as it is there; an error after the first is the last line.

    An error before the first chunk is raised. When the client leaves, `chunks` is closed at once.
    """
    async with aclosing(chunks):
        first = await anext(chunks, None)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            if first is not None:
                await response.write(_line(first))
            async for chunk in chunks:
                await response.write(_line(chunk))
        except HollamaError as error:
            log.warning("%s: %s", request.path, error)
            await response.write(_line(error_of(error)))
        except Exception:
            if _left(request):
                raise
            log.exception("%s failed", request.path)
            await response.write(_line(_UNFORESEEN))
        await response.write_eof()
    return response


def _left(request: web.Request) -> bool:
    """Whether nobody is there any more to read an answer."""
    return request.transport is None or request.transport.is_closing()


def _line(chunk: dict[str, Any]) -> bytes:
    return encode(chunk) + b"\n"


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal as `{"error": "..."}` with its status; what nobody foresaw is logged and answered with 500."""
    try:
        return await handler(request)
    except HollamaError as error:
        level = logging.ERROR if error.status >= 500 else logging.INFO
        log.log(level, "%s %s: %d %s", request.method, request.path, error.status, error)
        return answer(error_of(error), error.status)
    except web.HTTPException:
        raise
    except web.RequestPayloadError as error:
        refusal = answer({"error": f"the body of the request cannot be read: {error.__cause__ or error}"}, 400)
        refusal.force_close()  # where the next request would begin is not known
        return refusal
    except Exception:
        if _left(request):
            log.info("%s %s: the client left", request.method, request.path)
            return web.Response(status=_CLIENT_LEFT)
        log.exception("%s %s failed", request.method, request.path)
        return answer(_UNFORESEEN, 500)
