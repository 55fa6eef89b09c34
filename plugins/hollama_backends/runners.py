"""How the emulator evaluates a step: on the native executor, or by the golden model on NumPy. The bits are the same.

Knows contexts as tables of pages; no sessions, no limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from hollama.errors import BackendError
from hollama.ir.graph import Graph
from hollama.ir.interpreter import F32, Cache, Segment, run
from hollama.ir.program import Layout, compile_program
from hollama.ir.quantised import QuantisedArithmetic, QuantisedWeights
from hollama.kernels.native import SEGMENT, Program
from hollama_backends.emulator_settings import NUMPY, EmulatorSettings
from hollama_backends.pages import PageTable


@dataclass(frozen=True)
class Feed:
    """New tokens of a context from position `start` on, whose pages are writable; the last `wanted` give logits."""

    pages: PageTable
    start: int
    tokens: Sequence[int]
    wanted: int


class Runner(Protocol):
    @property
    def nbytes(self) -> int:
        """Bytes of values and of weights that are not mapped from the package."""
        ...

    def run(self, feeds: Sequence[Feed]) -> F32:
        """Logits (wanted rows of all feeds in order, vocabulary); keys and values go into the pages."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class NativeRunner:
    program: Program

    @property
    def nbytes(self) -> int:
        return self.program.nbytes

    def run(self, feeds: Sequence[Feed]) -> F32:
        tokens: list[int] = []
        segments, wanted = [], list[int]()
        for feed in feeds:
            first, count = len(tokens), len(feed.tokens)
            segments.append((first, count, feed.start, feed.pages.addresses.ctypes.data))
            wanted += range(first + count - feed.wanted, first + count)
            tokens += feed.tokens
        return self.program.step(
            np.array(tokens, np.int32), np.array(segments, SEGMENT), np.array(wanted, np.int32)
        )  # fmt: skip

    def close(self) -> None:
        self.program.close()


@dataclass
class NumpyRunner:
    """The definition itself. Every step reads the contexts out of their pages and writes the new tokens back."""

    graph: Graph
    arithmetic: QuantisedArithmetic = field(repr=False)

    @property
    def nbytes(self) -> int:
        return self.arithmetic.nbytes

    def run(self, feeds: Sequence[Feed]) -> F32:
        segments = [_segment(feed) for feed in feeds]
        logits = run(self.graph, self.arithmetic, segments)
        for feed, segment in zip(feeds, segments, strict=True):
            keys, values = segment.cache.keys, segment.cache.values
            feed.pages.write([x[:, feed.start :] for x in keys], [x[:, feed.start :] for x in values], feed.start)
        return logits

    def close(self) -> None:
        """Nothing runs between steps."""


def _segment(feed: Feed) -> Segment:
    keys, values = feed.pages.read(feed.start + len(feed.tokens))
    return Segment(Cache([*keys], [*values]), feed.start, feed.tokens, range(-feed.wanted, 0))


def make_runner(
    graph: Graph, weights: QuantisedWeights, settings: EmulatorSettings, *, rows: int, context: int, memory: int
) -> Runner:
    """Raises BackendError for a package that the kernels cannot take, or without memory for its values.

    On NumPy, BLAS is held to one thread: OpenBLAS waits by spinning, and two threads on two cores that another process
    also wants took 34 ms for a token of the embedded model where one took 8.
    """
    try:
        if settings.kernels != NUMPY:
            layout = Layout(settings.kernels, settings.threads, rows, context, memory)
            return NativeRunner(compile_program(graph, weights, layout))
        threadpool_limits(1, "blas")
        return NumpyRunner(graph, QuantisedArithmetic(graph, weights, context))
    except MemoryError:
        raise BackendError("there is not enough memory for this package; ask for a smaller context") from None
