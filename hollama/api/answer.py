"""A whole answer, put together from its pieces. Knows no dialect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hollama.types import Delta, Finished, Rendered


@dataclass(frozen=True)
class Answer:
    """What was said, and how it ended."""

    delta: Delta
    end: Finished | Rendered | None


def gather(deltas: Iterable[Delta]) -> Delta:
    """All pieces of an answer as one."""
    pieces = tuple(deltas)
    return Delta(
        content="".join(piece.content for piece in pieces),
        thinking="".join(piece.thinking for piece in pieces),
        tool_calls=tuple(call for piece in pieces for call in piece.tool_calls),
        logprobs=tuple(entry for piece in pieces for entry in piece.logprobs),
    )
