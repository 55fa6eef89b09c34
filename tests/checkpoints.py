"""Small random checkpoints in Hugging Face's form, for tests that need a real package and not its wisdom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from hollama.formats.safetensors import write_safetensors
from hollama.models.table import ARCHITECTURES

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def byte_tokenizer() -> Tokenizer:
    """All bytes, three special tokens: 259 ids."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: index for index, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def random_checkpoint(folder: Path, architecture: str = "qwen2", seed: int = 0, **changes: object) -> Path:
    """Write a checkpoint of random weights that are large enough to matter; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": list(ARCHITECTURES[architecture].classes),
        "vocab_size": 259,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        **changes,
    }
    kind = ARCHITECTURES[architecture]
    shape = kind.shape(config)
    graph, sources = kind.build(shape)
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    widths = {node.name: node.width for node in graph.nodes}
    for node in graph.nodes:
        if not node.weight:
            continue
        parts = sources[node.weight].parts
        qkv = (shape.heads * shape.head_dim, *[shape.kv_heads * shape.head_dim] * 2)
        width = {"embed": shape.vocab, "position": shape.context}.get(node.op, node.width // len(parts))
        rows = qkv if len(parts) == 3 else [width] * len(parts)
        if first_row := sources[node.weight].first_row:
            tensors[f"{first_row}.weight"] = 0.3 * rng.standard_normal((2, node.width), np.float32)
        for part, n in zip(parts, rows, strict=True):
            if node.bias:
                tensors[f"{part}.bias"] = 0.2 * rng.standard_normal(n, np.float32)
            if node.op in ("rms_norm", "layer_norm"):
                tensors[f"{part}.weight"] = 1 + 0.1 * rng.standard_normal(node.width // node.heads, np.float32)
                continue
            inputs = widths[node.inputs[0]] if node.inputs else node.width
            matrix = rng.standard_normal((n, inputs), np.float32) / np.float32(np.sqrt(inputs)) * 2
            tensors[f"{part}.weight"] = matrix.T.copy() if part.split(".")[-1] in kind.transposed else matrix
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 258, "temperature": 0.7}))
    settings = {"chat_template": CHATML, "eos_token": "<|im_end|>", "bos_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return folder
