"""What an architecture file offers, and the readers of `config.json` that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.errors import CompileError
from hollama.ir.graph import Graph
from hollama.kernels.golden import HEAD_MAX
from hollama.models.decoder import DecoderShape, Fused, build

Config = Mapping[str, Any]


@dataclass(frozen=True)
class GgufNames:
    """GGUF's names for Hugging Face's: of weights at the top, and of those in a block, which is `layers`.NUMBER.

    `eps` is the metadata's name for what norms add to the variance.
    """

    top: Mapping[str, str]
    layers: str
    parts: Mapping[str, str]
    eps: str = "attention.layer_norm_epsilon"

    def __call__(self, name: str) -> str:
        """The name with its suffix; raises KeyError for one that is not listed."""
        stem, _, kind = name.rpartition(".")
        if stem in self.top:
            return f"{self.top[stem]}.{kind}"
        layer, _, part = stem.removeprefix(f"{self.layers}.").partition(".")
        return f"blk.{layer}.{self.parts[part]}.{kind}"


_DECODER_NAMES = GgufNames(
    top={"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"},
    layers="model.layers",
    parts={
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    },
    eps="attention.layer_norm_rms_epsilon",
)


@dataclass(frozen=True)
class Architecture:
    """One architecture: its GGUF name, Hugging Face's class, and how a config (their keys) becomes a shape and a graph.

    interleaved  GGUF files keep the rows of q and k in pairs, for the other way to write rotary embedding
    prefix       what may be missing in front of the names in a folder
    encodes      makes vectors of texts, no text
    transposed   last parts of the names of matrices that folders keep as (inputs, outputs)
    """

    name: str
    classes: tuple[str, ...]
    shape: Callable[[Config], DecoderShape]
    interleaved: bool = False
    build: Callable[[DecoderShape], tuple[Graph, dict[str, Fused]]] = build
    names: GgufNames = _DECODER_NAMES
    prefix: str = ""
    transposed: tuple[str, ...] = ()
    encodes: bool = False


def decoder_shape(config: Config, **differences: bool) -> DecoderShape:
    """The sizes that all three architectures read alike. Raises CompileError for a config that makes no sense."""
    heads, hidden = count(config, "num_attention_heads"), count(config, "hidden_size")
    head_dim = count(config, "head_dim", hidden // heads)
    kv_heads = count(config, "num_key_value_heads", heads)
    if head_dim % 4 or head_dim > HEAD_MAX:
        raise CompileError(f"heads of {head_dim} values; expected a multiple of 4, at most {HEAD_MAX}")
    if heads % kv_heads:
        raise CompileError(f"{heads} heads of {head_dim} cannot share {kv_heads} key/value heads")
    if config.get("hidden_act", "silu") not in ("silu", "swish"):
        raise CompileError(f'activation "{config["hidden_act"]}" is not supported; expected silu')
    if config.get("use_sliding_window"):
        raise CompileError("sliding-window attention is not supported yet")
    return DecoderShape(
        vocab=count(config, "vocab_size"),
        hidden=hidden,
        intermediate=count(config, "intermediate_size"),
        layers=count(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        eps=number(config, "rms_norm_eps", 1e-6),
        theta=frequencies(config, head_dim),
        context=count(config, "max_position_embeddings", 2048),
        tied=bool(config.get("tie_word_embeddings", False)),
        **differences,
    )


def head_size(hidden: int, heads: int) -> int:
    """Raises CompileError for heads that kernels cannot take."""
    size = hidden // heads
    if hidden % heads or size % 4 or size > HEAD_MAX:
        raise CompileError(f"{heads} heads of {hidden / heads:g} values; expected a multiple of 4, at most {HEAD_MAX}")
    return size


def frequencies(config: Config, head_dim: int) -> NDArray[np.float32]:
    """Rotary frequencies (head_dim / 2,), with linear and Llama 3 scaling. In float64 until the last rounding.

    Raises CompileError for settings that give any that are not finite and positive.
    """
    rope = section(config, "rope_parameters") or section(config, "rope_scaling")
    base = number(config, "rope_theta", 0.0) or number(rope, "rope_theta", 10000.0)
    with np.errstate(all="ignore"):  # whatever comes of it is looked at in the end
        theta = base ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
        found = _scaled(theta, config.get("rope_factors"), rope).astype(np.float32)
    if not (np.isfinite(found) & (found > 0)).all():
        raise CompileError(f'config: a "rope_theta" of {base:g} and its scaling give no positive rotary frequencies')
    return found


def _scaled(theta: NDArray[np.float64], factors: object, rope: Config) -> NDArray[np.float64]:
    if factors is not None:
        if not isinstance(factors, np.ndarray) or factors.shape != theta.shape:
            raise CompileError(f"the factors of the rotary frequencies are not {len(theta)} numbers")
        return theta / factors.astype(np.float64)
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "linear":
        return theta / number(rope, "factor", 1.0)
    if kind == "llama3":
        return _llama3(theta, rope)
    if kind != "default":
        raise CompileError(f'rotary scaling "{kind}" is not supported; there are default, linear and llama3')
    return theta


def _llama3(theta: NDArray[np.float64], rope: Config) -> NDArray[np.float64]:
    """Llama 3.1's scaling: long wavelengths are stretched by `factor`, short ones kept, those between blended."""
    factor, low, high = (number(rope, key, 1.0) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    original = number(rope, "original_max_position_embeddings", 8192.0)
    turns = original * theta / (2 * np.pi)  # within the original context
    blend = np.clip((turns - low) / (high - low), 0, 1)
    return theta * (blend + (1 - blend) / factor)


def section(config: Config, key: str) -> Config:
    """An object within a config, empty if there is none. Raises CompileError."""
    value = config.get(key) or {}
    if not isinstance(value, Mapping):
        raise CompileError(f'config: "{key}" is {value!r:.50}, expected an object')
    return value


def count(config: Config, key: str, default: int | None = None) -> int:
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 1 << 24:
        raise CompileError(f'config: "{key}" is {value!r:.50}, expected a positive whole number')
    return value


def number(config: Config, key: str, default: float) -> float:
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e12:
        raise CompileError(f'config: "{key}" is {value!r:.50}, expected a number')
    return float(value)
