"""The graph in the static W4A8KV8 arithmetic of `hollama.kernels.golden`. Knows no file and no device.

Which values are quantised, and where: the input of every linear layer under that input's name, query, key and value
under the names of the attention node's inputs, and the embedding table under the name of its node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import F32, Cache
from hollama.kernels import golden
from hollama.kernels.golden import Linear, PackedLinear, Quantisation


@dataclass(frozen=True)
class QuantisedWeights:
    """Everything the arithmetic needs beside the graph."""

    table: NDArray[np.uint16]  # (vocabulary, hidden)
    linears: Mapping[str, PackedLinear]
    norms: Mapping[str, F32]
    ranges: Mapping[str, Quantisation]
    theta: F32  # signed rotary frequencies, (head_dim,)


@dataclass
class QuantisedArithmetic:
    """Weights are unpacked once, here; `context` positions of the rotary table are computed ahead."""

    graph: Graph
    weights: QuantisedWeights
    context: int
    linears: dict[str, Linear] = field(init=False)

    def __post_init__(self) -> None:
        ranges = self.weights.ranges
        self.linears = {
            node.weight: golden.unpack(self.weights.linears[node.weight], ranges[node.inputs[0]].bits)
            for node in self.graph.linears()
        }
        self._cosine, self._sine = golden.cos_sin(np.arange(self.context), self.weights.theta)

    @property
    def nbytes(self) -> int:
        return self.weights.table.nbytes + sum(layer.nbytes for layer in self.linears.values())

    def cache(self, capacity: int) -> Cache:
        return Cache.empty(self.graph, capacity, np.uint8)

    def embed(self, node: Node, tokens: NDArray[np.int64]) -> F32:
        return golden.embed(self.weights.table, tokens, self.weights.ranges[node.name])

    def rms_norm(self, node: Node, x: F32) -> F32:
        parts = x.reshape(len(x), node.heads, node.width // node.heads)
        return golden.rms_norm(parts, self.weights.norms[node.weight], node.eps).reshape(x.shape)

    def linear(self, node: Node, x: F32) -> F32:
        of = self.weights.ranges[node.inputs[0]]
        return golden.linear(golden.quantise(x, of), self.linears[node.weight], of)

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
        return golden.attention(query, keys[:, :total], values[:, :total], start, (of_q, of_k, of_v))

    def gated(self, node: Node, gate: F32, up: F32) -> F32:
        return golden.silu(gate) * up
