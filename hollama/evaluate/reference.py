"""The float reference: a checkpoint in float32 on NumPy, as a `LoadedModel` that the engine can run.

Slow and simple: every step interprets the graph. Its last bits depend on what shares a step, as float sums do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.adapters import AdapterFile, attach
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint, origin_of
from hollama.errors import BackendError, OutOfPages
from hollama.interfaces import Limits, Session, Work
from hollama.ir.floating import FloatAdapter, FloatArithmetic
from hollama.ir.interpreter import Cache, Segment, run

_CHUNK = 512  # tokens of a prompt at once
_ROWS = 1024  # of a step


@dataclass(eq=False)
class FloatSession:
    """One context: keys and values in float32, whose memory is taken as it fills."""

    model: FloatModel = field(repr=False)
    cache: Cache = field(repr=False)
    position: int = 0

    def rewind(self, position: int) -> None:
        self.position = position

    def fork(self, position: int) -> FloatSession:
        other = self.model.open()
        pairs = zip((*other.cache.keys, *other.cache.values), (*self.cache.keys, *self.cache.values), strict=True)
        for new, old in pairs:
            new[:, :position] = old[:, :position]
        other.position = position
        return other

    def save(self) -> bytes:
        raise BackendError("the float reference saves no contexts")

    def load(self, data: bytes) -> None:
        raise BackendError("the float reference saves no contexts")

    def close(self) -> None:
        self.model.sessions.discard(self)


@dataclass
class FloatModel:
    """A checkpoint in float32."""

    arithmetic: FloatArithmetic = field(repr=False)
    limits: Limits
    adapter: FloatAdapter | None = field(default=None, repr=False)
    sessions: set[FloatSession] = field(default_factory=set)

    @property
    def vocab_size(self) -> int:
        return self.arithmetic.graph.output.width

    @property
    def memory(self) -> int:
        weights = {id(values): values.nbytes for values in self.arithmetic.weights.values()}  # tied ones once
        return sum(weights.values()) + sum(session.cache.nbytes for session in self.sessions)

    @property
    def pages(self) -> tuple[int, int]:
        return 0, 0

    def open(self, adapter: str = "") -> FloatSession:
        if len(self.sessions) >= self.limits.sessions:
            raise OutOfPages(f"{self.limits.sessions} contexts are open; close one first")
        session = FloatSession(self, self.arithmetic.cache(self.limits.context))
        self.sessions.add(session)
        return session

    def step(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        batch = [_segment(piece) for piece in work]
        logits = run(self.arithmetic.graph, self.arithmetic, batch)
        for piece in work:
            _own(piece.session).position += len(piece.tokens)
        return np.split(logits, np.cumsum([piece.wanted for piece in work])[:-1])

    def encode(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        raise BackendError("the float reference gives no hidden states")

    def close(self) -> None:
        self.sessions.clear()


def _segment(piece: Work) -> Segment:
    session, count = _own(piece.session), len(piece.tokens)
    wanted = range(count - piece.wanted, count)
    return Segment(session.cache, session.position, piece.tokens, wanted, session.model.adapter)


def _own(session: Session) -> FloatSession:
    if not isinstance(session, FloatSession):
        raise BackendError("the context belongs to another backend")
    return session


def load_reference(source: Path, context: int, sessions: int, adapter: AdapterFile | None = None) -> FloatModel:
    """Read a checkpoint whole, and the adapter that every context is to have. Raises CompileError, FormatError."""
    checkpoint = open_checkpoint(source)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    arithmetic = FloatArithmetic(graph, read_weights(graph, sources, checkpoint), checkpoint.shape.signed_theta)
    lora = None
    if adapter:
        origin = origin_of(checkpoint, graph, sources)
        lora = FloatAdapter(attach(graph, origin, adapter, checkpoint.architecture))
    chunk = min(_CHUNK, context)
    return FloatModel(arithmetic, Limits(context, chunk, sessions, max(_ROWS, sessions), save=False), lora)
