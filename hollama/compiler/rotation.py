"""QuaRot (Ashkboos et al. 2024, arXiv 2404.00456): the same model in bases without outliers. Knows no quantisation.

What is done, all of it to the weights, so that the graph stays as it is:

    the residual stream is turned by one random Hadamard matrix; the gains of the norms that read it go into the linear
    layers behind them, as a norm without a gain does not feel a rotation
    each value head is turned, and the columns of the output projection that read it
    the input of the down projection cannot be turned without an operation in the graph; but silu(gate) * up is linear
    in up, so each of its channels may have a scale that divides a row of up and multiplies a column of down. Scales
    are the channels' peaks to the power of `SMOOTHING`, as in SmoothQuant (Xiao et al. 2022, arXiv 2211.10438). And
    the channels may stand in any order: by their scales, so that a group of weights has columns that are alike

What that is worth, in nats a token from the float model, of stories260K on TinyStories and of a model of 12.6 million
parameters on C4 (`tests/benchmarks/down_projection.py`; seed 0 where nothing else is said; not sorted but in the second
row):

    seeds 0, 1, 2, 3                      0.1807 0.1731 0.1812 0.1701      0.0143 0.0141 0.0141 0.0142
    sorted by scales, seeds 0, 1          0.1777                           0.0136 0.0135
    sorted by weights                     0.1737                           0.0137
    smoothed by powers 0, 0.25, 0.75, 1   0.1828 0.1803 0.1921 0.1938      0.0140 0.0138 0.0151 0.0163
    range by max, percentile, entropy     0.1869 0.1831 0.1814             0.0151 0.0141 0.0591
    16 bits for that tensor               0.1761                           0.0126

So rounding that tensor to 8 bits costs 3 and 12 %, and sorting, which helps the weights behind it, wins 2 and 4 % for
nothing. The seed nearest to the float model on some calibration text was the best of six on stories260K (6 % less), and
the worst of four on the other model, where they are alike: not worth so many compilations. Learning the residual
stream's rotation on from seed 0, as SpinQuant does, gave 0.1635 on stories260K after 100 steps, which is less than
finetuning wins (`finetune`), and nothing on the other model in the 20 steps that were tried.

A graph whose residual stream meets anything but RMS norms and sums keeps it; the rest is done all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.arithmetic import TextArithmetic
from hollama.compiler.calibration import evenly
from hollama.compiler.hadamard import Rotation, random_rotation
from hollama.compiler.stream import Stream
from hollama.ir.graph import Graph, Node
from hollama.types import OnProgress

F32 = NDArray[np.float32]
Order = NDArray[np.intp]  # of channels
SMOOTHING = 0.5
_ROWS = 4096  # that are turned at a time
_TOKENS = 32_768  # that show what the peaks are, of which only the roots matter
_LEAST_PEAK = 1e-3  # of the largest: channels below it are all alike
Weights = Mapping[str, F32]  # by name: matrices (outputs, inputs), biases under `name.bias`, gains of norms


@dataclass
class Change:
    """How the bases of a linear layer's inputs and outputs changed; an adapter of the layer changes with them.

    With a layer y = x W^T, an adapter of it has a matrix A (rank, inputs) to be changed by `inputs`, and a matrix
    B (outputs, rank) to be changed by `outputs`.
    """

    gain: F32 | None = None  # of the norm before it, which is folded, or the scales of a gated unit
    sorted: Order | None = None  # of the inputs, after that
    before: Rotation | None = None
    after: list[tuple[slice, Rotation]] = field(default_factory=list)  # by rows of outputs
    scaled: tuple[slice, F32] | None = None  # rows of outputs that are divided
    sorted_after: list[tuple[slice, Order]] = field(default_factory=list)  # by rows of outputs, after that

    def inputs(self, matrix: F32) -> F32:
        """A matrix (any, inputs) for the changed inputs."""
        if self.gain is None and self.before is None:
            return matrix
        changed = np.empty(matrix.shape, np.float32)
        for start in range(0, len(matrix), _ROWS):
            rows = matrix[start : start + _ROWS]
            rows = rows if self.gain is None else rows * self.gain
            rows = rows if self.sorted is None else rows[:, self.sorted]
            changed[start : start + _ROWS] = self.before(rows) if self.before else rows
        return changed

    def outputs(self, matrix: F32) -> F32:
        """A matrix or vector (outputs, ...) for the changed outputs."""
        if not self.after and not self.scaled and not self.sorted_after:
            return matrix
        changed = matrix.copy()
        for rows, rotation in self.after:
            changed[rows] = rotation(np.ascontiguousarray(matrix[rows].T)).T
        if self.scaled:
            rows, scale = self.scaled
            changed[rows] /= scale.reshape(-1, *[1] * (matrix.ndim - 1))
        for rows, order in self.sorted_after:
            changed[rows] = changed[rows][order]
        return changed


def rotate(graph: Graph, weights: Weights, seed: int, scales: Weights | None = None) -> Rotated:
    """The turned model's weights, each made when it is asked for; the same seed gives the same ones.

    `scales` are those of gated units by their names, (width,); units without any stay as they are.
    """
    chance = np.random.default_rng(seed)
    changes = {node.weight: Change() for node in graph.nodes if node.op in ("embed", "linear")}
    readers = _readers(graph)
    stream = residual_stream(graph)
    norms = [reader for name in stream for reader in readers[name] if reader.op == "rms_norm"]
    if stream:
        rotation = random_rotation(graph.by_name[stream[0]].width, chance)
        for name in stream:
            _turn_writers(graph, graph.by_name[name], rotation, changes)
        for norm in norms:
            for reader in readers[norm.name]:
                changes[reader.weight].gain, changes[reader.weight].before = weights[norm.weight], rotation
    heads = random_rotation(graph.head_dim, chance)
    for value, outputs in _value_heads(graph, readers):
        changes[value.source.weight].after.append((value.rows, heads))
        for output in outputs:
            changes[output.weight].before = heads
    for node, (gate, up), outputs in _gated_units(graph, readers):
        if scales is not None and node.name in scales:
            scale = scales[node.name]
            order = np.argsort(scale, kind="stable")
            changes[up.source.weight].scaled = up.rows, scale
            for part in (gate, up):
                changes[part.source.weight].sorted_after.append((part.rows, order))
            for output in outputs:
                changes[output.weight].gain, changes[output.weight].sorted = scale, order
    return Rotated(weights, changes, frozenset(norm.weight for norm in norms))


@dataclass(frozen=True)
class Rotated(Mapping[str, F32]):
    """Weights in their new bases."""

    weights: Weights
    changes: Mapping[str, Change]  # by the name of a linear layer's weight, or the embedding's
    folded: frozenset[str]  # norms whose gains are in the layers behind them

    def __getitem__(self, name: str) -> F32:
        weight = self.weights[name]
        if name in self.folded:
            return np.ones_like(weight)
        change = self.changes.get(name.removesuffix(".bias"))
        if change is None:
            return weight
        return change.outputs(weight if name.endswith(".bias") else change.inputs(weight))

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def residual_stream(graph: Graph) -> list[str]:
    """The values that are the residual stream, the embedding first; empty where it cannot be turned."""
    readers = _readers(graph)
    stream = [node.name for node in graph.nodes if node.op == "embed"]
    if len(stream) != 1:
        return []
    for name in stream:  # grows
        for reader in readers[name]:
            if reader.op in ("add", "select") and reader.name not in stream:
                stream.append(reader.name)
            elif reader.op == "rms_norm" and reader.heads == 1:
                if any(behind.op != "linear" for behind in readers[reader.name]):
                    return []
            elif reader.op not in ("add", "select"):
                return []
    added = {other for name in stream for other in graph.by_name[name].inputs} - {*stream}
    alone = all(graph.by_name[other].op == "linear" and len(readers[other]) == 1 for other in added)
    return stream if alone else []


def _turn_writers(graph: Graph, value: Node, rotation: Rotation, changes: Mapping[str, Change]) -> None:
    """What adds to the residual stream does so in the new basis."""
    if value.op == "embed":
        changes[value.weight].before = rotation  # its rows are values of the stream
    for name in value.inputs:
        node = graph.by_name[name]
        if node.op == "linear":
            changes[node.weight].after.append((slice(0, node.width), rotation))


def _value_heads(graph: Graph, readers: Mapping[str, list[Node]]) -> Iterator[tuple[_Part, list[Node]]]:
    """Of each attention: its values, and the layers behind it."""
    for node in graph.nodes:
        if node.op != "attention":
            continue
        value, behind = _part(graph, readers, node.inputs[2]), readers[node.name]
        if value and all(one.op == "linear" for one in behind):
            yield value, behind


@dataclass(frozen=True)
class _Part:
    """What a linear layer makes for one reader: some rows of its outputs."""

    source: Node
    rows: slice


def _gated_units(
    graph: Graph, readers: Mapping[str, list[Node]]
) -> Iterator[tuple[Node, tuple[_Part, _Part], list[Node]]]:
    """Each gated unit that linear layers make and read alone: its gate, what is gated, and the layers behind it."""
    for node in graph.nodes:
        if node.op != "gated":
            continue
        gate, up = (_part(graph, readers, name) for name in node.inputs)
        if gate and up and all(reader.op == "linear" for reader in readers[node.name]):
            yield node, (gate, up), readers[node.name]


def _part(graph: Graph, readers: Mapping[str, list[Node]], name: str) -> _Part | None:
    """Where a value comes from, if a linear layer makes it and nothing else reads it."""
    node = graph.by_name[name]
    source = graph.by_name[node.inputs[0]] if node.op == "slice" else node
    alone = source.op == "linear" and len(readers[name]) == 1
    return _Part(source, slice(node.start, node.start + node.width)) if alone else None


def smoothing_scales(
    graph: Graph, weights: Weights, theta: F32, windows: Sequence[Sequence[int]], report: OnProgress = lambda *_: None
) -> dict[str, F32]:
    """Scales of gated units, from what calibration texts make of them; their geometric mean is 1."""
    windows = evenly(windows, _TOKENS)
    units = {node.name for node, *_ in _gated_units(graph, _readers(graph))}
    stream, arithmetic = Stream(graph, windows), TextArithmetic.of(graph, weights, theta, windows)
    scales: dict[str, F32] = {}
    for index, node in enumerate(graph.nodes):
        if node.name in units:
            report("smoothing", len(scales), len(units))
            found = stream.advance(index + 1, arithmetic, {node.name})
            peaks = [np.abs(values[node.name]).max(axis=0) for values in found]
            scales[node.name] = _scales(np.max(peaks, axis=0))
            arithmetic.forget()
    return scales


def _scales(peak: F32) -> F32:
    logarithm = np.log(np.maximum(peak, max(float(peak.max()) * _LEAST_PEAK, 1e-30)))
    scales: F32 = np.exp(SMOOTHING * (logarithm - logarithm.mean())).astype(np.float32)
    return scales


def _readers(graph: Graph) -> dict[str, list[Node]]:
    readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node)
    return readers
