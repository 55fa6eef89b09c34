"""A share of the work: some items of some tasks, asked of one loaded model. What a process or a machine runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from hollama.engine import Engine
from hollama.evaluate.asking import Asker, ask_all
from hollama.evaluate.data import Source
from hollama.evaluate.question import Values
from hollama.evaluate.subject import Subject
from hollama.evaluate.tasks import TASKS
from hollama.plugins import load_plugins


@dataclass(frozen=True)
class Part:
    """Items of a task, by their numbers."""

    task: str
    source: Source
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Share:
    """What one loaded model does: up to `at_once` items together."""

    subject: Subject
    parts: tuple[Part, ...]
    at_once: int


@dataclass(frozen=True)
class Result:
    task: str
    number: int
    values: Values


def work(share: Share) -> Iterator[Result]:
    """Results as they come. Raises HollamaError; closes the model whatever happens."""
    plugins = load_plugins()
    coder = share.subject.coder(plugins)
    model = share.subject.load(plugins, share.at_once)
    samplers = [entry.spec for entry in plugins.samplers.values()]
    engine = Engine(model, samplers, parallel=share.at_once, context=share.subject.context)
    asker = Asker(engine, coder, share.subject.adapter)
    try:
        with asyncio.Runner() as runner:
            for part in share.parts:
                task = TASKS[part.task]
                docs = task.read(part.source, coder).docs
                items = ((number, task.item(docs[number], coder)) for number in part.numbers)
                answers = ask_all(asker, items, share.at_once)
                while (found := runner.run(_next(answers))) is not None:
                    yield Result(part.task, *found)
    finally:
        engine.close()


def deal(share: Share, hands: int) -> list[Share]:
    """The share in `hands` shares, item by item, but in no more than there are items."""
    most = max((len(part.numbers) for part in share.parts), default=0)
    hands = max(1, min(hands, most))
    return [
        Share(
            share.subject,
            tuple(Part(part.task, part.source, part.numbers[hand::hands]) for part in share.parts),
            share.at_once,
        )
        for hand in range(hands)
    ]


async def _next(answers: AsyncGenerator[tuple[int, Values]]) -> tuple[int, Values] | None:
    return await anext(answers, None)
