"""The decoder that Llama, Qwen2 and Qwen3 share, as a graph. Knows no checkpoint and no number format."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hollama.errors import CompileError
from hollama.ir.graph import Graph, Node

_MOST_LAYERS = 1000  # the largest known models have 126


@dataclass(frozen=True)
class DecoderShape:
    """The sizes of a decoder, or of an encoder. Raises CompileError for more layers than any model has, or a wild eps.

    `theta` holds head_dim / 2 positive rotary frequencies (radians a position), float32.
    """

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    theta: NDArray[np.float32]
    context: int  # tokens it was trained for
    tied: bool
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False

    def __post_init__(self) -> None:
        if self.layers > _MOST_LAYERS:
            raise CompileError(f"a model of {self.layers} layers; expected {_MOST_LAYERS} at most")
        if not 0 <= self.eps < 1:
            raise CompileError(f"the norms' epsilon is {self.eps:g}; expected a small number, from 0 to below 1")

    @property
    def signed_theta(self) -> NDArray[np.float32]:
        """Frequencies as `rope_theta_data.bin` keeps them: the first half negative, for rotate-half."""
        return np.concatenate([-self.theta, self.theta]).astype(np.float32)


def unrotated(head_dim: int) -> NDArray[np.float32]:
    """The rotary frequencies (head_dim / 2,) of a model without rotary embedding."""
    return np.zeros(head_dim // 2, np.float32)


@dataclass(frozen=True)
class Fused:
    """A weight of the graph as rows of checkpoint weights put under each other (names without their suffix).

    The first row of `first_row`, where the checkpoint has that, is added to every row.
    """

    parts: tuple[str, ...]
    first_row: str = ""


def build(shape: DecoderShape) -> tuple[Graph, dict[str, Fused]]:
    """The graph, and which of the checkpoint's weights (Hugging Face's names) make each of its own."""
    nodes = [Node("embed", "embedding", (), shape.hidden, weight="embedding")]
    weights = {"embedding": Fused(("model.embed_tokens",))}
    residual = "embedding"
    for layer in range(shape.layers):
        residual = _block(shape, layer, residual, nodes, weights)
    nodes += [
        Node("select", "last", (residual,), shape.hidden),
        Node("rms_norm", "norm", ("last",), shape.hidden, weight="norm", eps=shape.eps),
        Node("linear", "logits", ("norm",), shape.vocab, weight="logits"),
    ]
    weights["norm"] = Fused(("model.norm",))
    weights["logits"] = Fused(("model.embed_tokens" if shape.tied else "lm_head",))
    return Graph(tuple(nodes), shape.head_dim, shape.kv_heads, shape.layers), weights


def _block(shape: DecoderShape, layer: int, residual: str, nodes: list[Node], weights: dict[str, Fused]) -> str:
    """Append one transformer block; returns the name of its residual stream."""
    at, source = f"{layer}.", f"model.layers.{layer}."
    size, heads, kv_heads = shape.head_dim, shape.heads, shape.kv_heads

    def add(op: str, name: str, inputs: tuple[str, ...], width: int, **rest: int | float | bool | str) -> str:
        nodes.append(Node(op, at + name, inputs, width, **rest))  # type: ignore[arg-type]
        return at + name

    def weigh(name: str, *parts: str) -> str:
        weights[at + name] = Fused(tuple(source + part for part in parts))
        return at + name

    weight = weigh("attention_norm", "input_layernorm")
    x = add("rms_norm", "attention_norm", (residual,), shape.hidden, weight=weight, eps=shape.eps)
    weight = weigh("qkv", *(f"self_attn.{part}_proj" for part in "qkv"))
    x = add("linear", "qkv", (x,), (heads + 2 * kv_heads) * size, weight=weight, bias=shape.qkv_bias)
    q = add("slice", "q", (x,), heads * size)
    k = add("slice", "k", (x,), kv_heads * size, start=heads * size)
    v = add("slice", "v", (x,), kv_heads * size, start=(heads + kv_heads) * size)
    if shape.qk_norm:
        weight = weigh("q_norm", "self_attn.q_norm")
        q = add("rms_norm", "q_norm", (q,), heads * size, heads=heads, weight=weight, eps=shape.eps)
        weight = weigh("k_norm", "self_attn.k_norm")
        k = add("rms_norm", "k_norm", (k,), kv_heads * size, heads=kv_heads, weight=weight, eps=shape.eps)
    q = add("rope", "q_rope", (q,), heads * size, heads=heads)
    k = add("rope", "k_rope", (k,), kv_heads * size, heads=kv_heads)
    x = add("attention", "attention", (q, k, v), heads * size, heads=heads, kv_heads=kv_heads, cache=layer)
    weight = weigh("output", "self_attn.o_proj")
    x = add("linear", "output", (x,), shape.hidden, weight=weight, bias=shape.output_bias)
    residual = add("add", "attended", (residual, x), shape.hidden)
    weight = weigh("mlp_norm", "post_attention_layernorm")
    x = add("rms_norm", "mlp_norm", (residual,), shape.hidden, weight=weight, eps=shape.eps)
    weight = weigh("gate_up", "mlp.gate_proj", "mlp.up_proj")
    x = add("linear", "gate_up", (x,), 2 * shape.intermediate, weight=weight, bias=shape.mlp_bias)
    gate = add("slice", "gate", (x,), shape.intermediate)
    up = add("slice", "up", (x,), shape.intermediate, start=shape.intermediate)
    x = add("gated", "gated", (gate, up), shape.intermediate)
    weight = weigh("down", "mlp.down_proj")
    x = add("linear", "down", (x,), shape.hidden, weight=weight, bias=shape.mlp_bias)
    return add("add", "residual", (residual, x), shape.hidden)
