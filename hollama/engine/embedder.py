"""Runs embeddings beside the scheduler's jobs, one step of the model at a time. Knows no thread, no event loop.

Each step takes pieces of many texts, the requests by turns. A text's context is empty at first, is closed behind it,
and is only lent: answers that need its memory take it back, and the text begins again. No vector depends on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hollama.engine.embedding import Batch, Reading, Receiver, Texts
from hollama.engine.pool import ContextPool
from hollama.errors import BackendError, BackendLost, OutOfPages
from hollama.interfaces import LoadedModel, Work

_TEXTS = 32  # under way at once: short ones that fill a step
_SHARED = 64  # tokens of a step that answers under way wait for

States = NDArray[np.float32]  # (wanted, hidden)


@dataclass(frozen=True)
class Piece:
    """What a step does for a text: evaluate the next `count` tokens."""

    reading: Reading
    count: int

    @property
    def work(self) -> Work:
        reading = self.reading
        tokens = reading.tokens[reading.held : reading.held + self.count]
        return Work(reading.context.session, tokens, reading.wanted(self.count))


class Embedder:
    """Shares the contexts of `pool` with the scheduler, which owns it."""

    def __init__(self, model: LoadedModel, pool: ContextPool) -> None:
        self._model = model
        self._limits = model.limits
        self._pool = pool
        self._room = _TEXTS  # texts that the device's memory has shown to hold at once
        self._batches: deque[Batch] = deque()  # whose turn it is first
        self._readings: list[Reading] = []  # the oldest first
        self._steps = 0

    @property
    def busy(self) -> int:
        """Requests under way or waiting."""
        return len(self._batches)

    def submit(self, asked: Texts, receiver: Receiver) -> None:
        self._batches.append(Batch(asked, receiver))

    def step(self, *, shared: bool) -> None:
        """Evaluate pieces of texts; not many where the step is `shared`, that is where answers wait for it.

        Raises BackendLost: nothing can run any more, `close` is all that is left to do.
        """
        self._steps += 1
        for batch in [batch for batch in self._batches if batch.receiver.cancelled]:
            self._drop(batch)
        for reading in [reading for reading in self._readings if reading.context not in self._pool.lent]:
            self._put_back(reading)
        rows = min(self._limits.rows, _SHARED) if shared and self._limits.generates else self._limits.rows
        self._seat(rows)
        for piece, states in self._evaluate(self._plan(rows)):
            piece.reading.read(piece.count, states)
            piece.reading.served = self._steps
            if not piece.reading.left:
                self._finish(piece.reading)

    def close(self, reason: str) -> None:
        """End every request with a BackendError and close its contexts."""
        for batch in list(self._batches):
            self._fail(batch, BackendError(reason))

    def check(self) -> None:
        """Raise AssertionError unless texts and contexts fit together and all were served; for tests, between steps."""
        lent = [id(reading.context) for reading in self._readings if reading.context in self._pool.lent]
        assert sorted(lent) == sorted(map(id, self._pool.lent)), "a lent context has no text, or two"
        assert {reading.batch for reading in self._readings} <= set(self._batches), "a text of no request"
        for reading in self._readings:
            held = reading.context.tokens.ids.tolist()
            assert reading.left > 0, "a text under way has nothing to evaluate"
            assert tuple(held) == reading.tokens[: len(held)], "a context holds something else than its text"
            assert self._steps - reading.served <= _TEXTS, "a text waited too long"

    def _seat(self, rows: int) -> None:
        """Begin texts, the requests in turns, until a step is full."""
        planned = sum(reading.left for reading in self._readings)
        for _ in range(self._room - len(self._readings)):
            batch = self._next()
            if batch is None or planned >= rows:
                return
            try:
                context = self._pool.lend(batch.asked.adapter)
            except OutOfPages as error:
                self._room = max(1, len(self._readings))
                if not self._readings and not self._pool.taken:
                    self._fail(batch, error)
                return
            except Exception as error:
                self._fail(batch, error)
                return
            self._readings.append(Reading(batch, batch.waiting.popleft(), context, self._steps))
            planned += self._readings[-1].left

    def _next(self) -> Batch | None:
        """The next request with texts that wait; it goes to the end of the row."""
        for _ in range(len(self._batches)):
            batch = self._batches[0]
            self._batches.rotate(-1)
            if batch.waiting:
                return batch
        return None

    def _plan(self, rows: int) -> list[Piece]:
        """Who was not served for the longest time is first. An encoder's texts are not cut."""
        pieces = []
        for reading in sorted(self._readings, key=lambda reading: reading.served):
            count = min(rows, reading.left, self._limits.prefill_chunk)
            if count == reading.left or (count and self._limits.generates):
                pieces.append(Piece(reading, count))
                rows -= count
        return pieces

    def _evaluate(self, plan: list[Piece]) -> Iterable[tuple[Piece, States]]:
        while plan:
            try:
                return zip(plan, _run(self._model, [piece.work for piece in plan]), strict=True)
            except OutOfPages as error:
                plan = self._retreat(plan, error)
            except BackendLost:
                raise
            except Exception as error:
                for batch in {piece.reading.batch for piece in plan}:
                    self._fail(batch, error)
                break
        return []

    def _retreat(self, plan: list[Piece], error: OutOfPages) -> list[Piece]:
        """What to try after a shortage: close free contexts, let the youngest text wait, let all wait for answers."""
        if self._pool.evict():
            return plan
        youngest = self._readings[-1]
        if len(self._readings) > 1 or self._pool.taken:
            self._put_back(youngest)
            self._room = max(1, len(self._readings))
        else:
            self._fail(youngest.batch, error)
        return [piece for piece in plan if piece.reading is not youngest]

    def _put_back(self, reading: Reading) -> None:
        self._leave(reading)
        reading.batch.waiting.appendleft(reading.number)

    def _finish(self, reading: Reading) -> None:
        self._leave(reading)
        self._room = min(self._room + 1, _TEXTS)
        if reading.batch.note(reading.number, reading.vector()):
            self._batches.remove(reading.batch)
            reading.batch.hand_over()

    def _fail(self, batch: Batch, error: Exception) -> None:
        self._drop(batch)
        failure = BackendError(str(error) if isinstance(error, BackendError) else f"the backend failed: {error!r}")
        failure.__cause__ = error
        batch.receiver.put(failure)

    def _drop(self, batch: Batch) -> None:
        self._batches.remove(batch)
        for reading in [reading for reading in self._readings if reading.batch is batch]:
            self._leave(reading)

    def _leave(self, reading: Reading) -> None:
        self._readings.remove(reading)
        self._pool.take_back(reading.context)


def _run(model: LoadedModel, work: list[Work]) -> list[States]:
    states = model.encode(work)
    if [np.shape(array) for array in states] != [(piece.wanted, model.limits.hidden) for piece in work]:
        raise BackendError("the backend returned other hidden states than it was asked for; report it to its author")
    return states
