"""The server as a process: it says that it listens, lets answers end, and exits with 0."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable

import aiohttp
import pytest

from hollama.config import Settings


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stream_ends_before_the_server_does(
    settings: Settings, install: Callable[..., None], unused_tcp_port: int, number: signal.Signals
) -> None:
    install("noise")
    environment = {
        **os.environ,
        "OLLAMA_HOST": f"127.0.0.1:{unused_tcp_port}",
        "OLLAMA_MODELS": str(settings.models),
        "HOLLAMA_BACKEND": "null",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hollama", "serve", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    while b"Listening on" not in (line := await process.stderr.readline()):
        assert line, "it ended before it listened"
    body = json.dumps({"model": "noise", "prompt": "x", "options": {"num_predict": 2000, "temperature": 1}})
    url = f"http://127.0.0.1:{unused_tcp_port}/api/generate"
    async with aiohttp.ClientSession() as http, http.post(url, data=body) as response:
        first = await response.content.readline()
        process.send_signal(number)
        last = (await response.content.read()).splitlines()[-1] if not json.loads(first)["done"] else first
    assert json.loads(last)["done"]
    _, rest = await process.communicate()
    assert process.returncode == 0, rest.decode()
