"""Adapters of Hugging Face's PEFT: a folder with `adapter_config.json` and `adapter_model.safetensors`.

    base_model.model.<module>.lora_A.weight   (rank, inputs)
    base_model.model.<module>.lora_B.weight   (outputs, rank)

The update is `scale * B @ A` with scale `lora_alpha / rank`, or `lora_alpha / sqrt(rank)` with `use_rslora`. What is
more than that (DoRA, biases, whole modules, embeddings) is refused. Weight names are the checkpoint's.

Source: peft 0.17, tuners/lora/config.py and layer.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hollama.errors import AdapterError
from hollama.formats.safetensors import SafetensorsFile
from hollama.interfaces import AdapterSpec, LowRankPair

from .pairs import CONFIG, low_rank_pair, match_halves, number, read_config

WEIGHTS = "adapter_model.safetensors"
_NAME = re.compile(r"base_model\.model\.(.+)\.lora_([AB])(?:\.[A-Za-z0-9_]+)?\.weight")
_PLAIN = re.compile(r"[A-Za-z0-9_.]+")
_BEYOND = {
    "use_dora": "DoRA",
    "modules_to_save": "whole modules",
    "layer_replication": "replicated layers",
    "alora_invocation_tokens": "tokens that switch it on",
}
_OTHER_BASE = ("pissa", "olora", "corda", "loftq")  # ways to begin that train beside a base they change


def matches(path: Path) -> bool:
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def read(path: Path) -> Mapping[str, LowRankPair]:
    """Raises AdapterError, SafetensorsError, OSError."""
    config = read_config(path)
    _check(config)
    file = SafetensorsFile.open(path / WEIGHTS)
    names = {}
    for tensor in file.names:
        match = _NAME.fullmatch(tensor)
        if not match:
            raise AdapterError(
                f'{WEIGHTS} has the tensor "{tensor:.100}", which is no low-rank update of a linear layer'
            )
        names[tensor] = (f"{match[1]}.weight", match[2].lower())
    pairs = {}
    for weight, (a, b) in match_halves(names, WEIGHTS).items():
        pairs[weight] = low_rank_pair(weight, file.float32(a), file.float32(b), _scale(config, weight))
    return pairs


def _check(config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise AdapterError(f'the adapter\'s "peft_type" is {str(config.get("peft_type"))[:40]!r}, "LORA" was expected')
    for key, meaning in _BEYOND.items():
        if config.get(key):
            raise AdapterError(f'the adapter has {meaning} ("{key}"), only plain LoRA can be read')
    if str(config.get("init_lora_weights")).startswith(_OTHER_BASE):
        raise AdapterError(
            f'the adapter changes the base too ("init_lora_weights" {config["init_lora_weights"]!r:.40}); '
            "PEFT's save_pretrained with path_initial_model_for_weight_conversion makes a plain LoRA of it"
        )
    if config.get("bias", "none") != "none":
        raise AdapterError('the adapter trains biases ("bias"), only plain LoRA can be read')
    if config.get("fan_in_fan_out"):
        raise AdapterError('the adapter is for transposed weights ("fan_in_fan_out"), which no supported model has')


def _scale(config: Mapping[str, Any], weight: str) -> Callable[[int], float]:
    """By rank. Patterns override the rank and the alpha of some modules."""
    module = weight.removesuffix(".weight")
    alpha = _pattern(config, "alpha_pattern", module, "lora_alpha")
    expected = _pattern(config, "rank_pattern", module, "r")

    def scale(rank: int) -> float:
        if rank != expected:
            raise AdapterError(f'the update of "{weight:.100}" has rank {rank}, {CONFIG} says {expected:g}')
        return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)

    return scale


def _pattern(config: Mapping[str, Any], key: str, module: str, default: str) -> float:
    """The last component of module names is all that patterns are used for, so they are not run as expressions."""
    patterns = config.get(key) or {}
    if not isinstance(patterns, dict) or not all(_PLAIN.fullmatch(name) for name in patterns):
        raise AdapterError(f'"{key}" of the adapter must map plain module names to numbers')
    for name in patterns:
        if module == name or module.endswith(f".{name}"):
            return number(patterns, name)
    return number(config, default)


SPEC = AdapterSpec("peft", matches, read, help=f"a folder of Hugging Face's PEFT with {CONFIG} and {WEIGHTS}")
