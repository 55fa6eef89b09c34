"""Adapters as GGUF files, which llama.cpp makes: `general.type` is "adapter" and `adapter.type` is "lora".

    <weight>.lora_a   (rank, inputs)
    <weight>.lora_b   (outputs, rank)

The update is `adapter.lora.alpha / rank * b @ a`, or `b @ a` where alpha is 0. Names and the order of rows are those of
a GGUF checkpoint (`blk.0.attn_q.weight`, its rows permuted for RoPE as llama.cpp does).

Source: llama.cpp, src/llama-adapter.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hollama.errors import AdapterError, GgufError
from hollama.formats.gguf import GgufFile
from hollama.interfaces import AdapterSpec, LowRankPair

from .pairs import low_rank_pair, match_halves, number


def matches(path: Path) -> bool:
    try:
        return path.is_file() and GgufFile.open(path).metadata.get("general.type") == "adapter"
    except (GgufError, OSError):
        return False


def read(path: Path) -> Mapping[str, LowRankPair]:
    """Raises AdapterError, GgufError, OSError."""
    file = GgufFile.open(path)
    kinds = [file.metadata.get(key) for key in ("general.type", "adapter.type")]
    if kinds != ["adapter", "lora"]:
        raise AdapterError(f'the GGUF is of the types {str(kinds)[:80]}, "adapter" and "lora" were expected')
    alpha = 0.0 if file.metadata.get("adapter.lora.alpha") == 0 else number(file.metadata, "adapter.lora.alpha")
    names = {tensor: _split(tensor) for tensor in file.tensors}
    pairs = {}
    for weight, (a, b) in match_halves(names, path.name).items():
        pairs[weight] = low_rank_pair(
            weight, file.float32(a), file.float32(b), lambda rank: alpha / rank if alpha else 1.0
        )
    return pairs


def architecture(path: Path) -> str | None:
    """Raises GgufError, OSError."""
    found = GgufFile.open(path).metadata.get("general.architecture")
    return found if isinstance(found, str) else None


def _split(tensor: str) -> tuple[str, str]:
    weight, _, half = tensor.rpartition(".lora_")
    if not weight or half not in ("a", "b"):
        raise AdapterError(f'the adapter has the tensor "{tensor:.100}", which is no low-rank update of a linear layer')
    return weight, half


SPEC = AdapterSpec("gguf", matches, read, help="a GGUF file of llama.cpp", architecture=architecture)
