"""The engine from an event loop."""

import asyncio
import os
import signal
import time

import pytest
from hollama_backends.null import NullModel, hashed

from hollama.engine import End, Engine, Job, Token
from hollama.errors import BackendError, ContextOverflow
from hollama.interfaces import Limits
from tests.engine.desk import VOCAB, Box, Desk, Ears, null_model


@pytest.fixture
def engine():
    engine = Engine(null_model(), [], parallel=4, context=64)
    yield engine
    engine.close()


@pytest.fixture
def slow():
    """An engine with one context whose longest answer, of 640 tokens, takes 13 seconds."""
    model = NullModel(lambda history: (time.sleep(0.02), hashed(VOCAB)(history))[1], VOCAB, Limits(64, 8, 4))
    engine = Engine(model, [], parallel=1, context=64)
    yield engine
    engine.close()


def job(prompt, **options):
    return Job(tuple(prompt), Ears(), {"seed": 7, "num_predict": 20, **options})


async def collect(stream):
    return [event async for event in stream]


async def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.001)


async def test_stream_gives_tokens_and_then_the_end(engine):
    *tokens, end = await collect(engine.submit(job([1, 2])))
    assert all(isinstance(token, Token) for token in tokens) and isinstance(end, End)
    assert end.tokens == tuple(token.id for token in tokens)
    assert engine.busy == engine.waiting == 0


async def test_ten_at_once_say_what_each_says_alone(engine):
    prompts = [[start, *range(start)] for start in range(10)]
    together = await asyncio.gather(*(collect(engine.submit(job(prompt))) for prompt in prompts))
    for prompt, events in zip(prompts, together, strict=True):
        alone: Box = Desk(null_model()).answer(prompt, num_predict=20)
        assert [event.id for event in events[:-1]] == alone.tokens


async def test_a_loop_that_the_engine_ran_ahead_of_still_hears_signals():
    engine = Engine(NullModel(hashed(VOCAB), VOCAB, Limits(4096, 8, 1)), [], parallel=1, context=4096)
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    try:
        stream = engine.submit(job([1], num_predict=2000))
        await anext(stream)
        while engine.busy:
            time.sleep(0.001)  # the loop is held up
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), 5)
        assert len(await collect(stream)) == 2000
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        engine.close()


async def test_leaving_the_loop_cancels(slow):
    async for _ in slow.submit(job([1], num_predict=640)):
        break
    await until(lambda: slow.busy == 0)


async def test_aclose_cancels(slow):
    stream = slow.submit(job([1], num_predict=640))
    await anext(stream)
    await stream.aclose()
    await until(lambda: slow.busy == 0)
    assert len(await collect(stream)) < 640


async def test_cancelled_consumer_cancels_its_job(slow):
    task = asyncio.create_task(collect(slow.submit(job([1], num_predict=640))))
    await until(lambda: slow.busy == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: slow.busy == 0)


async def test_prompt_too_long_is_refused_at_once(engine):
    with pytest.raises(ContextOverflow, match="65 tokens, the context holds 64"):
        engine.submit(job([1] * 65))


async def test_closing_ends_what_runs_and_what_waits(slow):
    streams = [slow.submit(job([start], num_predict=640)) for start in range(3)]
    await anext(streams[0])
    await asyncio.to_thread(slow.close)
    for stream in streams:
        with pytest.raises(BackendError, match="unloaded"):
            await collect(stream)
    with pytest.raises(BackendError, match="unloaded"):
        slow.submit(job([1]))


async def test_backend_failure_reaches_the_consumer_and_the_engine_goes_on():
    failures = [True, False]

    def answer(history):
        if failures.pop(0):
            raise RuntimeError("overheated")
        failures.append(False)
        return hashed(VOCAB)(history)

    engine = Engine(NullModel(answer, VOCAB, Limits(64, 8, 4)), [], parallel=1, context=64)
    with pytest.raises(BackendError, match="overheated"):
        await collect(engine.submit(job([1])))
    assert len(await collect(engine.submit(job([1])))) == 21
    engine.close()


def test_loop_that_closed_cancels_its_jobs(slow):
    kept = []

    async def leave():
        kept.append(slow.submit(job([1], num_predict=640)))

    asyncio.run(leave())
    deadline = time.monotonic() + 5
    while slow.busy or slow.waiting:
        assert time.monotonic() < deadline
        time.sleep(0.001)
