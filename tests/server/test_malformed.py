"""Malformed requests by the thousand, against a live server: no crash, no hang, no leak, every refusal in its shape.

2,000 of them; `HOLLAMA_MALFORMED=20000` throws as many as one likes.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import random
import resource
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase

from tests.server.malformed import Answer, Attempt, Attempts, complaint, exchange
from tests.server.server_desk import CHATML, THINKING, Desk, Device, until

COUNT = int(os.environ.get("HOLLAMA_MALFORMED", "2000"))
BY_SCHEMATHESIS = COUNT // 8  # it is slow
AT_ONCE = 8
MOST_GROWTH = 96 << 20  # bytes, of the whole process
SAID = "Hello there."


def models(install: Callable[..., None]) -> None:
    """Of thousands of requests some are right, also some that delete."""
    install("noise", template=CHATML)
    install("thinker", template=THINKING, salt="thinker")


@pytest.fixture
async def desk(start: Callable[..., Any], install: Callable[..., None], device: Device) -> AsyncIterator[Desk]:
    """A server that must be as it was when all is over."""
    models(install)
    device.script = SAID
    desk = await start()
    await desk.client.generate("noise", "hello")
    await described(desk)  # now both of our own clients have their connections
    tasks = len(asyncio.all_tasks())
    yield desk
    models(install)
    await until(lambda: all(not resident.users for resident in desk.runtime._residency.residents))
    for resident in desk.runtime._residency.residents:
        await until(lambda: not resident.loaded.model.engine.busy)  # noqa: B023 (it is called at once)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert not list((desk.store.root / "blobs").glob("*tmp*"))
    assert (await desk.client.generate("noise", "hello")).response == SAID


async def described(desk: Desk) -> Any:
    async with desk.http.get(desk.url + "/openapi.json") as response:
        return await response.json()


async def test_our_own(desk: Desk, install: Callable[..., None]) -> None:
    attempts = iter(Attempts(await described(desk), random.Random(4)))
    address = urlsplit(desk.url)

    async def throw(attempt: Attempt) -> str:
        try:
            answer = await exchange(address.hostname or "", address.port or 0, attempt)
            wrong = complaint(attempt, answer)
        except (TimeoutError, ValueError) as error:
            wrong = repr(error)
        return wrong and f"{attempt.method} {attempt.path[:80]} {attempt.headers} {attempt.body[:300]!r}: {wrong}"

    wrong: list[str] = []
    begin = 0
    for number in range(0, COUNT - BY_SCHEMATHESIS, AT_ONCE):
        if number < 1000:  # pools and caches fill
            begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if number % 200 == 0:
            models(install)
        wrong += filter(None, await asyncio.gather(*map(throw, itertools.islice(attempts, AT_ONCE))))
    gc.collect()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin) << 10
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:40]])
    assert grown < MOST_GROWTH


async def test_those_of_schemathesis(desk: Desk) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, of the extra `dev`")
    schema = schemathesis.openapi.from_dict(await described(desk))
    operations = [found.ok() for found in schema.get_all_operations()]
    taking = [one for one in operations if any("$ref" in body.definition.get("schema", {}) for body in one.body)]
    mode = schemathesis.GenerationMode.NEGATIVE
    wrong: list[str] = []

    def throw(operation: Any) -> None:
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        @hypothesis.settings(
            max_examples=BY_SCHEMATHESIS // len(taking) + 1,
            phases=[Phase.generate],
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def one(case: Any) -> None:
            response = case.call(base_url=desk.url, timeout=20)
            kind = "".join(response.headers.get("content-type", ()))
            answer = Answer(response.status_code, kind, response.content)
            if said := complaint(Attempt(case.method, case.path, {}, b""), answer):
                wrong.append(f"{case.method} {case.path} {str(case.body)[:300]}: {said}")

        one()

    for operation in taking:
        await asyncio.to_thread(throw, operation)
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:40]])
