"""Bodies that lie, clients that vanish, plugins that fail: each is told, nobody else notices."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hollama.hookspecs import hookimpl
from hollama.interfaces import SamplerSpec
from tests.server.server_desk import CHATML, Desk, Device, until

Start = Callable[..., Any]
ASK = {"model": "noise", "prompt": "x", "stream": False}


@dataclass
class Faulty(Device):
    """A plugin whose sampler does harm when the option "harm" says how."""

    harm: str = ""

    @hookimpl
    def hollama_samplers(self) -> list[SamplerSpec]:
        return [SamplerSpec("faulty", 50, self.build)]

    def build(self, context: Any) -> Any:
        kinds: dict[str, Any] = {
            "raises": lambda logits: 1 // 0,
            "shape": lambda logits: logits[:-1],
            "nan": lambda logits: logits * np.nan,
            "forbids all": lambda logits: np.full_like(logits, -np.inf),
            "text": lambda logits: "x",
            "nothing": lambda logits: None,
        }
        return kinds.get(context.options.get("harm"))


@pytest.fixture
def device() -> Device:
    return Faulty()


@pytest.mark.parametrize("harm", ["raises", "shape", "nan", "forbids all", "text", "nothing"])
async def test_a_sampler_that_fails_is_named_and_ends_only_its_own_answer(desk: Desk, harm: str) -> None:
    other = asyncio.ensure_future(desk.post("/api/generate", ASK))
    status, answer = await desk.post("/api/generate", {**ASK, "options": {"harm": harm}})
    assert status == 500
    assert 'sampler "faulty"' in answer["error"]
    assert (await other)[0] == 200


async def test_a_tokenizer_that_fails_within_a_stream_is_the_streams_last_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.post("/api/generate", {**ASK, "prompt": ""})
    (resident,) = desk.runtime._residency.residents
    spoken = iter(range(3))
    monkeypatch.setattr(resident.loaded.model.tokenizer, "piece", lambda token: b"a" if next(spoken) >= 0 else b"")
    async with desk.http.post(desk.url + "/api/generate", data=json.dumps({**ASK, "stream": True})) as response:
        lines = [json.loads(line) async for line in response.content]
    assert [line.get("response") for line in lines[:-1]] == ["a"] * 3
    assert "error" in lines[-1]
    assert "done" not in lines[-1]


async def test_a_backend_that_raises_anything_at_its_load_is_told(desk: Desk) -> None:
    desk.device.load_pause = "no number"  # type: ignore[assignment]
    status, answer = await desk.post("/api/generate", ASK)
    assert (status, set(answer)) == (500, {"error"})
    desk.device.load_pause = 0
    assert (await desk.post("/api/generate", ASK))[0] == 200


async def test_a_body_that_is_not_what_its_headers_say_is_the_clients_fault(desk: Desk) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with desk.http.post(desk.url + "/api/generate", data=b"no gzip", headers=headers) as response:
        assert response.status == 400
        assert "body" in (await response.json())["error"]


async def test_a_client_that_leaves_is_no_error(
    start: Start, install: Start, device: Any, caplog: pytest.LogCaptureFixture
) -> None:
    install("noise", template=CHATML)
    device.script, device.pause = "x" * 400, 0.001
    desk = await start()
    body = json.dumps({**ASK, "stream": True, "options": {"num_predict": 300}}).encode()
    port = int(desk.url.rpartition(":")[2])
    with caplog.at_level(logging.ERROR):
        for wait in (0.0, 0.002, 0.01, 0.05):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await asyncio.sleep(wait)
            writer.transport.abort()
        await until(lambda: bool(desk.runtime.residents()))
        (resident,) = desk.runtime._residency.residents
        await until(lambda: not resident.users and not resident.loaded.model.engine.busy)
    assert not caplog.records
