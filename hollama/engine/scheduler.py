"""Decides what runs next: admits jobs in their order, shares each step among them. Knows no thread, no event loop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

import numpy as np

from hollama.engine.job import End
from hollama.engine.pool import ContextPool
from hollama.engine.slot import Clock, Slot, Ticket
from hollama.errors import BackendError
from hollama.interfaces import LoadedModel, Logits, Work


class Scheduler:
    """Runs up to `parallel` jobs at once, one step of the model at a time."""

    def __init__(self, model: LoadedModel, parallel: int, clock: Clock = time.perf_counter_ns) -> None:
        sessions = model.limits.sessions
        self._model = model
        self._parallel = max(1, min(parallel, sessions))
        self._pool = ContextPool(model, min(2 * self._parallel, sessions))
        self._waiting: deque[Ticket] = deque()
        self._running: list[Slot] = []
        self._steps = 0
        self._clock = clock

    @property
    def busy(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, ticket: Ticket) -> None:
        self._waiting.append(ticket)

    def step(self) -> None:
        """Every running job that can gets a token of its answer, or a piece of its prompt evaluated."""
        self._steps += 1
        self._drop_cancelled()
        self._admit()
        for slot, logits in self._evaluate(self._plan()):
            self._advance(slot, logits)

    def close(self, reason: str) -> None:
        """End every job with a BackendError and close the free contexts."""
        for slot in list(self._running):
            self._fail(slot, BackendError(reason))
        while self._waiting:
            self._waiting.popleft().delivery.put(BackendError(reason))
        self._pool.close()

    def check(self) -> None:
        """Raise AssertionError unless slots and contexts fit together; meant for tests, between steps."""
        self._pool.check()
        owned = [id(slot.context) for slot in self._running]
        assert sorted(owned) == sorted(map(id, self._pool.taken)), "a taken context has no slot, or two"
        assert len(self._running) <= self._parallel, f"{len(self._running)} slots, {self._parallel} allowed"
        for slot in self._running:
            window = len(slot.context.tokens) + len(slot.pending)
            assert slot.pending, "a running job has nothing to evaluate"
            assert window <= slot.ticket.context, f"{window} tokens in a context of {slot.ticket.context}"

    def _drop_cancelled(self) -> None:
        self._waiting = deque(ticket for ticket in self._waiting if not ticket.delivery.cancelled)
        for slot in [slot for slot in self._running if slot.ticket.delivery.cancelled]:
            self._leave(slot)

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._parallel:
            ticket = self._waiting.popleft()
            try:
                context = self._pool.take(ticket.job.prompt)
            except Exception as error:
                ticket.delivery.put(_failure(error))
            else:
                self._running.append(Slot(ticket, context, self._clock))

    def _plan(self) -> list[tuple[Slot, int]]:
        """Slots with the number of tokens each evaluates: one where an answer runs, else a piece of its prompt.

        All pieces together are one chunk, so that no running answer waits longer than a chunk takes; prompts take
        turns, so that a short one does not wait for all of a long one.
        """
        plan = [(slot, 1) for slot in self._running if len(slot.pending) == 1]
        left = self._model.limits.prefill_chunk
        for slot in sorted((slot for slot in self._running if len(slot.pending) > 1), key=lambda slot: slot.served):
            count = min(left, len(slot.pending))
            if count:
                plan.append((slot, count))
                slot.served = self._steps
                left -= count
        return plan

    def _evaluate(self, plan: list[tuple[Slot, int]]) -> Iterable[tuple[Slot, Logits]]:
        """Run the step; slots whose last pending token it evaluated come back with what follows."""
        if not plan:
            return []
        try:
            rows = _run(self._model, [_work(slot, count) for slot, count in plan])
        except Exception as error:
            for slot, _ in plan:
                self._fail(slot, _failure(error))
            return []
        for slot, count in plan:
            slot.evaluated(count)
        return [(slot, row) for (slot, _), row in zip(plan, rows, strict=True) if row is not None]

    def _advance(self, slot: Slot, logits: Logits) -> None:
        try:
            events = slot.speak(logits)
        except Exception as error:  # of a sampler or a listener: its context is sound
            self._leave(slot)
            slot.ticket.delivery.put(error)
            return
        if isinstance(events[-1], End):
            self._leave(slot)
        elif slot.full:
            self._shift(slot)
        for event in events:
            slot.ticket.delivery.put(event)

    def _shift(self, slot: Slot) -> None:
        """Make room by forgetting the older half; evaluating the rest again gives what a fresh start would."""
        keep, tail = slot.shifted()
        start = slot.context.tokens[:keep]
        try:
            self._pool.cut(slot.context, keep)
        except Exception as error:
            self._fail(slot, _failure(error))
        else:
            slot.pending = start[len(slot.context.tokens) :] + tail

    def _leave(self, slot: Slot) -> None:
        """End a slot whose context is sound."""
        self._running.remove(slot)
        self._pool.give(slot.context)

    def _fail(self, slot: Slot, error: BackendError) -> None:
        """End a slot whose context is lost."""
        self._running.remove(slot)
        self._pool.discard(slot.context)
        slot.ticket.delivery.put(error)


def _work(slot: Slot, count: int) -> Work:
    return Work(slot.context.session, tuple(slot.pending[:count]), wanted=int(count == len(slot.pending)))


def _run(model: LoadedModel, work: list[Work]) -> list[Logits | None]:
    rows = model.step(work)
    if [np.shape(array) for array in rows] != [(piece.wanted, model.vocab_size) for piece in work]:
        raise BackendError("the backend returned other logits than it was asked for; report it to its author")
    return [array[-1] if len(array) else None for array in rows]


def _failure(error: Exception) -> BackendError:
    """The same failure as an error of its own for each job, so that tracebacks do not mix."""
    failure = BackendError(str(error) if isinstance(error, BackendError) else f"the backend failed: {error!r}")
    failure.__cause__ = error
    return failure
