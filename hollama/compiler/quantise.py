"""A float model to a quantised one: ranges from what streams by, weights on their grids.

Round to nearest needs one pass of the calibration text through the float model. With GPTQ every layer is calibrated on
what its *quantised* predecessors make of the text, and aims at what the float model's layer says there, so that it also
makes up for what they lost. Two streams run side by side for that, layer by layer. Knows no file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.calibration import embedding_range, quantised_values
from hollama.compiler.gptq import GptqSettings, Moments, gptq
from hollama.compiler.ranges import Histogram, search
from hollama.compiler.rounding import round_linear
from hollama.compiler.rounding_bytes import round_bytes
from hollama.compiler.stream import Stream
from hollama.compiler.widening import widened
from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph, Node
from hollama.ir.quantised import QuantisedWeights
from hollama.kernels.golden import PackedLinear, Quantisation, integer_weights

F32 = NDArray[np.float32]
Report = Callable[[str, int, int], None]  # status, done, of


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
        self._float = Stream(self.graph, self.windows), FloatArithmetic(self.graph, self.weights, self.theta)
        self._rounded = _Rounded(self.weights, self.linears)
        self._quantised = Stream(self.graph, self.windows), FloatArithmetic(self.graph, self._rounded, self.theta)

    def run(self, report: Report) -> QuantisedWeights:
        """Raises CompileError, which names the layer, for weights or texts that cannot be used."""
        nodes = self.graph.linears()
        if not self.recipe.gptq:
            self._measure(nodes, report)
        for done, node in enumerate(nodes):
            report("quantising", done, len(nodes))
            self.linears[node.weight] = self._linear(node)
        embed = self.graph.nodes[0]
        table = self.weights[embed.weight]
        of = embedding_range(table)
        rounded = np.clip(np.rint(table / np.float32(of.scale)) + np.float32(of.zero_point), 0, of.top)
        norms = {name: self.weights[name] for name in self.graph.unquantised()}
        ranges = {**self.ranges, embed.name: of}
        return QuantisedWeights(rounded.astype(np.uint16), self.linears, norms, ranges, self.theta)

    def _measure(self, nodes: Sequence[Node], report: Report) -> None:
        """All ranges at once, from the float model."""
        for done, _ in enumerate(self._watched(self._places[nodes[-1].name], self._float)):
            report("calibrating", done + 1, len(self.windows))

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
        moments = Moments.empty(self.graph.by_name[source].width)
        stream, arithmetic = self._float
        real = stream.advance(place, arithmetic, {source})
        for quantised, exact in zip(self._watched(place, self._quantised, {source}), real, strict=True):
            moments.add(quantised[source], exact[source])
        self._rounded.forget()
        return moments

    def _watched(
        self, place: int, through: tuple[Stream, FloatArithmetic], wanted: Collection[str] = ()
    ) -> Iterator[Mapping[str, F32]]:
        """Advance a stream to a node, and find the ranges of all values that appear for the first time."""
        made = {node.name for node in self.graph.nodes[:place]}
        seen = {name: Histogram() for name in self._bits if name in made and name not in self.ranges}
        stream, arithmetic = through
        for values in stream.advance(place, arithmetic, {*seen, *wanted}):
            for name, histogram in seen.items():
                histogram.add(values[name])
            yield values
        for name, histogram in seen.items():
            method = self.recipe.cache_ranges if name in self._cached else self.recipe.ranges
            of = search(histogram, self._bits[name], method)
            if not self.graph.generates and name not in self._cached:
                of = widened(of, histogram.power)
            self.ranges[name] = of
            self.saturation[name] = histogram.clipped(of)


class _Rounded(Mapping[str, F32]):
    """The weights as far as they are quantised, the float ones beyond; each is unpacked once for all windows."""

    def __init__(self, weights: Mapping[str, F32], linears: Mapping[str, PackedLinear]) -> None:
        self._weights, self._linears = weights, linears
        self._unpacked: dict[str, F32] = {}

    def __getitem__(self, name: str) -> F32:
        if name not in self._linears:
            return self._weights[name]
        if name not in self._unpacked:
            packed = self._linears[name]
            self._unpacked[name] = integer_weights(packed) * packed.row_scale[: packed.outputs, None]
        return self._unpacked[name]

    def forget(self) -> None:
        """Free what was unpacked: most of it lies behind the stream."""
        self._unpacked.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)
