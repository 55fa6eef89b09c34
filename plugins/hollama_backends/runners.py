"""How the emulator evaluates a step: on the native executor, or by the golden model on NumPy. The bits are the same.

Knows contexts as tables of pages; no sessions, no limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from hollama.errors import BackendError
from hollama.ir.graph import Graph
from hollama.ir.interpreter import F32, Cache, Segment, run
from hollama.ir.program import Layout, Tables, compile_program
from hollama.ir.quantised import QuantisedAdapter, QuantisedArithmetic, QuantisedWeights
from hollama.kernels.native import SEGMENT, Program
from hollama_backends.emulator_settings import NUMPY, EmulatorSettings, available_memory
from hollama_backends.pages import PageTable


@dataclass(frozen=True)
class Feed:
    """New tokens of a context from position `start` on, whose pages are writable; the last `wanted` give results."""

    pages: PageTable
    start: int
    tokens: Sequence[int]
    wanted: int
    adapter: str = ""


class Runner(Protocol):
    @property
    def nbytes(self) -> int:
        """Bytes of values and of weights that are not mapped from the package."""
        ...

    def run(self, feeds: Sequence[Feed]) -> F32:
        """Logits or hidden states (wanted rows of all feeds in order, width); keys and values go into the pages."""
        ...

    def without_head(self) -> Runner:
        """A runner over the same weights that gives hidden states; made when first asked for, closed with this one.

        Raises BackendError where the memory for its values is missing.
        """
        ...

    def close(self) -> None: ...


@dataclass
class NativeRunner:
    graph: Graph
    weights: QuantisedWeights = field(repr=False)
    layout: Layout
    tables: Tables = field(repr=False)
    program: Program = field(init=False, repr=False)
    headless: NativeRunner | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.program = compile_program(self.graph, self.weights, self.layout, self.tables)

    @property
    def nbytes(self) -> int:
        return self.program.nbytes + (self.headless.nbytes if self.headless else 0)

    def without_head(self) -> NativeRunner:
        if self.headless is None:
            graph = self.graph.without_head()
            if graph is self.graph:
                return self
            layout = replace(self.layout, memory=available_memory())
            self.headless = NativeRunner(graph, self.weights, layout, self.tables)
        return self.headless

    def run(self, feeds: Sequence[Feed]) -> F32:
        tokens: list[int] = []
        numbers = {"": -1} | {name: number for number, name in enumerate(self.weights.adapters)}
        segments, wanted = [], list[int]()
        for feed in feeds:
            first, count = len(tokens), len(feed.tokens)
            segments.append((first, count, feed.start, numbers[feed.adapter], feed.pages.addresses.ctypes.data))
            wanted += range(first + count - feed.wanted, first + count)
            tokens += feed.tokens
        return self.program.step(
            np.array(tokens, np.int32), np.array(segments, SEGMENT), np.array(wanted, np.int32)
        )  # fmt: skip

    def close(self) -> None:
        self.program.close()
        if self.headless:
            self.headless.close()


@dataclass
class NumpyRunner:
    """The definition itself. Every step reads the contexts out of their pages and writes the new tokens back."""

    graph: Graph
    arithmetic: QuantisedArithmetic = field(repr=False)
    adapters: Mapping[str, QuantisedAdapter] = field(repr=False)

    @property
    def nbytes(self) -> int:
        return self.arithmetic.nbytes

    def run(self, feeds: Sequence[Feed]) -> F32:
        segments = [_segment(feed, self.adapters.get(feed.adapter)) for feed in feeds]
        logits = run(self.graph, self.arithmetic, segments)
        for feed, segment in zip(feeds, segments, strict=True):
            keys, values = segment.cache.keys, segment.cache.values
            feed.pages.write([x[:, feed.start :] for x in keys], [x[:, feed.start :] for x in values], feed.start)
        return logits

    def without_head(self) -> NumpyRunner:
        return replace(self, graph=self.graph.without_head())

    def close(self) -> None:
        """Nothing runs between steps."""


def _segment(feed: Feed, adapter: QuantisedAdapter | None) -> Segment:
    keys, values = feed.pages.read(feed.start + len(feed.tokens))
    return Segment(Cache([*keys], [*values]), feed.start, feed.tokens, range(-feed.wanted, 0), adapter)


def make_runner(
    graph: Graph, weights: QuantisedWeights, settings: EmulatorSettings, *, rows: int, context: int, memory: int
) -> Runner:
    """Raises BackendError for a package that the kernels cannot take, or without memory for its values.

    On NumPy, BLAS is held to one thread: OpenBLAS waits by spinning, and two threads on two cores that another process
    also wants took 34 ms for a token of the embedded model where one took 8.
    """
    try:
        if settings.kernels != NUMPY:
            weights.check_positions(graph, context)  # before the tables, which take time and memory for each position
            layout = Layout(settings.kernels, settings.threads, rows, context, memory)
            return NativeRunner(graph, weights, layout, Tables.make(weights, layout))
        threadpool_limits(1, "blas")
        adapters = {name: QuantisedAdapter.of(graph, weights, name) for name in weights.adapters}
        return NumpyRunner(graph, QuantisedArithmetic(graph, weights, context), adapters)
    except MemoryError:
        raise BackendError("there is not enough memory for this package; ask for a smaller context") from None
