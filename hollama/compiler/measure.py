"""What quantisation costs a model: the float one and the quantised one side by side on a text. Knows no file.

Four things are quantised, and each can be so by itself, all else in float32:

    weights      of linear layers
    inputs       of linear layers
    attention    queries, keys and values, the latter two as the KV cache holds them
    embedding    the table

So can each part of a model, a block or what lies before or behind them all. What remains of the arithmetic (norms,
probabilities, activation functions) is exact to more digits than any of these, and stays in float32 here.
Signal-to-noise ratios are of powers, in decibels; None stands for no noise at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import Segment, Step, evaluate
from hollama.ir.quantised import QuantisedWeights
from hollama.kernels import golden
from hollama.kernels.golden import Quantisation
from hollama.types import OnProgress

F32 = NDArray[np.float32]
Chosen = Callable[[Node], frozenset[str]]  # what of a node is quantised
WEIGHTS, INPUTS, ATTENTION, EMBEDDING = SOURCES = ("weights", "inputs", "attention", "embedding")
ALL = frozenset(SOURCES)
NONE: frozenset[str] = frozenset()
_EVERY, _WIDE = 8, 8192  # of so many rows at most, one goes through the head, where its output is wide


@dataclass(frozen=True)
class Loss:
    """What something costs at the model's output when it alone is quantised.

    `kl` is Kullback and Leibler's divergence of the next token's distribution from the float model's, in nats a token,
    and `kl_error` its standard error, None for an encoder; `share` is that of the noise among those it is listed with.
    """

    name: str
    snr: float | None
    kl: float | None
    kl_error: float | None
    share: float


@dataclass(frozen=True)
class Layer:
    """A linear layer: `weights` against their float ones; `output`, when it alone is quantised, for exact inputs.

    `by_weights` and `by_inputs` are the output's with only those quantised, `arriving` is the output's in the whole
    quantised model.
    """

    name: str
    bits: int
    nbytes: int
    weights: float | None
    by_weights: float | None
    by_inputs: float | None
    output: float | None
    arriving: float | None


@dataclass(frozen=True)
class Value:
    """A quantised value: what its range covers, and the share of the text's values that lie beyond it."""

    name: str
    bits: int
    low: float
    high: float
    clipped: float
    snr: float | None


@dataclass(frozen=True)
class Measurement:
    """`compared` is how many of the tokens' outputs were looked at."""

    tokens: int
    compared: int
    whole: Loss
    sources: list[Loss]
    parts: list[Loss]
    stream: list[tuple[str, float | None]]  # the quantised model's values behind each part
    layers: list[Layer]
    values: list[Value]


