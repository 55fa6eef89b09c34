"""A float model to a quantised one: ranges from what streams by, weights on their grids.

Round to nearest needs one pass of the calibration text through the float model. With GPTQ every layer is calibrated on
what its *quantised* predecessors make of the text, and aims at what the float model's layer says there, so that it also
makes up for what they lost. Two streams run side by side for that, layer by layer. Knows no file.

The same model, texts and recipe give the same bytes on the same machine: windows are worked on by all cores, and summed
up in order. BLAS, which factors the Hessians and, without tiles of bfloat16, multiplies everything, may round otherwise
on another machine, or with another number of threads of its own.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.arithmetic import TextArithmetic
from hollama.compiler.calibration import embedding_range, evenly, quantised_values
from hollama.compiler.gptq import GptqSettings, gptq
from hollama.compiler.moments import Moments, Seen, seen
from hollama.compiler.ranges import Histogram, search
from hollama.compiler.rounding import round_linear
from hollama.compiler.rounding_bytes import round_bytes
from hollama.compiler.stream import Stream, in_order
from hollama.compiler.widening import widened
from hollama.ir.graph import Graph, Node
from hollama.ir.quantised import QuantisedWeights
from hollama.kernels.golden import PackedLinear, Quantisation, integer_weights
from hollama.types import OnProgress

F32 = NDArray[np.float32]
_ROWS = 8192  # of the table that are rounded at a time
_TOKENS = 16_384  # that show what ranges are


@dataclass(frozen=True)
class Recipe:
    """How to quantise. `gptq` is None for round to nearest; `ranges` and `cache_ranges` are methods of `ranges.py`."""

    group_size: int = 64
    gptq: GptqSettings | None = None
    ranges: str = "mse"
    cache_ranges: str = "max"


@dataclass
class Quantiser:
    """Quantises one model. `saturation` is the share of each value that its range clipped in the calibration text."""

    graph: Graph
    weights: Mapping[str, F32]
    theta: F32
    recipe: Recipe
    windows: Sequence[Sequence[int]]
    ranges: dict[str, Quantisation] = field(default_factory=dict)
    saturation: dict[str, float] = field(default_factory=dict)
    linears: dict[str, PackedLinear] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._bits = quantised_values(self.graph)
        self._cached = {name for node in self.graph.nodes if node.op == "attention" for name in node.inputs}
        self._places = {node.name: index for index, node in enumerate(self.graph.nodes)}
        if self.graph.generates and not self.recipe.gptq:
            self.windows = evenly(self.windows, _TOKENS)
        exact = TextArithmetic.of(self.graph, self.weights, self.theta, self.windows)
        self._float = Stream(self.graph, self.windows, constant=self.recipe.gptq is not None), exact
        rounded = replace(exact, weights=_Rounded(self.weights, self.linears))
        self._quantised = Stream(self.graph, self.windows), rounded

    def run(self, report: OnProgress) -> QuantisedWeights:
        """Raises CompileError, which names the layer, for weights or texts that cannot be used."""
        nodes = self.graph.linears()
        if not self.recipe.gptq:
            self._measure(nodes, report)
        for done, node in enumerate(nodes):
            report("quantising", done, len(nodes))
            self.linears[node.weight] = self._linear(node)
        report("quantising", len(nodes), len(nodes))
        embed = self.graph.nodes[0]
        table = self.weights[embed.weight]
        of = embedding_range(table)
        norms = {name: self.weights[name] for name in self.graph.unquantised()}
        ranges = {**self.ranges, embed.name: of}
        return QuantisedWeights(_rounded_table(table, of), self.linears, norms, ranges, self.theta)

    def _measure(self, nodes: Sequence[Node], report: OnProgress) -> None:
        """All ranges from the float model, layer by layer."""
        stream, arithmetic = self._float
        for done, node in enumerate(nodes):
            report("calibrating", done, len(nodes))
            place = self._places[node.name]
            ranges = self._unknown(place)
            for _ in in_order(partial(self._watch, ranges, place, self._float, set()), len(self.windows)):
                pass
            stream.move(place)
            arithmetic.forget()
            self._choose(ranges)

    def _linear(self, node: Node) -> PackedLinear:
        matrix, bias = self.weights[node.weight], self.weights.get(f"{node.weight}.bias")
        if not self.graph.generates:
            return round_bytes(matrix, bias)
        if not self.recipe.gptq:
            return round_linear(matrix, bias, self.recipe.group_size)
        integers, grid = gptq(matrix, self._moments(node), self.recipe.group_size, self.recipe.gptq, node.weight)
        return grid.pack(integers, bias)

    def _moments(self, node: Node) -> Moments:
        """What the layer's inputs are, in the quantised model and in the float one."""
        place, source = self._places[node.name], node.inputs[0]
        moments, ranges = Moments.empty(self.graph.by_name[source].width), self._unknown(place)

        def work(number: int) -> Seen:
            found = self._watch(ranges, place, self._quantised, {source}, number)
            stream, arithmetic = self._float
            return seen(found[source], stream.work(number, place, arithmetic, {source})[source])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for found in in_order(work, len(self.windows)):
                moments.add(found, pool)
        for stream, arithmetic in (self._quantised, self._float):
            stream.move(place)
            arithmetic.forget()
        self._choose(ranges)
        return moments

    def _unknown(self, place: int) -> dict[str, _Watched]:
        """The values before a place that have no range yet."""
        made = [node.name for node in self.graph.nodes[:place]]
        return {name: _Watched() for name in made if name in self._bits and name not in self.ranges}

    def _watch(
        self, ranges: Mapping[str, _Watched], place: int, through: tuple[Stream, TextArithmetic],
        wanted: Collection[str], number: int,
    ) -> Mapping[str, F32]:  # fmt: skip
        """One window up to a place; what is seen for the first time is counted."""
        stream, arithmetic = through
        values = stream.work(number, place, arithmetic, {*ranges, *wanted})
        for name, watched in ranges.items():
            watched.add(values[name])
        return values

    def _choose(self, ranges: Mapping[str, _Watched]) -> None:
        for name, watched in ranges.items():
            histogram = watched.histogram
            method = self.recipe.cache_ranges if name in self._cached else self.recipe.ranges
            of = search(histogram, self._bits[name], method)
            if not self.graph.generates and name not in self._cached:
                of = widened(of, histogram.power)
            self.ranges[name] = of
            self.saturation[name] = histogram.clipped(of)


@dataclass
class _Watched:
    """A histogram that threads may fill together; the order does not matter to it."""

    histogram: Histogram = field(default_factory=Histogram)
    lock: Lock = field(default_factory=Lock)

    def add(self, values: F32) -> None:
        with self.lock:
            self.histogram.add(values)


def _rounded_table(table: F32, of: Quantisation) -> NDArray[np.uint16]:
    rounded = np.empty(table.shape, np.uint16)
    for start in range(0, len(table), _ROWS):
        values = np.rint(table[start : start + _ROWS] / np.float32(of.scale)) + np.float32(of.zero_point)
        rounded[start : start + _ROWS] = np.clip(values, 0, of.top)
    return rounded


@dataclass(frozen=True)
class _Rounded(Mapping[str, F32]):
    """The weights as far as they are quantised, the float ones beyond."""

    weights: Mapping[str, F32]
    linears: Mapping[str, PackedLinear]

    def __getitem__(self, name: str) -> F32:
        if name not in self.linears:
            return self.weights[name]
        packed = self.linears[name]
        return integer_weights(packed) * packed.row_scale[: packed.outputs, None]

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)
