"""The server's life: build it, listen, say so, and end in good order. Knows no endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator

from aiohttp import web

from hollama.config import Address, Settings
from hollama.plugins import Plugins
from hollama.runtime.compile import ChildCompiler
from hollama.runtime.embedded import install_embedded
from hollama.runtime.runtime import Runtime
from hollama.server.app import create_app
from hollama.server.status import OLLAMA_VERSION
from hollama.store.store import Store

_AFTERWARDS = 2.0  # seconds in which answers that were cut off can still say so
_TURNS = 10  # of the event loop

log = logging.getLogger(__name__)


async def serve(settings: Settings, plugins: Plugins) -> None:
    """Serve until SIGINT or SIGTERM; then answers under way have `settings.grace` seconds, or until a second signal.

    Raises OSError where the address cannot be had, PluginError for the backend.
    """
    plugins.backend(settings.backend)
    stop, hurry = _signals()
    store = Store(settings.models, noprune=settings.noprune)
    await asyncio.to_thread(store.prune)
    await asyncio.to_thread(install_embedded, store)
    compiler = ChildCompiler()
    runtime = Runtime(settings, plugins, store, compiler)
    app = create_app(runtime, store, settings, compiler)
    async with contextlib.aclosing(runtime), contextlib.AsyncExitStack() as doors:
        address = await doors.enter_async_context(listening(app, settings.host, settings.grace + _AFTERWARDS))
        print(f"Listening on {address} (version {OLLAMA_VERSION})", file=sys.stderr, flush=True)
        for kind, found in plugins:
            log.info("%s: %s", kind, ", ".join(found))
        await stop.wait()
        log.info("stopping; answers under way have %.0f seconds to end, or until the next signal", settings.grace)
        await _leave(doors, runtime, hurry, settings.grace)


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first signal to stop, and by the second."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def note() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, note)
    return stop, hurry


async def _leave(doors: contextlib.AsyncExitStack, runtime: Runtime, hurry: asyncio.Event, grace: float) -> None:
    """Take no more requests, and wait for those under way; when time is up their answers end with an error."""
    closing, hurrying = asyncio.ensure_future(doors.aclose()), asyncio.ensure_future(hurry.wait())
    await asyncio.wait({closing, hurrying}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
    if not closing.done():
        log.warning("answers under way are cut off")
        await runtime.aclose()
        await asyncio.wait({closing}, timeout=_AFTERWARDS)
    for task in (closing, hurrying):
        task.cancel()
    await asyncio.gather(closing, hurrying, return_exceptions=True)


@contextlib.asynccontextmanager
async def listening(app: web.Application, address: Address, patience: float = 10) -> AsyncIterator[str]:
    """Serve on the address, and give it as "host:port". On the way out handlers have `patience` seconds to end."""
    runner = web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=patience, auto_decompress=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
        host, port = runner.addresses[0][:2]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        for site in tuple(runner.sites):
            await site.stop()
        # A connection accepted just before must have begun to read when aiohttp closes idle ones, or else it reads
        # nothing any more and is waited for: the accepting and the first step of its handler are a few turns away.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await runner.cleanup()
