"""The graph in float32: what a checkpoint means before quantisation. Used for calibration and as the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import F32, Cache
from hollama.kernels import golden

_QUERIES = 256  # that are compared with all keys at a time: their scores are the largest of all values


@dataclass(frozen=True)
class FloatArithmetic:
    """Weights by name: linear layers (outputs, inputs), biases under `name.bias`; signed rotary frequencies."""

    graph: Graph
    weights: Mapping[str, F32]
    theta: F32

    def cache(self, capacity: int) -> Cache:
        return Cache.empty(self.graph, capacity, np.float32)

    def embed(self, node: Node, tokens: NDArray[np.int64]) -> F32:
        return self.weights[node.weight][tokens]

    def position(self, node: Node, positions: NDArray[np.int64]) -> F32:
        return self.weights[node.weight][positions]

    def rms_norm(self, node: Node, x: F32) -> F32:
        parts = x.reshape(len(x), node.heads, node.width // node.heads)
        mean = np.mean(np.square(parts, dtype=np.float64), axis=-1, keepdims=True)
        normed: F32 = (parts / np.sqrt(mean + node.eps)).astype(np.float32) * self.weights[node.weight]
        return normed.reshape(x.shape)

    def layer_norm(self, node: Node, x: F32) -> F32:
        centred = x - np.mean(x, axis=-1, keepdims=True, dtype=np.float64)
        variance = np.mean(np.square(centred), axis=-1, keepdims=True)
        scaled: F32 = (centred / np.sqrt(variance + node.eps)).astype(np.float32) * self.weights[node.weight]
        return scaled + self.weights[f"{node.weight}.bias"] if node.bias else scaled

    def linear(self, node: Node, x: F32) -> F32:
        y: F32 = x @ self.weights[node.weight].T
        return y + self.weights[f"{node.weight}.bias"] if node.bias else y

    def rope(self, node: Node, x: F32, positions: NDArray[np.int64]) -> F32:
        angle = positions[:, None].astype(np.float64) * self.theta.astype(np.float64)
        heads = x.reshape(len(x), node.heads, node.width // node.heads)
        first, second = np.split(heads, 2, axis=-1)
        swapped = np.concatenate([second, first], axis=-1)
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        rotated: F32 = (heads * cosine + swapped * sine).astype(np.float32)
        return rotated.reshape(x.shape)

    def attention(self, node: Node, q: F32, k: F32, v: F32, cache: Cache, start: int) -> F32:
        rows, size = len(q), self.graph.head_dim
        total = start + rows
        for cached, new in ((cache.keys[node.cache], k), (cache.values[node.cache], v)):
            cached[:, start:total] = new.reshape(rows, node.kv_heads, size).transpose(1, 0, 2)
        keys, values = cache.keys[node.cache][:, None, :total], cache.values[node.cache][:, None, :total]
        query = q.reshape(rows, node.kv_heads, -1, size).transpose(1, 2, 0, 3)  # (kv_heads, group, rows, head_dim)
        parts = []
        for first in range(0, rows, _QUERIES):
            last = min(first + _QUERIES, rows)
            seen = start + last if node.causal else total
            score = query[:, :, first:last] @ np.swapaxes(keys[:, :, :seen], -1, -2) / np.sqrt(np.float32(size))
            if node.causal:
                score = np.where(np.arange(seen) <= start + np.arange(first, last)[:, None], score, -np.inf)
            weight = np.exp(score - score.max(axis=-1, keepdims=True))
            mixed = (weight / weight.sum(axis=-1, keepdims=True)) @ values[:, :, :seen]
            parts.append(mixed.transpose(2, 0, 1, 3).reshape(last - first, -1))
        return np.concatenate(parts, dtype=np.float32)

    def gated(self, node: Node, gate: F32, up: F32) -> F32:
        y: F32 = gate / (1 + np.exp(-gate)) * up
        return y

    def gelu(self, node: Node, x: F32) -> F32:
        return golden.gelu(x)  # NumPy has no erf; this one is right to 5e-7

    def gelu_tanh(self, node: Node, x: F32) -> F32:
        y: F32 = (0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)))).astype(np.float32)
        return y


@dataclass(frozen=True)
class FloatPair:
    """The change up @ down of a linear layer: down is (rank, inputs), up (outputs, rank)."""

    down: F32
    up: F32


@dataclass(frozen=True)
class FloatAdapter:
    """A LoRA adapter before quantisation, by linear node."""

    pairs: Mapping[str, FloatPair]

    def share(self, node: Node, x: F32) -> F32 | None:
        pair = self.pairs.get(node.name)
        if pair is None:
            return None
        between: F32 = x @ pair.down.T
        added: F32 = between @ pair.up.T
        return added
