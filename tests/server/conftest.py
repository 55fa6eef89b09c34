"""A real server on a free port, over a scripted backend and the byte tokenizer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import ollama
import pytest

from hollama.config import Address, Settings, load_settings
from hollama.plugins import load_plugins
from hollama.runtime.runtime import Runtime
from hollama.server.app import create_app
from hollama.server.serve import listening
from hollama.store.manifest import HEF, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store
from tests.server.server_desk import CHATML, CONTEXT, Desk, Device, PackageCompiler, write_package


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    plain = load_settings({"OLLAMA_MODELS": str(tmp_path / "models")})
    return replace(plain, host=Address("http", "127.0.0.1", 0), backend="test")


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.models)


@pytest.fixture
def install(store: Store, tmp_path: Path) -> Callable[..., None]:
    def put(
        name: str,
        *,
        context: int = CONTEXT,
        chat_template: str = "",
        salt: str = "",
        metadata: Mapping[str, Any] = MappingProxyType({}),
        **layers: str,
    ) -> None:
        """A model with a package of its own if `salt` differs; other layers by the last word of their media type."""
        write_package(tmp_path / "made.hef", context, chat_template, salt, metadata)
        kinds = [(f"application/vnd.ollama.image.{kind}", text.encode()) for kind, text in layers.items()]
        made = [store.add_blob(tmp_path / "made.hef", HEF), *(store.add_blob(data, kind) for kind, data in kinds)]
        config = ModelConfig(model_format="hef", model_family="llama", model_families=("llama",), model_type="1.50M")
        store.write_manifest(ModelName.parse(name), config, made)

    return put


@pytest.fixture
async def start(settings: Settings, store: Store, device: Device) -> AsyncIterator[Callable[..., Any]]:
    """Start a server, its settings changed by the keywords."""
    async with AsyncExitStack() as stack:

        async def go(**changes: Any) -> Desk:
            changed = replace(settings, **changes)
            compiler = PackageCompiler()
            runtime = Runtime(changed, load_plugins([("test", device)]), store, compiler)
            stack.push_async_callback(runtime.aclose)
            app = create_app(runtime, store, changed, compiler)
            address = await stack.enter_async_context(listening(app, changed.host))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            client = ollama.AsyncClient(f"http://{address}")
            return Desk(f"http://{address}", client, http, store, runtime, device)

        yield go


@pytest.fixture
async def desk(start: Callable[..., Any], install: Callable[..., None]) -> Desk:
    """A server with the model "noise"."""
    install("noise", template=CHATML)
    return await start()
