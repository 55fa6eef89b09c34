"""Which models are loaded: shared loads, keep-alive, eviction. Knows no text, no HTTP, and not how a load is done.

Everything runs on one event loop; loading and closing are awaited, so they may use threads. Loads happen one at a time
and in order; requests for models that are already there never wait for them. Source: facts about the scheduler, 2-4.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from hollama.errors import HollamaError, ServerBusy

log = logging.getLogger(__name__)

M = TypeVar("M")  # what a load gives
S = TypeVar("S")  # what a load starts from

BUSY = "server busy, please try again.  maximum pending requests exceeded"


@dataclass(frozen=True)
class Wish(Generic[S]):
    """A model wanted: `key` says which weights, `context` how many tokens at least (0: whatever it has)."""

    key: str
    source: S
    context: int = 0


@dataclass(frozen=True)
class Loaded(Generic[M]):
    """A model with `context` tokens for each of its contexts; `largest` is all that another load could bring."""

    model: M
    context: int
    largest: int


class Loader(Protocol[S, M]):
    """How models come and go. What `load` raises is raised to everybody who waits for it."""

    async def load(self, wish: Wish[S]) -> Loaded[M]: ...

    async def close(self, model: M) -> None: ...

    def alive(self, model: M) -> bool:
        """Whether the model can still be used: not once its device was lost."""
        ...


@dataclass
class Resident(Generic[S, M]):
    """A loaded model, and who uses it until when."""

    source: S
    key: str
    loaded: Loaded[M]
    keep_alive: float  # seconds after the last use; infinite for ever
    expires_at: float = math.inf  # seconds since 1970; infinite for ever
    users: int = 0
    used_at: float = 0.0  # of the monotonic clock
    leaving: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None

    def suits(self, wish: Wish[S]) -> bool:
        return not self.leaving and (wish.context <= self.loaded.context or self.loaded.context >= self.loaded.largest)


@dataclass(eq=False)
class _Load(Generic[S, M]):
    wish: Wish[S]
    waiters: int = 0
    handed: bool = False  # the model counts its waiters as users now
    task: asyncio.Task[Resident[S, M]] = field(init=False)


class Residency(Generic[S, M]):
    """At most `limit` models at once, at most `queue` requests waiting for a load. Times are seconds."""

    def __init__(self, loader: Loader[S, M], *, limit: int, queue: int, keep_alive: float) -> None:
        self._loader = loader
        self._limit = limit
        self._queue = queue
        self._keep_alive = keep_alive
        self._residents: dict[str, Resident[S, M]] = {}
        self._loads: list[_Load[S, M]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    @property
    def residents(self) -> list[Resident[S, M]]:
        return list(self._residents.values())

    @property
    def waiting(self) -> int:
        """Requests that wait for a load."""
        return sum(load.waiters for load in self._loads)

    @contextlib.asynccontextmanager
    async def use(self, wish: Wish[S], keep_alive: float | None = None) -> AsyncIterator[Loaded[M]]:
        """Hold a loaded model. Raises ServerBusy, or what the load raised.

        A caller that is cancelled while it waits just leaves: a load that has begun goes on, for others and the next.
        """
        resident = self._residents.get(wish.key)
        if resident and self._suits(resident, wish):
            self._hold(resident)
        else:
            resident = await self._wait(wish)
        if keep_alive is not None:
            resident.keep_alive = keep_alive
        resident.expires_at = time.time() + resident.keep_alive
        try:
            yield resident.loaded
        finally:
            self._release(resident)

    def unload(self, key: str) -> None:
        """Let a model go as soon as nobody uses it; returns at once."""
        resident = self._residents.get(key)
        if resident:
            resident.keep_alive, resident.expires_at = 0.0, time.time()
            if not resident.users:
                self._leave(resident)

    async def close(self) -> None:
        """Stop loading and unload everything, whoever uses it."""
        tasks = [load.task for load in self._loads]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for resident in self.residents:
            self._leave(resident)
        await asyncio.gather(*self._closing)

    async def _wait(self, wish: Wish[S]) -> Resident[S, M]:
        if self.waiting >= self._queue:
            raise ServerBusy(BUSY)
        load = self._load_for(wish)
        load.waiters += 1
        try:
            return await asyncio.shield(load.task)
        except asyncio.CancelledError:
            if load.handed:
                self._release(load.task.result())
            load.waiters -= 1
            raise

    def _load_for(self, wish: Wish[S]) -> _Load[S, M]:
        for load in self._loads:
            if load.wish.key == wish.key and load.wish.context >= wish.context:
                return load
        load = _Load[S, M](wish)
        load.task = asyncio.ensure_future(self._make(load))
        load.task.add_done_callback(lambda task: self._made(load))
        self._loads.append(load)
        return load

    def _made(self, load: _Load[S, M]) -> None:
        if load in self._loads:
            self._loads.remove(load)
        if not load.task.cancelled() and (error := load.task.exception()):
            log.warning("loading %s: %s", load.wish.key, error)

    async def _make(self, load: _Load[S, M]) -> Resident[S, M]:
        async with self._turn:
            if not load.waiters:
                self._loads.remove(load)  # before anybody joins it
                raise HollamaError("request canceled")  # they left before the load began
            resident = self._residents.get(load.wish.key)
            if resident is None or not self._suits(resident, load.wish):
                resident = await self._replace(resident, load.wish)
            self._loads.remove(load)
            # From here on nothing awaits: nobody can come between the end of the load and its waiters.
            load.handed = True
            self._cancel(resident)
            resident.users += load.waiters
            if not resident.users:
                self._rest(resident)
            return resident

    async def _replace(self, present: Resident[S, M] | None, wish: Wish[S]) -> Resident[S, M]:
        if present:
            await self._evict(present)
        while len(self._residents) >= self._limit:
            await self._evict(self._victim())
        await asyncio.gather(*self._closing)  # their memory is needed
        loaded = await self._loader.load(wish)
        resident = Resident(wish.source, wish.key, loaded, self._keep_alive, used_at=time.monotonic())
        self._residents[wish.key] = resident
        return resident

    def _victim(self) -> Resident[S, M]:
        """Of the idle models the one used longest ago; if all are busy, of those."""
        return min(self._residents.values(), key=lambda resident: (resident.users > 0, resident.used_at))

    async def _evict(self, resident: Resident[S, M]) -> None:
        """Let nobody else in, wait for those who are, unload."""
        resident.leaving = True
        while resident.users:
            resident.idle.clear()
            await resident.idle.wait()
        self._leave(resident)

    def _suits(self, resident: Resident[S, M], wish: Wish[S]) -> bool:
        return resident.suits(wish) and self._loader.alive(resident.loaded.model)

    def _hold(self, resident: Resident[S, M]) -> None:
        self._cancel(resident)
        resident.users += 1

    def _release(self, resident: Resident[S, M]) -> None:
        resident.users -= 1
        resident.used_at = time.monotonic()
        if not resident.users:
            resident.idle.set()
            self._rest(resident)

    def _rest(self, resident: Resident[S, M]) -> None:
        """Nobody uses the model: its time runs."""
        resident.expires_at = time.time() + resident.keep_alive
        if resident.leaving:
            return
        if resident.keep_alive <= 0:
            self._leave(resident)
        elif not math.isinf(resident.keep_alive):
            resident.timer = asyncio.get_running_loop().call_later(resident.keep_alive, self._leave, resident)

    def _cancel(self, resident: Resident[S, M]) -> None:
        if resident.timer:
            resident.timer.cancel()
            resident.timer = None

    def _leave(self, resident: Resident[S, M]) -> None:
        """Forget the model and close it in the background; the next load waits for that."""
        self._cancel(resident)
        resident.leaving = True
        if self._residents.get(resident.key) is resident:
            del self._residents[resident.key]
            task = asyncio.ensure_future(self._close(resident))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close(self, resident: Resident[S, M]) -> None:
        try:
            await self._loader.close(resident.loaded.model)
        except HollamaError as error:
            log.error("unloading %s: %s", resident.key, error)
