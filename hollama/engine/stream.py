"""A job's events on their way from the engine's thread to an event loop. Knows neither side."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from hollama.engine.embedding import Vector
from hollama.engine.job import End, Scored, Token

Event = Token | Scored | End | BaseException | None  # None: cancelled, nothing follows


class LoopDelivery:
    """The engine's end.

    The loop is called once for all that came since it last looked. A call for each event would write a byte to the
    loop's wakeup socket each, and when that is full (some 280 events ahead of a busy loop) Python drops signals.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.cancelled = False
        self.queue: asyncio.Queue[Event] = asyncio.Queue()
        self._loop = loop
        self._sent: deque[Event] = deque()
        self._called = False

    def put(self, event: Token | Scored | End | BaseException) -> None:
        self._sent.append(event)
        if self._called:
            return
        self._called = True
        try:
            self._loop.call_soon_threadsafe(self._arrive)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self.cancelled = True

    def _arrive(self) -> None:
        self._called = False  # before it looks, so that what is sent from now on calls again
        while self._sent:
            self.queue.put_nowait(self._sent.popleft())


class Promise:
    """The engine's end of an embedding; cancelling the future cancels the job within a step."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[list[Vector]] = loop.create_future()
        self._loop = loop

    @property
    def cancelled(self) -> bool:
        return self._loop.is_closed() or self.future.cancelled()

    def put(self, result: list[Vector] | BaseException) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._settle, result)

    def _settle(self, result: list[Vector] | BaseException) -> None:
        if self.future.done():
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Stream:
    """The consumer's end: an asynchronous iterator of scores and tokens and, last, the end.

    A consumer that leaves early, is cancelled, or just drops the stream, cancels the job within a token. A failed
    job raises its error once.
    """

    def __init__(self, delivery: LoopDelivery) -> None:
        self._delivery = delivery
        self._over = False

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Token | Scored | End:
        if self._over:
            raise StopAsyncIteration
        try:
            event = await self._delivery.queue.get()
        except BaseException:
            self.cancel()
            raise
        self._over = not isinstance(event, Token | Scored)
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, BaseException):
            raise event
        return event

    def cancel(self) -> None:
        """End the job within a token; a consumer that waits gets the end of the iteration. From the loop's thread."""
        self._delivery.cancelled = True
        self._delivery.queue.put_nowait(None)

    async def aclose(self) -> None:
        self.cancel()

    def __del__(self) -> None:
        self._delivery.cancelled = True
