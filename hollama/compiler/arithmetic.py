"""The float model as calibration runs it: over whole texts, as fast as this machine can. Knows no quantisation.

Where the native library has tiles of bfloat16, linear layers and attention run on them: a value keeps 8 bits, which is
some 30 dB more than the 4-bit weights that are to be found leave. Elsewhere everything is float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import Cache
from hollama.kernels import golden, products
from hollama.kernels.products import Operand

F32 = NDArray[np.float32]
Weights = Mapping[str, F32]


@dataclass
class Held(Mapping[str, F32]):
    """Weights that are read once and then held, from any thread, until they are let go."""

    weights: Weights
    _held: dict[str, F32] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __getitem__(self, name: str) -> F32:
        with self._lock:
            if name not in self._held:
                self._held[name] = self.weights[name]
            return self._held[name]

    def forget(self) -> None:
        self._held.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


class Embedded:
    """The rows of an embedding table that some texts need, read once and held until they are let go."""

    def __init__(self, weights: Weights, windows: Sequence[Sequence[int]]) -> None:
        self._weights, self._lock, self._rows = weights, Lock(), np.empty((0, 0), np.float32)
        self._tokens = np.unique(np.fromiter((token for window in windows for token in window), np.int64))

    def __call__(self, name: str, tokens: NDArray[np.int64]) -> F32:
        with self._lock:
            if not self._rows.size:
                self._rows = self._weights[name][self._tokens]
        return self._rows[np.searchsorted(self._tokens, tokens)]

    def forget(self) -> None:
        self._rows = np.empty((0, 0), np.float32)


@dataclass
class TextArithmetic:
    """Whole texts, each from an empty context; `most` is the tokens of the longest. It holds the weights it used."""

    graph: Graph
    weights: Weights
    embedded: Embedded
    theta: F32
    most: int

    def __post_init__(self) -> None:
        self._held = Held(self.weights)
        self._plain = FloatArithmetic(self.graph, self._held, self.theta)
        self._packed: dict[str, Operand] = {}
        self._lock = Lock()
        self._angles = golden.cos_sin(np.arange(self.most), self.theta)

    @classmethod
    def of(cls, graph: Graph, weights: Weights, theta: F32, windows: Sequence[Sequence[int]]) -> TextArithmetic:
        return cls(graph, weights, Embedded(weights, windows), theta, max(map(len, windows)))

    def forget(self) -> None:
        """Let all weights go."""
        self._held.forget()
        self.embedded.forget()
        self._packed.clear()

    def embed(self, node: Node, tokens: NDArray[np.int64]) -> F32:
        return self.embedded(node.weight, tokens)

    def position(self, node: Node, positions: NDArray[np.int64]) -> F32:
        return self._plain.position(node, positions)

    def layer_norm(self, node: Node, x: F32) -> F32:
        return self._plain.layer_norm(node, x)

    def gelu(self, node: Node, x: F32) -> F32:
        return self._plain.gelu(node, x)

    def gelu_tanh(self, node: Node, x: F32) -> F32:
        return self._plain.gelu_tanh(node, x)

    def rms_norm(self, node: Node, x: F32) -> F32:
        if not products.available():
            return self._plain.rms_norm(node, x)
        return products.norm(x, self._held[node.weight], node.heads, node.eps)

    def rope(self, node: Node, x: F32, positions: NDArray[np.int64]) -> F32:
        if not products.available():
            return self._plain.rope(node, x, positions)
        cosine, sine = self._angles
        return products.rope(x, cosine[: len(x)], sine[: len(x)], node.heads)

    def gated(self, node: Node, gate: F32, up: F32) -> F32:
        return products.gated(gate, up) if products.available() else self._plain.gated(node, gate, up)

    def linear(self, node: Node, x: F32) -> F32:
        if not products.available():
            return self._plain.linear(node, x)
        y = np.empty((len(x), node.width), np.float32)
        products.multiply(products.pack(x, right=False), self._operand(node.weight), y)
        if node.bias:
            y += self._held[f"{node.weight}.bias"]
        return y

    def _operand(self, name: str) -> Operand:
        with self._lock:
            if name not in self._packed:
                self._packed[name] = products.pack(self.weights[name], right=True)
            return self._packed[name]

    def attention(self, node: Node, q: F32, k: F32, v: F32, cache: Cache, start: int) -> F32:
        """The cache is not used: every text is seen as a whole."""
        if products.available():
            return products.attend(q, k, v, self.graph.head_dim, node.causal)
        return self._plain.attention(node, q, k, v, self._plain.cache(len(q)), 0)
