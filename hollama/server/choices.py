"""Several answers to one request at once: their events as they come, or all of them whole. Knows no dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from hollama.api.answer import Answer, gather
from hollama.types import Delta, Event, Finished, Rendered

_Item = tuple[int, Event | Exception | None]  # None: that answer has ended


async def merged(answers: Sequence[AsyncGenerator[Event]]) -> AsyncGenerator[tuple[int, Event]]:
    """Each event with the number of its answer. Raises what an answer raises, and closes all of them at its end."""
    if len(answers) == 1:
        async with aclosing(answers[0]) as events:
            async for event in events:
                yield 0, event
        return
    queue: asyncio.Queue[_Item] = asyncio.Queue(1)
    tasks = [asyncio.ensure_future(_pump(index, events, queue)) for index, events in enumerate(answers)]
    try:
        running = len(tasks)
        while running:
            index, said = await queue.get()
            if isinstance(said, Exception):
                raise said
            if said is None:
                running -= 1
            else:
                yield index, said
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def whole(answers: Sequence[AsyncGenerator[Event]]) -> list[Answer]:
    """All answers, each put together."""
    deltas: list[list[Delta]] = [[] for _ in answers]
    ends: list[Finished | Rendered | None] = [None for _ in answers]
    async with aclosing(merged(answers)) as events:
        async for index, event in events:
            if isinstance(event, Delta):
                deltas[index].append(event)
            else:
                ends[index] = event
    return [Answer(gather(said), end) for said, end in zip(deltas, ends, strict=True)]


async def _pump(index: int, events: AsyncGenerator[Event], queue: asyncio.Queue[_Item]) -> None:
    try:
        async with aclosing(events):
            async for event in events:
                await queue.put((index, event))
        await queue.put((index, None))
    except Exception as error:
        await queue.put((index, error))
