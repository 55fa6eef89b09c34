"""The encoder that BERT and its kin share, as a graph: norms behind sums, a token sees its whole text, no head.

The embedding of a token's type, always the first one's here, is part of the word's. Knows no checkpoint and no number
format.
"""

from __future__ import annotations

from dataclasses import dataclass

from hollama.ir.graph import Graph, Node
from hollama.models.decoder import DecoderShape, Fused


@dataclass(frozen=True)
class EncoderNames:
    """A family's names of weights, Hugging Face's; those of a block without what stands before them."""

    words: str
    types: str
    norm: str
    layers: str
    qkv: tuple[str, ...]
    output: str
    attention_norm: str
    up: tuple[str, ...]  # one, or the gate and what it lets through
    down: str
    mlp_norm: str
    positions: str = ""  # none: rotary


def build_encoder(shape: DecoderShape, names: EncoderNames) -> tuple[Graph, dict[str, Fused]]:
    """The graph, and which of the checkpoint's weights make each of its own."""
    nodes = [Node("embed", "embedding", (), shape.hidden, weight="embedding")]
    weights = {"embedding": Fused((names.words,), first_row=names.types), "embedding_norm": Fused((names.norm,))}
    x = "embedding"
    if names.positions:
        nodes.append(Node("position", "positions", (), shape.hidden, weight="positions"))
        nodes.append(Node("add", "embedded", (x, "positions"), shape.hidden))
        weights["positions"] = Fused((names.positions,))
        x = "embedded"
    norm = Node("layer_norm", "embedding_norm", (x,), shape.hidden, weight="embedding_norm", bias=True, eps=shape.eps)
    nodes.append(norm)
    x = norm.name
    for layer in range(shape.layers):
        x = _block(shape, names, layer, x, nodes, weights)
    return Graph(tuple(nodes), shape.head_dim, shape.heads, shape.layers), weights


def _block(
    shape: DecoderShape, names: EncoderNames, layer: int, x: str, nodes: list[Node], weights: dict[str, Fused]
) -> str:
    """Append one transformer block; returns the name of what it makes."""
    at, hidden, heads, width = f"{layer}.", shape.hidden, shape.heads, shape.heads * shape.head_dim

    def add(op: str, name: str, inputs: tuple[str, ...], width: int, **rest: int | float | bool | str) -> str:
        nodes.append(Node(op, at + name, inputs, width, **rest))  # type: ignore[arg-type]
        return at + name

    def weigh(op: str, name: str, parts: tuple[str, ...], x: str, width: int, **rest: float | bool) -> str:
        weights[at + name] = Fused(tuple(f"{names.layers}.{layer}.{part}" for part in parts))
        return add(op, name, (x,), width, weight=at + name, **rest)

    residual = x
    x = weigh("linear", "qkv", names.qkv, x, 3 * width, bias=shape.qkv_bias)
    q, k, v = (add("slice", name, (x,), width, start=part * width) for part, name in enumerate("qkv"))
    if not names.positions:
        q, k = (add("rope", f"{name}_rope", (part,), width, heads=heads) for name, part in (("q", q), ("k", k)))
    x = add("attention", "attention", (q, k, v), width, heads=heads, kv_heads=heads, cache=layer, causal=False)
    x = weigh("linear", "output", (names.output,), x, hidden, bias=shape.output_bias)
    x = add("add", "attended", (residual, x), hidden)
    x = residual = weigh("layer_norm", "attention_norm", (names.attention_norm,), x, hidden, bias=True, eps=shape.eps)
    x = weigh("linear", "up", names.up, x, len(names.up) * shape.intermediate, bias=shape.mlp_bias)
    if len(names.up) == 2:
        gate = add("slice", "gate", (x,), shape.intermediate)
        through = add("slice", "through", (x,), shape.intermediate, start=shape.intermediate)
        x = add("gated", "gated", (gate, through), shape.intermediate)
    else:
        x = add("gelu", "gelu", (x,), shape.intermediate)
    x = weigh("linear", "down", (names.down,), x, hidden, bias=shape.mlp_bias)
    x = add("add", "residual", (residual, x), hidden)
    if layer == shape.layers - 1:
        x = add("select", "wanted", (x,), hidden)
    return weigh("layer_norm", "norm", (names.mlp_norm,), x, hidden, bias=True, eps=shape.eps)
