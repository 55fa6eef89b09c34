"""Reads a GGUF file as a checkpoint. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.checkpoint import Checkpoint, SpecialTokens, adds_bos
from hollama.compiler.pooling import POOLING
from hollama.compiler.tokenizers import from_gguf
from hollama.errors import CompileError
from hollama.formats.gguf import GgufFile
from hollama.models.architecture import Architecture
from hollama.models.table import by_name

_CONFIG = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "layer_norm_epsilon": "attention.layer_norm_epsilon",
    "rope_theta": "rope.freq_base",
    "max_position_embeddings": "context_length",
}
# Tokens that end a turn, which GGUF files of some families do not name as such.
_STOP_NAMES = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "</s>")
_UNSET = 0xFFFFFFFF  # as an id; -1 as well
_ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True)
class GgufTensors:
    """A file's weights under Hugging Face's names."""

    file: GgufFile
    architecture: Architecture  # interleaved: rows of q and k stand in pairs and are put back into halves
    heads: int
    kv_heads: int

    def shape(self, name: str) -> tuple[int, ...] | None:
        info = self.file.tensors.get(self.architecture.names(name))
        return tuple(info.shape) if info else None

    def float32(self, name: str) -> NDArray[np.float32]:
        values = self.file.float32(self.architecture.names(name))
        if self.architecture.interleaved and ".self_attn.q_proj" in name:
            return halves(values, self.heads)
        if self.architecture.interleaved and ".self_attn.k_proj" in name:
            return halves(values, self.kv_heads)
        return values


def open_gguf(path: Path) -> Checkpoint:
    """Raises CompileError or GgufError for a file that is no model of a supported architecture."""
    file = GgufFile.open(path)
    architecture = by_name(file.metadata.get("general.architecture"))
    shape = architecture.shape(_config(file, architecture))
    tokenizer = from_gguf(file.metadata)
    template = file.metadata.get("tokenizer.chat_template")
    return Checkpoint(
        architecture=architecture,
        shape=shape,
        tensors=GgufTensors(file, architecture, shape.heads, shape.kv_heads),
        tokenizer=tokenizer,
        special=_special(file.metadata, adds_bos(tokenizer)),
        chat_template=template if isinstance(template, str) else "",
        metadata=_scalars(file.metadata) | pooled(architecture, file.metadata),
    )


def _config(file: GgufFile, architecture: Architecture) -> dict[str, Any]:
    """The file's metadata under the keys of a Hugging Face config."""
    metadata, prefix = file.metadata, f"{architecture.name}."
    config = {key: metadata[prefix + name] for key, name in _CONFIG.items() if prefix + name in metadata}
    table = file.tensors.get("token_embd.weight")
    if table is None or len(table.shape) != 2:
        raise CompileError('the file has no "token_embd.weight"; is it a whole model?')
    config["vocab_size"] = int(table.shape[0])
    config["tie_word_embeddings"] = "output.weight" not in file.tensors
    config["attention_bias"] = any(f"blk.0.attn_{part}.bias" in file.tensors for part in ("q", "qkv"))
    config["mlp_bias"] = "blk.0.ffn_up.bias" in file.tensors
    if _ROPE_FACTORS in file.tensors:
        config["rope_factors"] = file.float32(_ROPE_FACTORS)
    elif (kind := str(metadata.get(f"{prefix}rope.scaling.type", "none"))) != "none":
        config["rope_scaling"] = {"rope_type": kind, "factor": metadata.get(f"{prefix}rope.scaling.factor")}
    return config


def pooled(architecture: Architecture, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What an encoder's file may leave open: a text's vector is the mean of its tokens', "[SEP]" ends the text."""
    if not architecture.encodes:
        return {}
    found = {f"{architecture.name}.pooling_type": POOLING["mean"]}
    tokens = metadata.get("tokenizer.ggml.tokens", ())
    if "[SEP]" in tokens:
        found["tokenizer.ggml.seperator_token_id"] = tokens.index("[SEP]")  # GGUF's own spelling
    return {key: value for key, value in found.items() if key not in metadata}


def halves(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo the pairing of rotary rows: (heads, head_dim / 2, 2) becomes (heads, 2, head_dim / 2)."""
    split = values.reshape(heads, -1, 2, *values.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(values.shape)


def _special(metadata: Mapping[str, Any], add_bos: bool) -> SpecialTokens:
    tokens = metadata.get("tokenizer.ggml.tokens", ())
    bos, eos, eot = (_token_id(metadata, key) for key in ("bos", "eos", "eot"))
    named = [index for index, token in enumerate(tokens) if token in _STOP_NAMES]
    types = metadata.get("tokenizer.ggml.token_type")
    if types is not None and len(types) == len(tokens):
        named = [index for index in named if types[index] == 3]  # 3: a control token
    stops = [token for token in (eos, eot, *named) if token is not None]
    return SpecialTokens(
        bos_id=bos,
        bos=tokens[bos] if bos is not None and bos < len(tokens) else "",
        eos=tokens[eos] if eos is not None and eos < len(tokens) else "",
        stop_ids=tuple(dict.fromkeys(stops)),
        add_bos=add_bos,
    )


def _token_id(metadata: Mapping[str, Any], name: str) -> int | None:
    value = metadata.get(f"tokenizer.ggml.{name}_token_id")
    return int(value) if isinstance(value, int | np.integer) and 0 <= value < _UNSET else None


def _scalars(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What /api/show may print: everything but the arrays and the template."""
    kept = {key: value for key, value in metadata.items() if isinstance(value, str | int | float | bool)}
    kept.pop("tokenizer.chat_template", None)
    return kept
