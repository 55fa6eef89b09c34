"""The graph in torch, so that it can be differentiated: in float, or as the quantised model computes it.

Rounding passes gradients straight through (Bengio et al. 2013, arXiv 1308.3432), clipping stops them. What the golden
arithmetic does beyond that, integer probabilities and its own exponential, is left out: it costs next to nothing.
Values are tensors (rows, width) where `hollama.ir.interpreter` has arrays. Knows no training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import Cache, Segment, evaluate
from hollama.ir.interpreter import Step as Batch
from hollama.kernels.golden import Quantisation

Weights = Callable[[str], Tensor]  # by name: a linear layer's matrix, a bias, a gain, the embedding table


@dataclass(frozen=True)
class Differentiable:
    """An arithmetic of a graph. Values in `ranges` are quantised; none are where it is empty."""

    graph: Graph
    weights: Weights
    ranges: Mapping[str, Quantisation]
    theta: Tensor  # signed rotary frequencies, (head_dim,)

    def logits(self, window: NDArray[np.int64]) -> Tensor:
        """Of every token of a window, (tokens, vocabulary)."""
        rows = range(len(window))
        step = Batch.of([Segment(Cache([], []), 0, window.tolist(), rows)])
        values: dict[str, Any] = {}
        for index, node in enumerate(self.graph.nodes):
            values[node.name] = evaluate(self, node, [values[name] for name in node.inputs], step)  # type: ignore[arg-type]
            for name in self.graph.last_uses[index]:
                del values[name]
        logits: Tensor = values[self.graph.output.name]
        return logits

    def embed(self, node: Node, tokens: NDArray[np.int64]) -> Tensor:
        return self.weights(node.weight)[torch.from_numpy(tokens)]

    def position(self, node: Node, positions: NDArray[np.int64]) -> Tensor:
        return self.weights(node.weight)[torch.from_numpy(positions)]

    def rms_norm(self, node: Node, x: Tensor) -> Tensor:
        parts = x.reshape(len(x), node.heads, -1)
        power = parts.square().mean(-1, keepdim=True) + node.eps
        normed = parts * torch.rsqrt(torch.where(power == 0, 1, power))
        return torch.mul(normed, self.weights(node.weight)).reshape(x.shape)

    def layer_norm(self, node: Node, x: Tensor) -> Tensor:
        bias = self.weights(f"{node.weight}.bias") if node.bias else None
        return F.layer_norm(x, (node.width,), self.weights(node.weight), bias, node.eps)

    def linear(self, node: Node, x: Tensor) -> Tensor:
        bias = self.weights(f"{node.weight}.bias") if node.bias else None
        return F.linear(self._rounded(node.inputs[0], x), self.weights(node.weight), bias)

    def rope(self, node: Node, x: Tensor, positions: NDArray[np.int64]) -> Tensor:
        angle = torch.from_numpy(positions)[:, None, None] * self.theta
        heads = x.reshape(len(x), node.heads, -1)
        swapped = heads.roll(heads.shape[-1] // 2, -1)
        return torch.add(heads * angle.cos(), swapped * angle.sin()).reshape(x.shape)

    def attention(self, node: Node, q: Tensor, k: Tensor, v: Tensor, cache: Cache, start: int) -> Tensor:
        query, key, value = (
            self._rounded(name, x).reshape(len(x), -1, self.graph.head_dim).transpose(0, 1)
            for name, x in zip(node.inputs, (q, k, v), strict=True)
        )
        shared = len(query) // len(key)
        key, value = key.repeat_interleave(shared, 0), value.repeat_interleave(shared, 0)
        mixed = F.scaled_dot_product_attention(query[None], key[None], value[None], is_causal=node.causal)
        return mixed[0].transpose(0, 1).flatten(-2)

    def gated(self, node: Node, gate: Tensor, up: Tensor) -> Tensor:
        return F.silu(gate) * up

    def gelu(self, node: Node, x: Tensor) -> Tensor:
        return F.gelu(x)

    def gelu_tanh(self, node: Node, x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh")

    def _rounded(self, name: str, x: Tensor) -> Tensor:
        of = self.ranges.get(name)
        if of is None:
            return x
        return torch.clamp(straight(x / of.scale), -of.zero_point, of.top - of.zero_point) * of.scale


def straight(x: Tensor) -> Tensor:
    """Rounded to integers, with the gradient of `x` itself."""
    return x + (torch.round(x) - x).detach()
