"""What embedding a text takes: which hidden states are wanted, how they become one vector. Knows no step, no device.

mean   of all tokens' states, added up in double precision in their order, so that no chunk leaves a trace
cls    the first token's state
last   the last token's state
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hollama.engine.pool import Context

Vector = NDArray[np.float32]  # (hidden,)
Pooling = Literal["mean", "cls", "last"]


@dataclass(frozen=True)
class Texts:
    """Embed each of `texts`: token ids, one at least."""

    texts: tuple[tuple[int, ...], ...]
    pooling: Pooling
    adapter: str = ""  # of those that the model's limits name


class Receiver(Protocol):
    """Who gets the vectors, one for each text in order, or the error."""

    @property
    def cancelled(self) -> bool: ...

    def put(self, result: list[Vector] | BaseException) -> None: ...


class Batch:
    """A request under way. `waiting` has the numbers of texts that no step has begun, in order."""

    def __init__(self, asked: Texts, receiver: Receiver) -> None:
        self.asked = asked
        self.receiver = receiver
        self.waiting = deque(range(len(asked.texts)))
        self._vectors: dict[int, Vector] = {}

    def note(self, number: int, vector: Vector) -> bool:
        """Keep a text's vector; whether it was the last one."""
        self._vectors[number] = vector
        return len(self._vectors) == len(self.asked.texts)

    def hand_over(self) -> None:
        self.receiver.put([self._vectors[number] for number in range(len(self.asked.texts))])


@dataclass(eq=False)
class Reading:
    """A text under way in a context of its own; `total` adds up the states that were wanted so far."""

    batch: Batch
    number: int
    context: Context
    served: int  # the step that last evaluated something of it
    total: NDArray[np.float64] | None = field(default=None)

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.batch.asked.texts[self.number]

    @property
    def held(self) -> int:
        return len(self.context.tokens)

    @property
    def left(self) -> int:
        return len(self.tokens) - self.held

    def wanted(self, count: int) -> int:
        """How many of the next `count` tokens' states are wanted, counted from the last one back."""
        match self.batch.asked.pooling:
            case "mean":
                return count
            case "cls":
                return 0 if self.held else count
            case "last":
                return int(count == self.left)

    def read(self, count: int, states: NDArray[np.float32]) -> None:
        """Note that the context holds `count` tokens more, and their wanted states (wanted, hidden)."""
        first = not self.held
        self.context.tokens.extend(self.tokens[self.held : self.held + count])
        if self.batch.asked.pooling == "cls":
            states = states[:1] if first else states[:0]
        for state in states:
            self.total = state.astype(np.float64) if self.total is None else self.total + state

    def vector(self) -> Vector:
        assert self.total is not None
        count = len(self.tokens) if self.batch.asked.pooling == "mean" else 1
        return (self.total / count).astype(np.float32)
