"""What is noted of each request: a line in the log, and a place for what the runtime hears. Never what was said in it.

The runtime knows no request: what it hears, it tells in the request's own task, whose context leads here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hollama.types import Heard

log = logging.getLogger("hollama.requests")

CLIENT_LEFT = 499  # what nginx notes for it; nobody reads it
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LONGEST = 200  # characters of a path; a name in it may be as long as a client likes


@dataclass(frozen=True)
class Record:
    """A request that has ended. `method` and `route` are of few values, whatever a client sends; times are seconds."""

    method: str
    route: str
    path: str
    status: int
    seconds: float
    heard: Sequence[Heard]


Keeper = Callable[[Record], None]
_HEARD: ContextVar[list[Heard]] = ContextVar("heard")


def hear(heard: Heard) -> None:
    """Note what the runtime tells of the request that this task, or the one that made it, serves."""
    if (notes := _HEARD.get(None)) is not None:
        notes.append(heard)


def recording(keepers: Sequence[Keeper]) -> Middleware:
    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = time.monotonic(), 500
        heard: list[Heard] = []
        _HEARD.set(heard)
        try:
            response = await handler(request)
            status = response.status
            return response
        except asyncio.CancelledError:
            status = CLIENT_LEFT
            raise
        finally:
            ended = _record(request, status, time.monotonic() - began, heard)
            for keep in keepers:
                keep(ended)

    return record


def _record(request: web.Request, status: int, seconds: float, heard: list[Heard]) -> Record:
    resource = request.match_info.route.resource
    return Record(
        method=request.method if request.method in _METHODS else "other",
        route=resource.canonical if resource else "other",
        path=request.rel_url.raw_path[:_LONGEST],
        status=status,
        seconds=seconds,
        heard=heard,
    )


@dataclass
class _Sums:
    """Of all answers to a request; it may have asked for many."""

    fields: dict[str, Any] = field(default_factory=dict)

    def add(self, **counts: int) -> None:
        for name, count in counts.items():
            self.fields[name] = self.fields.get(name, 0) + count


def write(record: Record) -> None:
    """One line in the log; as fields too, for logs in JSON."""
    fields: dict[str, Any] = {"method": record.method, "path": record.path, "status": record.status}
    fields["seconds"] = round(record.seconds, 6)
    if record.heard:
        fields |= _told(record.heard)
    rest = " ".join(f"{name}={value}" for name, value in fields.items() if name not in ("method", "path", "status"))
    log.info("%s %s %d %s", record.method, record.path, record.status, rest, extra={"fields": fields})


def _told(heard: Sequence[Heard]) -> dict[str, Any]:
    first, sums = heard[0].statistics, _Sums()
    for one in heard:
        counted = one.statistics
        sums.add(prompt_tokens=counted.prompt_tokens, cached_tokens=counted.cached_tokens)
        sums.add(generated_tokens=counted.generated_tokens)
    times = {"load_seconds": first.load_ns, "first_token_seconds": first.first_token_ns}
    seconds = {name: round(value / 1e9, 6) for name, value in times.items() if value}
    return {"model": heard[0].model, **seconds, **sums.fields}
