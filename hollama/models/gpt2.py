"""GPT-2: layer norms with biases, learned positions, GELU by way of tanh, no gate, biases everywhere, a tied head.

Its folders keep a linear layer's matrix as (inputs, outputs), and query, key and value as one.
"""

from __future__ import annotations

from hollama.errors import CompileError
from hollama.ir.graph import Graph, Node
from hollama.models.architecture import Architecture, Config, GgufNames, count, head_size, number
from hollama.models.decoder import DecoderShape, Fused, unrotated

_KEYS = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
}
_NAMES = GgufNames(
    top={
        "transformer.wte": "token_embd",
        "transformer.wpe": "position_embd",
        "transformer.ln_f": "output_norm",
        "lm_head": "output",
    },
    layers="transformer.h",
    parts={
        "ln_1": "attn_norm",
        "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output",
        "ln_2": "ffn_norm",
        "mlp.c_fc": "ffn_up",
        "mlp.c_proj": "ffn_down",
    },
)
_LEFT_OUT = ("scale_attn_by_inverse_layer_idx", "add_cross_attention")


def shape(config: Config) -> DecoderShape:
    """Raises CompileError for a config that makes no sense, or of a GPT-2 that computes otherwise."""
    config = {**config, **{ours: config[key] for ours, key in _KEYS.items() if config.get(key) is not None}}
    heads, hidden = count(config, "num_attention_heads"), count(config, "hidden_size")
    head_dim = head_size(hidden, heads)
    if config.get("activation_function", "gelu_new") not in ("gelu_new", "gelu_pytorch_tanh"):
        raise CompileError(f'activation "{config["activation_function"]}" is not supported; expected gelu_new')
    if config.get("scale_attn_weights") is False or any(config.get(key) is True for key in _LEFT_OUT):
        raise CompileError(f"attention without scores / sqrt(head size), or with {', '.join(_LEFT_OUT)}, is no GPT-2's")
    return DecoderShape(
        vocab=count(config, "vocab_size"),
        hidden=hidden,
        intermediate=count(config, "intermediate_size", 4 * hidden),
        layers=count(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        eps=number(config, "layer_norm_epsilon", 1e-5),
        theta=unrotated(head_dim),
        context=count(config, "max_position_embeddings", 1024),
        tied=config.get("tie_word_embeddings") is not False,
    )


def build(shape: DecoderShape) -> tuple[Graph, dict[str, Fused]]:
    """The graph, and which of the checkpoint's weights (Hugging Face's names) make each of its own."""
    nodes = [
        Node("embed", "embedding", (), shape.hidden, weight="embedding"),
        Node("position", "positions", (), shape.hidden, weight="positions"),
        Node("add", "embedded", ("embedding", "positions"), shape.hidden),
    ]
    weights = {"embedding": Fused(("transformer.wte",)), "positions": Fused(("transformer.wpe",))}
    residual = "embedded"
    for layer in range(shape.layers):
        residual = _block(shape, layer, residual, nodes, weights)
    nodes += [
        Node("select", "last", (residual,), shape.hidden),
        Node("layer_norm", "norm", ("last",), shape.hidden, weight="norm", bias=True, eps=shape.eps),
        Node("linear", "logits", ("norm",), shape.vocab, weight="logits"),
    ]
    weights["norm"] = Fused(("transformer.ln_f",))
    weights["logits"] = Fused(("transformer.wte" if shape.tied else "lm_head",))
    return Graph(tuple(nodes), shape.head_dim, shape.heads, shape.layers), weights


def _block(shape: DecoderShape, layer: int, residual: str, nodes: list[Node], weights: dict[str, Fused]) -> str:
    """Append one transformer block; returns the name of its residual stream."""
    at, hidden, heads, width = f"{layer}.", shape.hidden, shape.heads, shape.heads * shape.head_dim

    def add(op: str, name: str, inputs: tuple[str, ...], width: int, **rest: int | float | bool | str) -> str:
        nodes.append(Node(op, at + name, inputs, width, **rest))  # type: ignore[arg-type]
        return at + name

    def weigh(op: str, name: str, source: str, x: str, width: int, eps: float = 0.0) -> str:
        weights[at + name] = Fused((f"transformer.h.{layer}.{source}",))
        return add(op, name, (x,), width, weight=at + name, bias=True, eps=eps)

    x = weigh("layer_norm", "attention_norm", "ln_1", residual, hidden, shape.eps)
    x = weigh("linear", "qkv", "attn.c_attn", x, 3 * width)
    q, k, v = (add("slice", name, (x,), width, start=part * width) for part, name in enumerate("qkv"))
    x = add("attention", "attention", (q, k, v), width, heads=heads, kv_heads=heads, cache=layer)
    x = weigh("linear", "output", "attn.c_proj", x, hidden)
    residual = add("add", "attended", (residual, x), hidden)
    x = weigh("layer_norm", "mlp_norm", "ln_2", residual, hidden, shape.eps)
    x = weigh("linear", "up", "mlp.c_fc", x, shape.intermediate)
    x = add("gelu_tanh", "gelu", (x,), shape.intermediate)
    x = weigh("linear", "down", "mlp.c_proj", x, hidden)
    return add("add", "residual", (residual, x), hidden)


ARCHITECTURE = Architecture(
    "gpt2",
    ("GPT2LMHeadModel",),
    shape,
    build=build,
    names=_NAMES,
    prefix="transformer.",
    transposed=("c_attn", "c_proj", "c_fc"),
)
