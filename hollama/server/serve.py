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

PATIENCE = 10.0  # seconds that answers under way have to end after the signal to stop

log = logging.getLogger(__name__)


async def serve(settings: Settings, plugins: Plugins) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError where the address cannot be had, PluginError for the backend."""
    plugins.backend(settings.backend)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = Store(settings.models, noprune=settings.noprune)
    await asyncio.to_thread(store.prune)
    await asyncio.to_thread(install_embedded, store)
    compiler = ChildCompiler()
    runtime = Runtime(settings, plugins, store, compiler)
    app = create_app(runtime, store, settings, compiler)
    async with contextlib.aclosing(runtime), listening(app, settings.host) as address:
        print(f"Listening on {address} (version {OLLAMA_VERSION})", file=sys.stderr, flush=True)
        for kind, found in plugins:
            log.info("%s: %s", kind, ", ".join(found))
        await stop.wait()
        log.info("stopping; answers under way have %.0f seconds to end", PATIENCE)


@contextlib.asynccontextmanager
async def listening(app: web.Application, address: Address) -> AsyncIterator[str]:
    """Serve on the address, and give it as "host:port". On the way out answers under way have `PATIENCE` to end."""
    runner = web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=PATIENCE, auto_decompress=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
        host, port = runner.addresses[0][:2]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        await runner.cleanup()
