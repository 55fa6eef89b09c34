"""Runs a graph on NumPy, row by row of a batch, in whichever arithmetic it is given. Knows no quantisation itself.

A batch is made of segments: consecutive rows that belong to one context. Rows of different segments share the linear
layers and meet nowhere else, so a result cannot depend on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hollama.ir.graph import Graph, Node

F32 = NDArray[np.float32]
Watch = Callable[[str, F32], None]


@dataclass
class Cache:
    """Keys and values of one context: a pair of arrays (kv_heads, capacity, head_dim) for each attention node."""

    keys: list[NDArray[np.generic]]
    values: list[NDArray[np.generic]]

    @classmethod
    def empty(cls, graph: Graph, capacity: int, dtype: type[np.generic]) -> Cache:
        shape = (graph.kv_heads, capacity, graph.head_dim)
        return cls(*([np.zeros(shape, dtype) for _ in range(graph.caches)] for _ in range(2)))

    @property
    def capacity(self) -> int:
        return int(self.keys[0].shape[1]) if self.keys else 0

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in (*self.keys, *self.values))


class Adapter(Protocol):
    """A change of some linear layers."""

    def share(self, node: Node, x: F32) -> F32 | None:
        """What is added to the layer's output for its inputs `x` (rows, inputs); None: nothing."""
        ...


@dataclass(frozen=True)
class Segment:
    """New tokens of one context: the first of them takes position `start`."""

    cache: Cache
    start: int
    tokens: Sequence[int]
    wanted: Sequence[int] = (-1,)  # rows whose logits are wanted
    adapter: Adapter | None = None


class Arithmetic(Protocol):
    """The operations of a graph in some number format. Values are f32 (rows, width)."""

    def embed(self, node: Node, tokens: NDArray[np.int64]) -> F32: ...
    def position(self, node: Node, positions: NDArray[np.int64]) -> F32: ...
    def rms_norm(self, node: Node, x: F32) -> F32: ...
    def layer_norm(self, node: Node, x: F32) -> F32: ...
    def linear(self, node: Node, x: F32) -> F32: ...
    def rope(self, node: Node, x: F32, positions: NDArray[np.int64]) -> F32: ...
    def attention(self, node: Node, q: F32, k: F32, v: F32, cache: Cache, start: int) -> F32: ...
    def gated(self, node: Node, gate: F32, up: F32) -> F32: ...
    def gelu(self, node: Node, x: F32) -> F32: ...
    def gelu_tanh(self, node: Node, x: F32) -> F32: ...


def run(graph: Graph, arithmetic: Arithmetic, batch: Sequence[Segment], watch: Watch | None = None) -> F32:
    """Logits (wanted rows of all segments in order, vocabulary). `watch` sees every value by its name."""
    step = Step.of(batch)
    adapting = _Adapting(graph, batch, step.wanted)
    values: dict[str, F32] = {}
    for index, node in enumerate(graph.nodes):
        inputs = [values[name] for name in node.inputs]
        value = values[node.name] = evaluate(arithmetic, node, inputs, step)
        if adapting.adapters:
            adapting.adapt(node, inputs, value)
        if watch is not None:
            watch(node.name, value)
        for name in graph.last_uses[index]:
            del values[name]
    return values[graph.output.name]


class _Adapting:
    """Adds to values what the adapters of a step's segments say."""

    def __init__(self, graph: Graph, batch: Sequence[Segment], wanted: NDArray[np.int64]) -> None:
        self.adapters = list({id(item.adapter): item.adapter for item in batch if item.adapter}.values())
        self._wanted = wanted
        self._sums = graph.sums()
        self._shares: dict[str, list[tuple[NDArray[np.bool_], F32]]] = {}  # by the value they are added to
        numbers = {id(adapter): number for number, adapter in enumerate(self.adapters)}
        self._all = np.repeat([numbers.get(id(item.adapter), -1) for item in batch], [len(x.tokens) for x in batch])
        self._rows: dict[str, NDArray[np.int64]] = {}  # the adapter's number of each row, by value

    def adapt(self, node: Node, inputs: Sequence[F32], value: F32) -> None:
        rows = self._rows[node.inputs[0]] if node.inputs else self._all
        self._rows[node.name] = rows[self._wanted] if node.op == "select" else rows
        if node.op == "linear":
            target = self._sums.get(node.name, node).name
            for number, adapter in enumerate(self.adapters):
                chosen = rows == number
                share = adapter.share(node, inputs[0][chosen])
                if share is not None:
                    self._shares.setdefault(target, []).append((chosen, share))
        for chosen, share in self._shares.pop(node.name, ()):
            value[chosen] += share


@dataclass(frozen=True)
class Step:
    """A batch as arrays: the rows of each segment, and of each row its token and position."""

    batch: Sequence[Segment]
    slices: list[slice]
    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    wanted: NDArray[np.int64]

    @classmethod
    def of(cls, batch: Sequence[Segment]) -> Step:
        ends = np.cumsum([len(segment.tokens) for segment in batch])
        slices = [slice(int(end) - len(segment.tokens), int(end)) for end, segment in zip(ends, batch, strict=True)]
        positions = [segment.start + np.arange(len(segment.tokens)) for segment in batch]
        wanted = [
            range_.start + row % len(segment.tokens)
            for range_, segment in zip(slices, batch, strict=True)
            for row in segment.wanted
        ]
        tokens = np.fromiter((token for segment in batch for token in segment.tokens), np.int64)
        return cls(batch, slices, tokens, np.concatenate(positions), np.array(wanted, np.int64))


def evaluate(arithmetic: Arithmetic, node: Node, inputs: list[F32], step: Step) -> F32:
    """The value of one node; adapters are not its concern."""
    match node.op:
        case "embed":
            return arithmetic.embed(node, step.tokens)
        case "position":
            return arithmetic.position(node, step.positions)
        case "rms_norm":
            return arithmetic.rms_norm(node, inputs[0])
        case "layer_norm":
            return arithmetic.layer_norm(node, inputs[0])
        case "linear":
            return arithmetic.linear(node, inputs[0])
        case "slice":
            return inputs[0][:, node.start : node.start + node.width]
        case "rope":
            return arithmetic.rope(node, inputs[0], step.positions)
        case "attention":
            return _attend(arithmetic, node, inputs, step)
        case "gated":
            return arithmetic.gated(node, *inputs)
        case "gelu":
            return arithmetic.gelu(node, inputs[0])
        case "gelu_tanh":
            return arithmetic.gelu_tanh(node, inputs[0])
        case "add":
            return inputs[0] + inputs[1]
        case _:  # select: the graph's verifier lets nothing else pass
            return inputs[0][step.wanted]


def _attend(arithmetic: Arithmetic, node: Node, inputs: list[F32], step: Step) -> F32:
    q, k, v = inputs
    parts = [
        arithmetic.attention(node, q[rows], k[rows], v[rows], segment.cache, segment.start)
        for rows, segment in zip(step.slices, step.batch, strict=True)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
