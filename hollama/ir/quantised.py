"""The graph in the static W4A8KV8 arithmetic of `hollama.kernels.golden`. Knows no file and no device.

Which values are quantised, and where: the input of every linear layer under that input's name, query, key and value
under the names of the attention node's inputs, and the embedding table under the name of its node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.errors import BackendError
from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import F32, Cache
from hollama.kernels import golden
from hollama.kernels.golden import Linear, PackedLinear, Quantisation


@dataclass(frozen=True)
class QuantisedPair:
    """An adapter's change of one linear layer: down to the rank, from there up, and the range of what lies between."""

    down: PackedLinear
    up: PackedLinear
    between: Quantisation


@dataclass(frozen=True)
class QuantisedWeights:
    """Everything the arithmetic needs beside the graph."""

    table: NDArray[np.uint16]  # (vocabulary, hidden)
    linears: Mapping[str, PackedLinear]
    norms: Mapping[str, F32]  # and what is added to them, under `name.bias`; positions (context, hidden)
    ranges: Mapping[str, Quantisation]
    theta: F32  # signed rotary frequencies, (head_dim,)
    adapters: Mapping[str, Mapping[str, QuantisedPair]] = field(default_factory=dict)  # by name, then by linear node

    def check_positions(self, graph: Graph, context: int) -> None:
        """Raise BackendError where the graph needs a row for each position, and there are fewer than `context`."""
        for node in graph.nodes:
            if node.op == "position" and len(self.norms[node.weight]) < context:
                rows = len(self.norms[node.weight])
                raise BackendError(f"the model has {rows} positions, {context} were asked for; ask for less context")


@dataclass
class QuantisedArithmetic:
    """`context` positions of the rotary table are computed ahead, and weights unpacked: once here, or at every use."""

    graph: Graph
    weights: QuantisedWeights
    context: int
    ahead: bool = True  # False: unpacked at every use, for one run over much
    linears: dict[str, Linear] = field(init=False)

    def __post_init__(self) -> None:
        self.weights.check_positions(self.graph, self.context)
        nodes = self.graph.linears() if self.ahead else []
        self.linears = {node.weight: self._unpack(node) for node in nodes}
        self._cosine, self._sine = golden.cos_sin(np.arange(self.context), self.weights.theta)

    @property
    def nbytes(self) -> int:
        return self.weights.table.nbytes + sum(layer.nbytes for layer in self.linears.values())

    def cache(self, capacity: int) -> Cache:
        return Cache.empty(self.graph, capacity, np.uint8)

    def embed(self, node: Node, tokens: NDArray[np.int64]) -> F32:
        return golden.embed(self.weights.table, tokens, self.weights.ranges[node.name])

    def position(self, node: Node, positions: NDArray[np.int64]) -> F32:
        return self.weights.norms[node.weight][positions]

    def rms_norm(self, node: Node, x: F32) -> F32:
        parts = x.reshape(len(x), node.heads, node.width // node.heads)
        return golden.rms_norm(parts, self.weights.norms[node.weight], node.eps).reshape(x.shape)

    def layer_norm(self, node: Node, x: F32) -> F32:
        norms = self.weights.norms
        bias = norms[f"{node.weight}.bias"] if node.bias else None
        return golden.layer_norm(x, norms[node.weight], bias, node.eps)

    def linear(self, node: Node, x: F32) -> F32:
        of = self.weights.ranges[node.inputs[0]]
        layer = self.linears[node.weight] if self.ahead else self._unpack(node)
        return golden.linear(golden.quantise(x, of), layer, of)

    def _unpack(self, node: Node) -> Linear:
        return golden.unpack(self.weights.linears[node.weight], self.weights.ranges[node.inputs[0]].bits)

    def rope(self, node: Node, x: F32, positions: NDArray[np.int64]) -> F32:
        heads = x.reshape(len(x), node.heads, node.width // node.heads)
        return golden.rope(heads, self._cosine[positions], self._sine[positions]).reshape(x.shape)

    def attention(self, node: Node, q: F32, k: F32, v: F32, cache: Cache, start: int) -> F32:
        rows, total = len(q), start + len(q)
        of_q, of_k, of_v = (self.weights.ranges[name] for name in node.inputs)
        keys, values = cache.keys[node.cache], cache.values[node.cache]
        for cached, new, of in ((keys, k, of_k), (values, v, of_v)):
            stored = golden.quantise(new, of) + np.float32(of.zero_point)
            cached[:, start:total] = stored.reshape(rows, node.kv_heads, -1).transpose(1, 0, 2)
        query = golden.quantise(q, of_q).reshape(rows, node.heads, -1)
        keys, values, quantisations = keys[:, :total], values[:, :total], (of_q, of_k, of_v)
        return golden.attention(query, keys, values, start, quantisations, causal=node.causal)

    def gated(self, node: Node, gate: F32, up: F32) -> F32:
        return golden.silu(gate) * up

    def gelu(self, node: Node, x: F32) -> F32:
        return golden.gelu(x)

    def gelu_tanh(self, node: Node, x: F32) -> F32:
        return golden.gelu_tanh(x)


@dataclass(frozen=True)
class QuantisedAdapter:
    """An adapter beside the layers whose inputs have `ranges`; unpacked once, here."""

    pairs: Mapping[str, QuantisedPair]
    ranges: Mapping[str, Quantisation]
    layers: Mapping[str, tuple[Linear, Linear]] = field(init=False, repr=False)

    @classmethod
    def of(cls, graph: Graph, weights: QuantisedWeights, name: str) -> QuantisedAdapter:
        """Raises KeyError for a name that is no adapter's."""
        ranges = {node.name: weights.ranges[node.inputs[0]] for node in graph.linears()}
        return cls(weights.adapters[name], ranges)

    def __post_init__(self) -> None:
        layers = {
            name: (golden.unpack(pair.down, self.ranges[name].bits), golden.unpack(pair.up, pair.between.bits))
            for name, pair in self.pairs.items()
        }
        object.__setattr__(self, "layers", layers)

    def share(self, node: Node, x: F32) -> F32 | None:
        if node.name not in self.pairs:
            return None
        of = self.ranges[node.name]
        return golden.adapt(golden.quantise(x, of), *self.layers[node.name], of, self.pairs[node.name].between)
