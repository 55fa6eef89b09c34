"""Puts the requests of items to an engine, many at once. Knows neither tasks nor where results go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from hollama.engine import End, Engine, Job, Scored
from hollama.evaluate.coder import Coder
from hollama.evaluate.question import Answer, Item, Request, Scoring, Values, Writing
from hollama.modelfile import default_options
from hollama.output import TextDecoder

_OPTIONS = {**default_options(), "temperature": 0.0, "seed": 0, "repeat_penalty": 1.0}


@dataclass(frozen=True)
class _Silence:
    """A listener for jobs that say nothing."""

    def accept(self, token: int) -> tuple[str, bool]:
        return "", False

    def flush(self) -> str:
        return ""


@dataclass(frozen=True)
class Asker:
    engine: Engine
    coder: Coder
    adapter: str = ""

    async def item(self, item: Item) -> Values:
        """Raises RequestError, BackendError."""
        return item.judge(await asyncio.gather(*map(self.answer, item.requests)))

    async def answer(self, request: Request) -> Answer:
        return await (self._score(request) if isinstance(request, Scoring) else self._write(request))

    async def _score(self, request: Scoring) -> Answer:
        if not request.continuation:  # its characters belong to tokens of the context
            return Answer(greedy=True)
        job = Job(
            (*request.context, *request.continuation),
            _Silence(),
            _OPTIONS,
            top_logprobs=1 if request.greedy else None,
            scored_from=len(request.context),
            answered=False,
            adapter=self.adapter,
        )
        logprobs: list[float] = []
        best: list[int] = []
        async for event in self.engine.submit(job):
            if isinstance(event, Scored):
                logprobs += event.logprobs
                best += [top[0][0] for top in event.top if top]
        return Answer(sum(logprobs), request.greedy and best == list(request.continuation))

    async def _write(self, request: Writing) -> Answer:
        decoder = TextDecoder(self.coder.tokenizer, request.until)
        options = {**_OPTIONS, "num_predict": request.most}
        job = Job(request.prompt, decoder, options, self.coder.stops, shift=False, adapter=self.adapter)
        text = ""
        async for event in self.engine.submit(job):
            text += "" if isinstance(event, Scored) else event.text
            if isinstance(event, End):
                break
        return Answer(text=text)


async def ask_all(asker: Asker, items: Iterable[tuple[int, Item]], at_once: int) -> AsyncGenerator[tuple[int, Values]]:
    """Numbers and values of items, as they are done. Closing it drops those under way."""
    under_way: set[asyncio.Task[tuple[int, Values]]] = set()
    done: set[asyncio.Task[tuple[int, Values]]] = set()
    try:
        for number, item in items:
            under_way.add(asyncio.create_task(_numbered(asker, number, item)))
            if len(under_way) >= at_once:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        for finished in asyncio.as_completed(under_way):
            yield await finished
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*done, *under_way, return_exceptions=True)  # or each failure of a lost engine is logged


async def _numbered(asker: Asker, number: int, item: Item) -> tuple[int, Values]:
    return number, await asker.item(item)
