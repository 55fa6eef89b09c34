"""A null model whose contexts share a memory of pages, as a real device's do, but never a page with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hollama_backends.null import NullModel, NullSession
from numpy.typing import NDArray

from hollama.errors import OutOfPages
from hollama.interfaces import Limits, Logits, Work

PAGE = 4  # tokens


class PagedModel(NullModel):
    """Raises OutOfPages for a step or a fork that would need more than `pages`."""

    def __init__(self, answer: Callable[[Sequence[int]], Logits], vocab_size: int, limits: Limits, pages: int) -> None:
        super().__init__(answer, vocab_size, limits)
        self.room, self.shortages = pages, 0

    def open(self, adapter: str = "") -> NullSession:
        session = super().open(adapter)
        copy = session.fork

        def fork(position: int) -> NullSession:
            self._need([position])
            return copy(position)

        session.fork = fork  # type: ignore[method-assign]
        return session

    def _run(
        self, function: Callable[[Sequence[int]], Logits], width: int, work: Sequence[Work]
    ) -> list[NDArray[np.float32]]:
        more = {id(piece.session): len(piece.tokens) for piece in work}
        self._need([], more)
        return super()._run(function, width, work)

    def _need(self, new: list[int], more: dict[int, int] | None = None) -> None:
        lengths = [*new, *(session.position + (more or {}).get(id(session), 0) for session in self.sessions)]
        if sum(-(-length // PAGE) for length in lengths) > self.room:
            self.shortages += 1
            raise OutOfPages(f"the memory holds {self.room} pages of {PAGE} tokens")