def measure(
    graph: Graph, weights: Mapping[str, F32], quantised: QuantisedWeights, windows: Sequence[Sequence[int]],
    progress: OnProgress,
) -> Measurement:  # fmt: skip
    """`weights` are the float ones, in the bases of the quantised; `windows` are runs of token ids."""
    model = _Model(graph, FloatArithmetic(graph, weights, quantised.theta), quantised)
    step = _step(model.exact, windows, min(_EVERY, max(1, graph.output.width // _WIDE)))
    parts = parts_of(graph)
    steps = len(SOURCES) + len(parts)
    progress("measuring", 0, steps)
    seen = _SideBySide(model, step, [start for _, start, _ in parts])
    exact, together = seen.run()
    sources, blocks = [], []
    for source in SOURCES:
        sources.append((source, model.run({}, 0, step, _only(source))))
        progress("measuring", len(sources), steps)
    for name, start, stop in parts:
        inside = _inside({node.name for node in graph.nodes[start:stop]})
        blocks.append((name, model.run(seen.saved[start], start, step, inside)))
        progress("measuring", len(SOURCES) + len(blocks), steps)
    (whole,) = _losses(graph, exact, [("all", together)])
    return Measurement(
        tokens=len(step.tokens),
        compared=len(exact),
        whole=whole,
        sources=_losses(graph, exact, sources),
        parts=_losses(graph, exact, blocks),
        stream=[(name, seen.arriving[stop - 1]) for name, _, stop in parts],
        layers=seen.layers,
        values=seen.values,
    )


def _only(source: str) -> Chosen:
    return lambda node: frozenset([source])


def _inside(names: Collection[str]) -> Chosen:
    return lambda node: ALL if node.name in names else NONE


def parts_of(graph: Graph) -> list[tuple[str, int, int]]:
    """Name, first node and the node behind the last: what comes before all blocks, each block, and the head."""
    labels = [node.name.partition(".")[0] for node in graph.nodes]
    first = next((index for index, label in enumerate(labels) if label.isdecimal()), len(labels))
    names = [
        f"block {label}" if label.isdecimal() else "embedding" if index < first else "head"
        for index, label in enumerate(labels)
    ]
    starts = [index for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
    return [(names[start], start, stop) for start, stop in zip(starts, [*starts[1:], len(names)], strict=True)]


def _step(arithmetic: FloatArithmetic, windows: Sequence[Sequence[int]], every: int) -> Step:
    return Step.of(
        [Segment(arithmetic.cache(len(window)), 0, window, range(0, len(window), every)) for window in windows]
    )


def decibels(exact: F32, found: F32) -> float | None:
    return _ratio(float(np.square(exact, dtype=np.float64).sum()), _power(exact, found))


def _power(exact: F32, found: F32) -> float:
    return float(np.square(found - exact, dtype=np.float64).sum())


def _ratio(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal and noise else None


def _losses(graph: Graph, exact: F32, alone: Sequence[tuple[str, F32]]) -> list[Loss]:
    exact, alone = _centred(graph, exact), [(name, _centred(graph, found)) for name, found in alone]
    noises = [_power(exact, found) for _, found in alone]
    total = sum(noises) or 1.0
    losses = []
    for (name, found), noise in zip(alone, noises, strict=True):
        kl, error = _divergence(exact, found) if graph.generates else (None, None)
        losses.append(Loss(name, decibels(exact, found), kl, error, noise / total))
    return losses


def _centred(graph: Graph, output: F32) -> F32:
    """A constant added to all logits changes nothing."""
    return output - output.mean(axis=1, keepdims=True) if graph.generates else output


def _divergence(exact: F32, found: F32) -> tuple[float, float]:
    """In nats a row, and its standard error."""
    p, q = _log_softmax(exact), _log_softmax(found)
    rows = (np.exp(p) * (p - q)).sum(axis=1)
    return float(rows.mean()), float(rows.std() / math.sqrt(len(rows)))


def _log_softmax(logits: F32) -> NDArray[np.float64]:
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def rounded(value: F32, of: Quantisation) -> F32:
    """A value as its quantised form stands for it."""
    return golden.quantise(value, of) * np.float32(of.scale)


@dataclass(frozen=True)
class _Unpacked(Mapping[str, F32]):
    """The quantised weights as floats, each unpacked when it is asked for; biases are the float ones."""

    graph: Graph
    exact: Mapping[str, F32]
    quantised: QuantisedWeights

    def __getitem__(self, name: str) -> F32:
        embed = self.graph.nodes[0]
        if name in self.quantised.linears:
            packed = self.quantised.linears[name]
            return golden.integer_weights(packed) * packed.row_scale[: packed.outputs, None]
        if name == embed.weight:
            of = self.quantised.ranges[embed.name]
            return (self.quantised.table.astype(np.float32) - np.float32(of.zero_point)) * np.float32(of.scale)
        return self.exact[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.exact)

    def __len__(self) -> int:
        return len(self.exact)


@dataclass(frozen=True)
class _Model:
    """A model any of whose sources of noise can be on or off, node by node."""

    graph: Graph
    exact: FloatArithmetic
    quantised: QuantisedWeights
    unpacked: FloatArithmetic = field(init=False)

    def __post_init__(self) -> None:
        weights = _Unpacked(self.graph, self.exact.weights, self.quantised)
        object.__setattr__(self, "unpacked", FloatArithmetic(self.graph, weights, self.exact.theta))

    def value(self, node: Node, inputs: list[F32], step: Step, sources: frozenset[str]) -> F32:
        arithmetic = self.unpacked if {"linear": WEIGHTS, "embed": EMBEDDING}.get(node.op) in sources else self.exact
        if {"linear": INPUTS, "attention": ATTENTION}.get(node.op) in sources:
            ranges = [self.quantised.ranges[name] for name in node.inputs]
            inputs = [rounded(value, of) for value, of in zip(inputs, ranges, strict=True)]
        return evaluate(arithmetic, node, inputs, step)

    def run(self, values: Mapping[str, F32], start: int, step: Step, sources: Chosen) -> F32:
        """The output, from the values that are alive before the node `start`."""
        alive = dict(values)
        for index, node in enumerate(self.graph.nodes[start:], start):
            alive[node.name] = self.value(node, [alive[name] for name in node.inputs], step, sources(node))
            for name in self.graph.last_uses[index]:
                del alive[name]
        return alive[self.graph.output.name]


@dataclass
class _SideBySide:
    """The float model and the wholly quantised one, node by node; what is seen on the way."""

    model: _Model
    step: Step
    starts: Sequence[int]
    saved: dict[int, dict[str, F32]] = field(default_factory=dict)  # the float model's values before these nodes
    arriving: list[float | None] = field(default_factory=list)  # by node
    layers: list[Layer] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def run(self) -> tuple[F32, F32]:
        """Both outputs."""
        graph, exact, found = self.model.graph, dict[str, F32](), dict[str, F32]()
        for index, node in enumerate(graph.nodes):
            if index in self.starts:
                self.saved[index] = dict(exact)
            inputs = [exact[name] for name in node.inputs]
            exact[node.name] = self.model.value(node, inputs, self.step, NONE)
            found[node.name] = self.model.value(node, [found[name] for name in node.inputs], self.step, ALL)
            both = exact[node.name], found[node.name]
            if node is graph.output:
                both = _centred(graph, both[0]), _centred(graph, both[1])
            self.arriving.append(decibels(*both))
            if node.op == "linear":
                self.layers.append(self._layer(node, inputs, exact[node.name]))
            if node.op != "embed" and node.name in self.model.quantised.ranges:
                self.values.append(_value(node.name, exact[node.name], self.model.quantised.ranges[node.name]))
            for name in graph.last_uses[index]:
                del exact[name], found[name]
        return exact[graph.output.name], found[graph.output.name]

    def _layer(self, node: Node, inputs: list[F32], exact: F32) -> Layer:
        def alone(*sources: str) -> float | None:
            return decibels(exact, self.model.value(node, inputs, self.step, frozenset(sources)))

        packed = self.model.quantised.linears[node.weight]
        weights = decibels(self.model.exact.weights[node.weight], self.model.unpacked.weights[node.weight])
        nbytes = packed.packed.nbytes + packed.group_scale.nbytes + packed.row_scale.nbytes
        by_weights, by_inputs, output = alone(WEIGHTS), alone(INPUTS), alone(WEIGHTS, INPUTS)
        return Layer(node.name, packed.bits, nbytes, weights, by_weights, by_inputs, output, self.arriving[-1])


def _value(name: str, exact: F32, of: Quantisation) -> Value:
    return Value(name, of.bits, of.low, of.high, float(of.clips(exact).mean()), decibels(exact, rounded(exact, of)))
