"""Decides what runs next: admits jobs in their order, shares each step among them. Knows no thread, no event loop.

Each step carries a token of every answer under way, guesses of what follows it, and pieces of prompts. Results never
depend on any of that: a row of logits is the same whoever shares its step.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hollama.engine.answer import Answer, Clock, Ticket
from hollama.engine.drafter import MOST
from hollama.engine.job import End, Scored, Token
from hollama.engine.pool import Context, ContextPool
from hollama.errors import BackendError, BackendLost, OutOfPages
from hollama.interfaces import LoadedModel, Work

Rows = NDArray[np.float32]  # (wanted, vocabulary)

_KEPT = 64  # contexts kept beside those of running jobs
_SHARED = 64  # tokens of prompts in a step that answers under way wait for
_WORTH = 32  # tokens of a prompt for which it pays to wait until another job has evaluated them
_FIXED = 12  # rows that take as long as what a step takes however few it has; 16 with native kernels
_LOGITS = 64 << 20  # bytes of logits that the prompts in a step may ask for
_LEAST = 0.3  # of a step that the second row takes with them: kernels for one row are others


@dataclass(eq=False)
class Slot:
    """A running job's answer and context, which holds all of its window but the `left` last tokens; 1 at least."""

    answer: Answer
    context: Context
    served: int  # the step that last evaluated something of it

    @property
    def left(self) -> int:
        return len(self.answer.window) - len(self.context.tokens)

    @property
    def mute(self) -> int:
        """How many of the next tokens nobody wants the logits of."""
        return max(0, self.answer.mute - len(self.context.tokens))

    def hold(self, count: int) -> None:
        """Note that the context holds `count` tokens more of the window."""
        held = len(self.context.tokens)
        self.context.tokens.extend(self.answer.window.ids[held : held + count])


@dataclass(frozen=True)
class Piece:
    """What a step does for a slot: evaluate the next `count` tokens, and after the window's last one the guesses.

    It gives the logits that follow the window, and those behind each guess; before them those that score the prompt.
    """

    slot: Slot
    count: int
    guesses: tuple[int, ...] = ()

    @property
    def work(self) -> Work:
        held = len(self.slot.context.tokens)
        tokens = self.slot.answer.window.ids[held : held + self.count].tolist()
        wanted = max(0, self.count - self.slot.mute) + len(self.guesses)
        return Work(self.slot.context.session, (*tokens, *self.guesses), wanted)


