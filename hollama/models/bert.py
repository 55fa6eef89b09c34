"""BERT (all-MiniLM, bge, mxbai, arctic): learned positions, GELU, biases everywhere."""

from functools import partial

from hollama.errors import CompileError
from hollama.models.architecture import Architecture, Config, GgufNames, count, head_size, number
from hollama.models.decoder import DecoderShape, unrotated
from hollama.models.encoder import EncoderNames, build_encoder

_NAMES = EncoderNames(
    words="bert.embeddings.word_embeddings",
    positions="bert.embeddings.position_embeddings",
    types="bert.embeddings.token_type_embeddings",
    norm="bert.embeddings.LayerNorm",
    layers="bert.encoder.layer",
    qkv=("attention.self.query", "attention.self.key", "attention.self.value"),
    output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up=("intermediate.dense",),
    down="output.dense",
    mlp_norm="output.LayerNorm",
)
_GGUF = GgufNames(
    top={
        _NAMES.words: "token_embd",
        _NAMES.positions: "position_embd",
        _NAMES.types: "token_types",
        _NAMES.norm: "token_embd_norm",
    },
    layers=_NAMES.layers,
    parts={
        "attention.self.query": "attn_q",
        "attention.self.key": "attn_k",
        "attention.self.value": "attn_v",
        _NAMES.output: "attn_output",
        _NAMES.attention_norm: "attn_output_norm",
        "intermediate.dense": "ffn_up",
        _NAMES.down: "ffn_down",
        _NAMES.mlp_norm: "layer_output_norm",
    },
)


def shape(config: Config) -> DecoderShape:
    """Raises CompileError for a config that makes no sense, or of a BERT that computes otherwise."""
    heads, hidden = count(config, "num_attention_heads"), count(config, "hidden_size")
    head_dim = head_size(hidden, heads)
    if config.get("hidden_act", "gelu") != "gelu":
        raise CompileError(f'activation "{config["hidden_act"]}" is not supported; expected gelu')
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise CompileError(f'positions "{config["position_embedding_type"]}" are not supported; expected absolute')
    return DecoderShape(
        vocab=count(config, "vocab_size"),
        hidden=hidden,
        intermediate=count(config, "intermediate_size"),
        layers=count(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        eps=number(config, "layer_norm_eps", number(config, "layer_norm_epsilon", 1e-12)),
        theta=unrotated(head_dim),
        context=count(config, "max_position_embeddings", 512),
        tied=False,
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
    )


ARCHITECTURE = Architecture(
    "bert",
    ("BertModel",),
    shape,
    build=partial(build_encoder, names=_NAMES),
    names=_GGUF,
    prefix="bert.",
    encodes=True,
)
