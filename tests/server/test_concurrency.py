"""Many at once, and some who leave."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import gguf
import numpy as np
import pytest

from hollama.errors import BackendLost
from hollama.store.manifest import GGUF, ModelConfig
from hollama.store.names import ModelName
from tests.server.server_desk import CHATML, Desk, until, write_package

Start = Callable[..., Any]


def question(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Question {number} " * (1 + number % 3)}]


async def test_ten_at_once_get_what_each_gets_alone(desk: Desk) -> None:
    async def said(number: int) -> str:
        answer = await desk.client.chat("noise", question(number), options={"seed": number, "temperature": 1.0})
        return answer.message.content or ""

    together = await asyncio.gather(*map(said, range(10)))
    alone = [await said(number) for number in range(10)]
    assert together == alone
    assert len(desk.device.loads) == 1
    assert len(set(alone)) == 10


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_its_slot(start: Start, install: Start, device: Any, stream: bool) -> None:
    install("noise", template=CHATML)
    device.script, device.pause = "x" * 5000, 0.005
    desk = await start(num_parallel=1)
    body = {"model": "noise", "prompt": "x", "stream": stream, "options": {"num_predict": 400}}
    leaver = asyncio.ensure_future(desk.http.post(f"{desk.url}/api/generate", data=json.dumps(body)))
    await until(lambda: bool(device.loads) and len(device.loads[0].steps) > 3)
    if stream:
        (await leaver).close()
    leaver.cancel()
    await asyncio.sleep(0.2)
    steps = len(device.loads[0].steps)
    await asyncio.sleep(0.2)
    assert len(device.loads[0].steps) == steps
    assert (await desk.client.generate("noise", "y", options={"num_predict": 2})).done


async def test_a_load_that_fails_is_told_to_all_and_can_be_tried_again(desk: Desk) -> None:
    desk.device.broken, desk.device.load_pause = "no device", 0.1
    asked = [desk.post("/api/generate", {"model": "noise", "prompt": "x"}) for _ in range(3)]
    assert await asyncio.gather(*asked) == [(500, {"error": "no device"})] * 3
    desk.device.broken = ""
    status, _ = await desk.post("/api/generate", {"model": "noise", "prompt": "x", "stream": False})
    assert status == 200


async def test_a_full_queue_answers_503(start: Start, install: Start, device: Any) -> None:
    install("noise", template=CHATML)
    device.load_pause = 0.5
    desk = await start(max_queue=1)
    first = asyncio.ensure_future(desk.client.generate("noise", "x"))
    await asyncio.sleep(0.2)
    status, answer = await desk.post("/api/generate", {"model": "noise", "prompt": "x"})
    assert (status, answer) == (503, {"error": "server busy, please try again.  maximum pending requests exceeded"})
    assert (await first).done


async def test_the_server_answers_while_a_model_loads(start: Start, install: Start, device: Any) -> None:
    install("noise", template=CHATML)
    device.load_pause = 1.0
    desk = await start()
    load = asyncio.ensure_future(desk.client.generate("noise", "x"))
    await asyncio.sleep(0.1)
    await desk.client.list()
    assert not load.done()
    await load


async def test_a_backend_that_fails_in_the_middle_ends_the_stream_with_an_error(desk: Desk) -> None:
    desk.device.pause = 0.02
    lines = []
    body = {"model": "noise", "prompt": "x", "options": {"num_predict": 200}}
    async with desk.http.post(f"{desk.url}/api/generate", data=json.dumps(body)) as response:
        async for line in response.content:
            lines.append(json.loads(line))
            if len(lines) == 2:
                await desk.runtime.aclose()
    assert response.status == 200
    assert "unloaded" in lines[-1]["error"]
    assert not any(line.get("done") for line in lines)


async def test_a_model_whose_device_is_lost_is_loaded_again_for_the_next_request(desk: Desk) -> None:
    def lose(work: Any) -> Any:
        raise BackendLost("the device is gone")

    first = (await desk.client.generate("noise", "x")).response
    desk.device.loads[0].step = lose  # type: ignore[method-assign]
    body = {"model": "noise", "prompt": "x", "stream": False}
    assert await desk.post("/api/generate", body) == (500, {"error": "the device is gone"})
    assert (await desk.client.generate("noise", "x")).response == first
    assert len(desk.device.loads) == 2


async def test_a_step_that_fails_fails_its_requests_only(desk: Desk) -> None:
    first = (await desk.client.generate("noise", "x")).response
    model = desk.device.loads[0]
    step, model.step = model.step, lambda work: 1 / 0  # type: ignore[method-assign, return-value]
    status, answer = await desk.post("/api/generate", {"model": "noise", "prompt": "x", "stream": False})
    assert status == 500 and "ZeroDivisionError" in answer["error"]
    model.step = step  # type: ignore[method-assign]
    assert (await desk.client.generate("noise", "x")).response == first
    assert len(desk.device.loads) == 1


async def test_a_gguf_is_compiled_at_its_first_use(desk: Desk) -> None:
    path = desk.store.root / "weights.gguf"
    write_gguf(path)
    layer = desk.store.add_blob(path, GGUF)
    desk.store.write_manifest(ModelName.parse("raw"), ModelConfig("gguf", "llama"), [layer])
    assert (await desk.client.generate("raw", "x")).done
    assert desk.store.package(desk.store.find("raw")) is not None


@pytest.mark.parametrize("damage", [b"", b"no package", None])
async def test_a_damaged_package_is_compiled_again(desk: Desk, damage: bytes | None) -> None:
    path = desk.store.root / "weights.gguf"
    write_gguf(path)
    desk.store.write_manifest(ModelName.parse("raw"), ModelConfig("gguf"), [desk.store.add_blob(path, GGUF)])
    package = desk.store.derived_path(desk.store.find("raw"))
    package.parent.mkdir()
    package.write_bytes(package_cut_short(package) if damage is None else damage)
    assert (await desk.client.generate("raw", "x")).done


def package_cut_short(path: Any) -> bytes:
    write_package(path)
    return bytes(path.read_bytes()[:-1])


def write_gguf(path: Any) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_tensor("w", np.zeros((2, 32), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


async def test_an_adapter_that_the_package_lacks_is_refused(start: Start, install: Start) -> None:
    install("tuned", template=CHATML, adapter="lora")
    desk = await start()
    status, answer = await desk.post("/api/generate", {"model": "tuned", "prompt": "x"})
    assert status == 400
    assert "adapter" in answer["error"]
