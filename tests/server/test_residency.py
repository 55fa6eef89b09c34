"""Which models stay loaded, who waits, and who is sent away, on a live server. Source: facts about the scheduler."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.server_desk import CHATML, Desk, until

Start = Callable[..., Any]
SHORT = {"num_predict": 2}


def loaded(desk: Desk) -> list[str]:
    return sorted(resident.model.name.model for resident in desk.runtime.residents())


@pytest.mark.parametrize("keep_alive", ["100ms", "0.1s", 0.1])
async def test_an_idle_model_expires(desk: Desk, keep_alive: Any) -> None:
    await desk.client.generate("noise", "x", options=SHORT, keep_alive=keep_alive)
    await until(lambda: not desk.runtime.residents())
    await desk.client.generate("noise", "x", options=SHORT)
    assert len(desk.device.loads) == 2


async def test_keep_alive_of_the_settings_counts_until_a_request_says_otherwise(start: Start, install: Start) -> None:
    install("noise", template=CHATML)
    desk = await start(keep_alive=0.0)
    await desk.client.generate("noise", "x", options=SHORT)
    assert not desk.runtime.residents()
    await desk.client.generate("noise", "x", options=SHORT, keep_alive="1h")
    await desk.client.generate("noise", "x", options=SHORT)  # leaves it
    (model,) = (await desk.client.ps()).models
    assert model.expires_at and 3500 < model.expires_at.timestamp() - time.time() <= 3600


async def test_a_stream_outlives_its_models_time(start: Start, install: Start, device: Any) -> None:
    install("noise", template=CHATML)
    device.script, device.pause = "x" * 300, 0.005
    desk = await start()
    stream = await desk.client.generate("noise", "x", stream=True, keep_alive="50ms", options={"num_predict": 60})
    assert [chunk async for chunk in stream][-1].done
    await until(lambda: not desk.runtime.residents())


async def test_the_model_used_longest_ago_makes_room(start: Start, install: Start) -> None:
    for name in ("a", "b", "c"):
        install(name, template=CHATML, salt=name)
    desk = await start(max_loaded_models=2)
    for name in ("a", "b", "a", "c"):
        await desk.client.generate(name, "x", options=SHORT)
    assert loaded(desk) == ["a", "c"]


async def test_a_load_holds_up_no_stream_of_another_model(start: Start, install: Start, device: Any) -> None:
    for name in ("a", "b"):
        install(name, template=CHATML, salt=name)
    device.script, device.pause = "x" * 5000, 0.002
    desk = await start()
    await desk.client.generate("a", "x", options=SHORT)
    device.load_pause = 1.0
    load = asyncio.ensure_future(desk.client.generate("b", "x", options=SHORT))
    await asyncio.sleep(0.1)
    stream = await desk.client.generate("a", "x", stream=True, options={"num_predict": 20})
    assert [chunk async for chunk in stream][-1].done
    assert not load.done()
    await load


async def test_more_than_fit_at_once_wait_their_turn(start: Start, install: Start, device: Any) -> None:
    install("noise", template=CHATML)
    device.script, device.pause = "x" * 5000, 0.005
    desk = await start(num_parallel=2, max_queue=1)
    await desk.client.generate("noise", "")  # who is served by a loaded model needs no place in the queue
    ended: list[int] = []

    async def ask(number: int) -> None:
        await desk.client.generate("noise", "x" * (number + 1), options={"num_predict": 100})
        ended.append(number)

    def queued() -> int:
        (resident,) = desk.runtime.residents()
        return resident.running + resident.waiting

    tasks = []
    for number in range(5):
        tasks.append(asyncio.ensure_future(ask(number)))
        await until(lambda: queued() > len(tasks) - 1 or bool(ended), 20)
    await asyncio.gather(*tasks)
    assert sorted(ended[:2]) == [0, 1] and ended[-1] == 4
    assert max(map(len, desk.device.loads[0].steps)) == 2


@pytest.mark.parametrize(
    ("path", "body", "shape"),
    [
        ("/api/chat", {}, ()),
        ("/v1/chat/completions", {}, ("error", "type", "api_error")),
        ("/v1/messages", {"max_tokens": 2}, ("error", "type", "overloaded_error")),
    ],
)
async def test_a_full_queue_is_told_in_every_dialect(
    start: Start, install: Start, device: Any, path: str, body: dict[str, Any], shape: tuple[str, ...]
) -> None:
    install("noise", template=CHATML)
    device.load_pause = 0.5
    desk = await start(max_queue=1)
    first = asyncio.ensure_future(desk.client.generate("noise", "x", options=SHORT))
    await until(lambda: desk.runtime.waiting == 1)
    status, said = await desk.post(path, {"model": "noise", "messages": [{"role": "user", "content": "x"}], **body})
    assert status == 503
    assert "server busy, please try again.  maximum pending requests exceeded" in json.dumps(said)
    if shape:
        group, key, value = shape
        assert said[group][key] == value
    assert (await first).done


async def test_one_who_leaves_the_queue_makes_room_in_it(start: Start, install: Start, device: Any) -> None:
    install("noise", template=CHATML)
    device.load_pause = 0.5
    desk = await start(max_queue=1)
    first = asyncio.ensure_future(desk.client.generate("noise", "x", options=SHORT))
    await until(lambda: desk.runtime.waiting == 1)
    first.cancel()
    await until(lambda: desk.runtime.waiting == 0)
    assert (await desk.client.generate("noise", "x", options=SHORT)).done
    assert len(device.loads) == 1  # the load of the one who left went on