class Scheduler:
    """Runs up to `parallel` jobs at once, one step of the model at a time."""

    def __init__(self, model: LoadedModel, parallel: int, clock: Clock = time.perf_counter_ns) -> None:
        self._model = model
        self._limits = model.limits
        self._parallel = max(1, min(parallel, self._limits.sessions))
        self._room = self._parallel  # jobs that the device's memory has shown to hold at once
        self._pool = ContextPool(model, min(self._parallel + _KEPT, self._limits.sessions))
        self._waiting: deque[Answer] = deque()
        self._running: list[Slot] = []
        self._submitted = self._steps = 0
        self._clock = clock

    @property
    def pool(self) -> ContextPool:
        return self._pool

    @property
    def busy(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, ticket: Ticket) -> None:
        self._submitted += 1
        self._waiting.append(Answer(ticket, self._submitted, self._clock))

    def step(self) -> None:
        """Every running job that can gets tokens of its answer, or a piece of its prompt evaluated.

        Raises BackendLost: nothing can run any more, `close` is all that is left to do.
        """
        self._steps += 1
        self._drop_cancelled()
        self._admit()
        for piece, rows in self._evaluate(self._plan()):
            self._advance(piece, rows)

    def close(self, reason: str) -> None:
        """End every job with a BackendError and close the free contexts."""
        for slot in list(self._running):
            self._fail(slot, BackendError(reason))
        while self._waiting:
            self._waiting.popleft().ticket.delivery.put(BackendError(reason))
        self._pool.close()

    def check(self) -> None:
        """Raise AssertionError unless slots and contexts fit together and all were served; for tests, between steps."""
        self._pool.check()
        owned = [id(slot.context) for slot in self._running]
        assert sorted(owned) == sorted(map(id, self._pool.taken)), "a taken context has no slot, or two"
        assert len(self._running) <= self._room <= self._parallel, f"{len(self._running)} slots in {self._room}"
        for slot in self._running:
            window, held = slot.answer.window, slot.context.tokens
            assert slot.left > 0, "a running job has nothing to evaluate"
            assert window.common(held) == len(held), "a context holds something else than its job's window"
            assert len(window) <= slot.answer.ticket.context, f"{len(window)} tokens in {slot.answer.ticket.context}"
            unserved = self._steps - slot.served
            assert unserved <= (self._parallel if slot.left > 1 else 0), f"a job waited {unserved} steps"

    def _drop_cancelled(self) -> None:
        self._waiting = deque(answer for answer in self._waiting if not answer.ticket.delivery.cancelled)
        for slot in [slot for slot in self._running if slot.answer.ticket.delivery.cancelled]:
            self._end(slot)

    def _admit(self) -> None:
        """Fill the free slots in the order of submission; who waits for a prefix has one reserved."""
        reserved: list[Answer] = []
        while self._waiting and len(self._running) + len(reserved) < self._room:
            answer = self._waiting.popleft()
            if self._awaits_prefix(answer):
                reserved.append(answer)
            else:
                self._seat(answer)
        self._waiting.extendleft(reversed(reserved))

    def _awaits_prefix(self, answer: Answer) -> bool:
        """Whether an earlier job is evaluating a beginning that both share: it is forked as soon as it is there."""
        for slot in self._running:
            if self._pool.forks and slot.left > 1 and slot.answer.number < answer.number:
                shared = min(answer.window.common(slot.answer.window), answer.mute)
                held = self._pool.held(answer.window, answer.mute, slot.context)
                if shared > len(slot.context.tokens) and shared >= held + _WORTH:
                    return True
        return False

    def _seat(self, answer: Answer) -> None:
        try:
            context = self._pool.take(answer.window, answer.mute)
        except OutOfPages as error:
            if self._running:
                self._room = len(self._running)
                self._waiting.appendleft(answer)
            else:
                answer.ticket.delivery.put(_failure(error))
        except Exception as error:
            answer.ticket.delivery.put(_failure(error))
        else:
            answer.start(len(context.tokens))
            self._running.append(Slot(answer, context, self._steps))

    def _plan(self) -> list[Piece]:
        """Answers first; prompts, in turns, share a chunk, so that no answer under way waits longer than that takes."""
        streams = [slot for slot in self._running if slot.left == 1]
        chunk = self._limits.rows - len(streams)
        if streams:
            chunk = min(chunk, _SHARED, self._limits.prefill_chunk)
        pieces, wanted = [], max(1, _LOGITS // (4 * self._model.vocab_size))
        for slot in sorted((slot for slot in self._running if slot.left > 1), key=lambda slot: slot.served):
            count = min(chunk, slot.left, self._limits.prefill_chunk, slot.mute + wanted)
            if count:
                pieces.append(Piece(slot, count))
                chunk -= count
                wanted -= max(0, count - slot.mute)
        return self._guessing(streams, sum(piece.count for piece in pieces)) + pieces

    def _guessing(self, streams: Sequence[Slot], others: int) -> list[Piece]:
        """Answers with guesses, where a guess is likely enough to pay for its row.

        A step takes as long as its rows and `_FIXED` more would; so a row pays if it is right more often than rows give
        a token now. The more answers share a step, the fewer guesses pay.
        """
        if not self._limits.rewind:
            return [Piece(slot, 1) for slot in streams]
        least = max(_LEAST, len(streams) / (len(streams) + _FIXED))
        room = self._limits.rows - len(streams) - others
        pieces = []
        for slot in streams:
            guesses = slot.answer.guesses(min(MOST, room, self._limits.prefill_chunk - 1), least)
            room -= len(guesses)
            pieces.append(Piece(slot, 1, tuple(guesses)))
        return pieces

    def _evaluate(self, plan: list[Piece]) -> Iterable[tuple[Piece, Rows]]:
        """Run the step; pieces of which logits were wanted come back with those."""
        while plan:
            try:
                rows = _run(self._model, [piece.work for piece in plan])
            except OutOfPages as error:
                plan = self._retreat(plan, error)
            except BackendLost:
                raise
            except Exception as error:
                for piece in plan:
                    self._fail(piece.slot, _failure(error))
                break
            else:
                for piece in plan:
                    piece.slot.hold(piece.count)
                    piece.slot.served = self._steps
                return [(piece, array) for piece, array in zip(plan, rows, strict=True) if len(array)]
        return []

    def _retreat(self, plan: list[Piece], error: OutOfPages) -> list[Piece]:
        """What to try after a shortage: close free and lent contexts, guess nothing, let the youngest job wait."""
        if self._pool.evict() or self._pool.recall():
            return plan
        if any(piece.guesses for piece in plan):
            return [replace(piece, guesses=()) for piece in plan]
        youngest = max(self._running, key=lambda slot: slot.answer.number)
        if len(self._running) == 1:
            self._fail(youngest, _failure(error))
        else:
            self._end(youngest, sound=False)
            self._room = len(self._running)
            self._waiting.appendleft(youngest.answer)
        return [piece for piece in plan if piece.slot is not youngest]

    def _advance(self, piece: Piece, rows: Rows) -> None:
        slot, answer = piece.slot, piece.slot.answer
        events: list[Token | Scored | End | BaseException] = []
        answer.drafted += len(piece.guesses)
        spoken = () if slot.left else (*piece.guesses, None)  # what may follow each row that follows the window
        scored = len(rows) - len(spoken)
        try:
            events += answer.score(rows[:scored])
            for row, guess in zip(rows[scored:], spoken, strict=True):
                events += answer.speak(row)
                if isinstance(events[-1], End) or answer.window.ids[-1] != guess:
                    break
                slot.hold(1)
                answer.accepted += 1
        except Exception as error:  # of a sampler or a listener: the context is sound
            events.append(error)
        over = isinstance(events[-1], End | BaseException)
        try:
            self._settle(slot, over)
        except Exception as error:
            self._end(slot, sound=False)
            events += [] if over else [_failure(error)]
        else:
            if over:
                self._end(slot)
        for event in events:
            answer.ticket.delivery.put(event)

    def _settle(self, slot: Slot, over: bool) -> None:
        """Forget guesses that were wrong, and where an answer goes on in a full context, the older half of that.

        Evaluating what a shift leaves again gives what a fresh start would.
        """
        keep = len(slot.context.tokens)
        if slot.answer.full and not over:
            keep = slot.answer.shift()
        self._pool.cut(slot.context, keep)

    def _fail(self, slot: Slot, error: BackendError) -> None:
        self._end(slot, sound=False)
        slot.answer.ticket.delivery.put(error)

    def _end(self, slot: Slot, sound: bool = True) -> None:
        """Free the slot; `sound` says whether its context holds what is noted."""
        self._running.remove(slot)
        self._room = min(self._room + 1, self._parallel)
        if sound:
            self._pool.give(slot.context)
        else:
            self._pool.discard(slot.context)


def _run(model: LoadedModel, work: list[Work]) -> list[Rows]:
    rows = model.step(work)
    if [np.shape(array) for array in rows] != [(piece.wanted, model.vocab_size) for piece in work]:
        raise BackendError("the backend returned other logits than it was asked for; report it to its author")
    return rows


def _failure(error: Exception) -> BackendError:
    """The same failure as an error of its own for each job, so that tracebacks do not mix."""
    failure = BackendError(str(error) if isinstance(error, BackendError) else f"the backend failed: {error!r}")
    failure.__cause__ = error
    return failure
