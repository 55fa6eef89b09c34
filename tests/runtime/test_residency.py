"""Loads, evictions and keep-alive, with a loader that only counts."""

import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from hollama.errors import BackendError, ServerBusy
from hollama.runtime.residency import Loaded, Residency, Wish


@dataclass
class Counter:
    """Gives the names of models; `gate` holds loads back, `fail` makes them fail."""

    loads: list[tuple[str, int]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    fail: bool = False
    lost: set[str] = field(default_factory=set)

    async def load(self, wish: Wish[str]) -> Loaded[str]:
        self.loads.append((wish.key, wish.context))
        await self.gate.wait()
        if self.fail:
            raise BackendError("it broke")
        return Loaded(wish.key, wish.context or 10, 100)

    async def close(self, model: str) -> None:
        self.closed.append(model)

    def alive(self, model: str) -> bool:
        return model not in self.lost


@pytest.fixture
def counter() -> Counter:
    counter = Counter()
    counter.gate.set()
    return counter


def residency(counter: Counter, limit: int = 2, queue: int = 10, keep_alive: float = 100) -> Residency[str, str]:
    return Residency(counter, limit=limit, queue=queue, keep_alive=keep_alive)


async def use(rooms: Residency[str, str], key: str, context: int = 0, keep_alive: float | None = None) -> str:
    async with rooms.use(Wish(key, key, context), keep_alive) as loaded:
        return loaded.model


def keys(rooms: Residency[str, str]) -> set[str]:
    return {resident.key for resident in rooms.residents}


async def test_those_who_want_the_same_model_share_one_load(counter: Counter) -> None:
    rooms = residency(counter)
    assert await asyncio.gather(*(use(rooms, "a") for _ in range(5))) == ["a"] * 5
    assert counter.loads == [("a", 0)]


async def test_a_failed_load_is_told_to_all_who_waited_and_tried_again_by_the_next(counter: Counter) -> None:
    rooms = residency(counter)
    counter.fail = True
    answers = await asyncio.gather(*(use(rooms, "a") for _ in range(3)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["it broke"] * 3
    assert len(counter.loads) == 1
    counter.fail = False
    assert await use(rooms, "a") == "a"


async def test_a_model_whose_device_was_lost_is_loaded_again(counter: Counter) -> None:
    rooms = residency(counter)
    async with rooms.use(Wish("a", "a")):
        counter.lost.add("a")
        again = asyncio.ensure_future(use(rooms, "a"))
        await asyncio.sleep(0)
        assert len(counter.loads) == 1  # nobody is torn off: those who use it get their errors from it
    assert await again == "a"
    assert (len(counter.loads), counter.closed) == (2, ["a"])


async def test_a_waiter_that_leaves_does_not_stop_a_load_for_the_others(counter: Counter) -> None:
    rooms = residency(counter)
    counter.gate.clear()
    first, second = (asyncio.ensure_future(use(rooms, "a")) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    counter.gate.set()
    assert await second == "a"
    assert rooms.residents[0].users == 0


async def test_a_load_goes_on_when_all_have_left_and_its_model_expires(counter: Counter) -> None:
    rooms = residency(counter, keep_alive=0)
    counter.gate.clear()
    only = asyncio.ensure_future(use(rooms, "a"))
    while not counter.loads:
        await asyncio.sleep(0)
    only.cancel()
    await asyncio.sleep(0)
    counter.gate.set()
    while not counter.closed:
        await asyncio.sleep(0)
    assert rooms.residents == []


async def test_a_load_that_nobody_waits_for_any_more_never_begins(counter: Counter) -> None:
    rooms = residency(counter)
    counter.gate.clear()
    first, second = (asyncio.ensure_future(use(rooms, key)) for key in "ab")
    while not counter.loads:
        await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    counter.gate.set()
    await first
    await asyncio.sleep(0.01)
    assert counter.loads == [("a", 0)]


async def test_the_model_used_longest_ago_makes_room(counter: Counter) -> None:
    rooms = residency(counter)
    for key in ("a", "b", "a", "c"):
        await use(rooms, key)
    assert keys(rooms) == {"a", "c"}
    assert counter.closed == ["b"]


async def test_a_busy_model_makes_room_only_when_it_is_idle(counter: Counter) -> None:
    rooms = residency(counter, limit=1)
    async with rooms.use(Wish("a", "a")):
        waiting = asyncio.ensure_future(use(rooms, "b"))
        await asyncio.sleep(0.01)
        assert counter.loads == [("a", 0)]
    assert await waiting == "b"
    assert counter.closed == ["a"]


async def test_only_a_larger_context_loads_again(counter: Counter) -> None:
    rooms = residency(counter)
    for context in (20, 10, 20, 50, 20, 100, 900):
        await use(rooms, "a", context)
    assert counter.loads == [("a", 20), ("a", 50), ("a", 100)]


async def test_a_full_queue_refuses(counter: Counter) -> None:
    rooms = residency(counter, queue=2)
    counter.gate.clear()
    waiting = [asyncio.ensure_future(use(rooms, key)) for key in "ab"]
    await asyncio.sleep(0.01)
    with pytest.raises(ServerBusy, match=r"^server busy, please try again.  maximum pending requests exceeded$"):
        await use(rooms, "c")
    counter.gate.set()
    await asyncio.gather(*waiting)


async def test_what_is_loaded_needs_no_place_in_the_queue(counter: Counter) -> None:
    rooms = residency(counter, queue=1)
    await use(rooms, "a")
    counter.gate.clear()
    waiting = asyncio.ensure_future(use(rooms, "b"))
    await asyncio.sleep(0.01)
    assert await use(rooms, "a") == "a"
    counter.gate.set()
    await waiting


async def test_an_idle_model_leaves_when_its_time_is_over(counter: Counter) -> None:
    rooms = residency(counter)
    await use(rooms, "a", keep_alive=0.05)
    assert keys(rooms) == {"a"}
    await asyncio.sleep(0.2)
    assert keys(rooms) == set()


async def test_a_request_in_time_starts_the_clock_anew(counter: Counter) -> None:
    rooms = residency(counter)
    await use(rooms, "a", keep_alive=0.05)
    async with rooms.use(Wish("a", "a")):
        await asyncio.sleep(0.2)
        assert keys(rooms) == {"a"}


async def test_unloading_a_busy_model_waits_for_its_users(counter: Counter) -> None:
    rooms = residency(counter)
    async with rooms.use(Wish("a", "a"), math.inf):
        rooms.unload("a")
        assert keys(rooms) == {"a"}
    assert keys(rooms) == set()


async def test_closing_unloads_everything(counter: Counter) -> None:
    rooms = residency(counter)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(rooms.use(Wish("a", "a")))
        await use(rooms, "b")
        await rooms.close()
    assert sorted(counter.closed) == ["a", "b"]


@pytest.mark.parametrize("ticks", range(12))
async def test_whoever_comes_while_a_load_is_given_up_gets_a_load(counter: Counter, ticks: int) -> None:
    """All of "b" that asked have left; one more asks at each moment of the end of "a", which "b" waited for."""
    rooms = residency(counter)
    counter.gate.clear()
    first, leaver = (asyncio.ensure_future(use(rooms, key)) for key in "ab")
    await asyncio.sleep(0.01)
    leaver.cancel()
    await asyncio.sleep(0.01)
    counter.gate.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    assert await use(rooms, "b") == "b"
    assert await first == "a"
