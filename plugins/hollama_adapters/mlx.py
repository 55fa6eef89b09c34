"""Adapters of Apple's mlx-lm: a folder with `adapter_config.json` and `adapters.safetensors`.

    <module>.lora_a   (inputs, rank)
    <module>.lora_b   (rank, outputs)

The update is `scale * (lora_a @ lora_b)` transposed, with the config's `lora_parameters.scale`. Weight names are the
checkpoint's. Source: mlx-lm 0.26, tuner/lora.py and tuner/utils.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hollama.errors import AdapterError
from hollama.formats.safetensors import SafetensorsFile
from hollama.interfaces import AdapterSpec, LowRankPair

from .pairs import CONFIG, low_rank_pair, match_halves, number, read_config

WEIGHTS = "adapters.safetensors"


def matches(path: Path) -> bool:
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def read(path: Path) -> Mapping[str, LowRankPair]:
    """Raises AdapterError, SafetensorsError, OSError."""
    config = read_config(path)
    if config.get("use_dora") or config.get("fine_tune_type", "lora") != "lora":
        raise AdapterError(f"the adapter was trained with more than LoRA, says {CONFIG}; only plain LoRA can be read")
    parameters = config.get("lora_parameters")
    if not isinstance(parameters, dict):
        raise AdapterError(f'{CONFIG} has no object "lora_parameters"; is it of mlx-lm?')
    expected, scale = number(parameters, "rank"), number(parameters, "scale")
    file = SafetensorsFile.open(path / WEIGHTS)
    names = {tensor: _split(tensor) for tensor in file.names}
    pairs = {}
    for weight, (a, b) in match_halves(names, WEIGHTS).items():
        pair = low_rank_pair(weight, file.float32(a).T, file.float32(b).T, lambda _: scale)
        if pair.a.shape[0] != expected:
            raise AdapterError(f'the update of "{weight:.100}" has rank {pair.a.shape[0]}, {CONFIG} says {expected:g}')
        pairs[weight] = pair
    return pairs


def _split(tensor: str) -> tuple[str, str]:
    module, _, half = tensor.rpartition(".lora_")
    if not module or half not in ("a", "b"):
        raise AdapterError(f'{WEIGHTS} has the tensor "{tensor:.100}", which is no low-rank update of a linear layer')
    return f"{module}.weight", half


SPEC = AdapterSpec("mlx", matches, read, help=f"a folder of Apple's mlx-lm with {CONFIG} and {WEIGHTS}")
