"""NomicBert (nomic-embed-text): BERT with rotary embedding, a gated unit and no biases but those of its norms."""

from functools import partial

from hollama.errors import CompileError
from hollama.models.architecture import Architecture, Config, GgufNames, count, frequencies, head_size, number, section
from hollama.models.decoder import DecoderShape
from hollama.models.encoder import EncoderNames, build_encoder

_KEYS = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
    "rope_theta": "rotary_emb_base",
    "attention_bias": "qkv_proj_bias",
    "mlp_bias": "mlp_fc1_bias",
}
_NAMES = EncoderNames(
    words="bert.embeddings.word_embeddings",
    types="bert.embeddings.token_type_embeddings",
    norm="bert.emb_ln",
    layers="bert.encoder.layers",
    qkv=("attn.Wqkv",),
    output="attn.out_proj",
    attention_norm="norm1",
    up=("mlp.fc12", "mlp.fc11"),
    down="mlp.fc2",
    mlp_norm="norm2",
)
_GGUF = GgufNames(
    top={_NAMES.words: "token_embd", _NAMES.types: "token_types", _NAMES.norm: "token_embd_norm"},
    layers=_NAMES.layers,
    parts={
        "attn.Wqkv": "attn_qkv",
        _NAMES.output: "attn_output",
        _NAMES.attention_norm: "attn_output_norm",
        "mlp.fc11": "ffn_up",
        "mlp.fc12": "ffn_gate",
        _NAMES.down: "ffn_down",
        _NAMES.mlp_norm: "layer_output_norm",
    },
)
_TRAINED = 2048  # tokens; beyond it the rotary embedding would have to be scaled by the length of each text
_EXPECTED = {
    "activation_function": "swiglu",
    "hidden_act": "silu",
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "prenorm": False,
    "use_rms_norm": False,
    "parallel_block": False,
}


def shape(config: Config) -> DecoderShape:
    """Raises CompileError for a config that makes no sense, or of a NomicBert that computes otherwise."""
    config = {**config, **{ours: config[key] for ours, key in _KEYS.items() if config.get(key) is not None}}
    for key, value in _EXPECTED.items():
        if config.get(key, value) not in (value, None):
            raise CompileError(f'config: "{key}" is {config[key]!r}; only {value!r} is supported')
    heads, hidden = count(config, "num_attention_heads"), count(config, "hidden_size")
    head_dim = head_size(hidden, heads)
    bias = config.get("attention_bias") is True
    base = number(section(config, "rope_parameters"), "rope_theta", 1000.0)
    return DecoderShape(
        vocab=count(config, "vocab_size"),
        hidden=hidden,
        intermediate=count(config, "intermediate_size"),
        layers=count(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        eps=number(config, "layer_norm_eps", number(config, "layer_norm_epsilon", 1e-12)),
        theta=frequencies({"rope_theta": base, **config}, head_dim),
        context=min(count(config, "max_position_embeddings", _TRAINED), _TRAINED),
        tied=False,
        qkv_bias=bias,
        output_bias=bias,
        mlp_bias=config.get("mlp_bias") is True,
    )


ARCHITECTURE = Architecture(
    "nomic-bert",
    ("NomicBertModel",),
    shape,
    build=partial(build_encoder, names=_NAMES),
    names=_GGUF,
    prefix="bert.",
    encodes=True,
)
