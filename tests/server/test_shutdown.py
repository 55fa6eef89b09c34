"""The server as a process: it says that it listens, lets answers end, and exits with 0."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hollama.config import Address, Settings
from hollama.server.serve import listening
from hollama.store.manifest import HEF, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store
from tests.server.server_desk import write_package

Serve = Callable[..., contextlib.AbstractAsyncContextManager["Process"]]


@dataclass
class Process:
    """A server whose model says noise, as fast as it can."""

    process: asyncio.subprocess.Process
    port: int
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, tokens: int) -> tuple[aiohttp.ClientResponse, Any]:
        """A stream and its first line."""
        body = {"model": "noise", "prompt": "x", "options": {"num_predict": tokens, "temperature": 1}}
        response = await self.http.post(f"{self.url}/api/generate", data=json.dumps(body))
        return response, json.loads(await response.content.readline())

    async def logged(self) -> str:
        """What it wrote until its end, which is a good one."""
        _, rest = await asyncio.wait_for(self.process.communicate(), 20)
        assert self.process.returncode == 0, rest.decode()
        return rest.decode()


@pytest.fixture
def serve(settings: Settings, store: Store, tmp_path: Path, unused_tcp_port: int) -> Serve:
    write_package(tmp_path / "endless.hef", 50_000, stops=())
    config = ModelConfig(model_format="hef", model_family="llama")
    store.write_manifest(ModelName.parse("noise"), config, [store.add_blob(tmp_path / "endless.hef", HEF)])
    plain = {
        **os.environ,
        "OLLAMA_HOST": f"127.0.0.1:{unused_tcp_port}",
        "OLLAMA_MODELS": str(settings.models),
        "HOLLAMA_BACKEND": "null",
    }

    @contextlib.asynccontextmanager
    async def go(**more: str) -> AsyncIterator[Process]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hollama", "serve", env={**plain, **more}, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr
        try:
            while b"Listening on" not in (line := await process.stderr.readline()):
                assert line, "it ended before it listened"
            async with aiohttp.ClientSession() as http:
                yield Process(process, unused_tcp_port, http)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return go


async def last(response: aiohttp.ClientResponse) -> Any:
    return json.loads((await response.content.read()).splitlines()[-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stream_ends_before_the_server_does(serve: Serve, number: signal.Signals) -> None:
    async with serve(HOLLAMA_GRACE="5m") as server:
        response, _ = await server.ask(5000)
        server.process.send_signal(number)
        with pytest.raises(aiohttp.ClientConnectionError):
            while not response.content.at_eof():  # the stream goes on, and nobody else is let in
                await server.http.get(f"{server.url}/api/version", timeout=aiohttp.ClientTimeout(20))
        assert (await last(response))["done"]
        assert "cut off" not in await server.logged()


async def test_a_connection_opened_at_the_end_is_not_waited_for() -> None:
    for turns in range(12):  # of the event loop, between its opening and the end
        async with listening(web.Application(), Address("http", "127.0.0.1", 0), 5) as address:
            host, port = address.rsplit(":", 1)
            with socket.create_connection((host, int(port))) as late:
                late.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                for _ in range(turns):
                    await asyncio.sleep(0)
                began = time.monotonic()
        assert time.monotonic() - began < 4


async def test_when_time_is_up_a_stream_ends_with_an_error(serve: Serve) -> None:
    async with serve(HOLLAMA_GRACE="300ms") as server:
        response, _ = await server.ask(10**6)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert "unloaded" in (await last(response))["error"]
        assert "cut off" in await server.logged()
        assert 0.3 < time.monotonic() - began < 8


async def test_a_second_signal_ends_it_at_once(serve: Serve) -> None:
    async with serve(HOLLAMA_GRACE="1h") as server:
        response, _ = await server.ask(10**6)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert server.process.returncode is None
        server.process.send_signal(signal.SIGTERM)
        assert "unloaded" in (await last(response))["error"]
        await server.logged()


async def test_a_request_is_a_line_of_json_without_its_text(serve: Serve) -> None:
    async with serve(HOLLAMA_LOG_FORMAT="json", OLLAMA_DEBUG="1") as server:
        body = {"model": "noise", "prompt": "a secret", "stream": False, "options": {"num_predict": 3}}
        for path in ("/api/generate", "/api/%0agenerate", "/v1/completions"):
            async with server.http.post(server.url + path, data=json.dumps(body)) as response:
                await response.read()
        server.process.send_signal(signal.SIGTERM)
        text = await server.logged()
    lines = [json.loads(line) for line in text.splitlines()]
    first, second, _ = [line for line in lines if line["logger"] == "hollama.requests"]
    assert (first["method"], first["path"], first["status"], first["level"]) == ("POST", "/api/generate", 200, "info")
    assert (first["model"], first["generated_tokens"], first["cached_tokens"]) == ("noise:latest", 3, 0)
    assert 0 < first["first_token_seconds"] <= first["seconds"]
    assert (second["path"], second["status"]) == ("/api/%0Agenerate", 404)
    assert "secret" not in text
