"""What the formats of adapters share: low-rank pairs whose shapes fit, and a config that is a bounded JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.errors import AdapterError
from hollama.interfaces import LowRankPair

CONFIG = "adapter_config.json"
_LARGEST_CONFIG = 1 << 20  # bytes

F32 = NDArray[np.float32]


def read_config(folder: Path) -> dict[str, Any]:
    """Raises AdapterError for a config that is no JSON object, or unreasonably large; OSError."""
    with (folder / CONFIG).open("rb") as file:
        data = file.read(_LARGEST_CONFIG + 1)
    if len(data) > _LARGEST_CONFIG:
        raise AdapterError(f"{CONFIG} has more than {_LARGEST_CONFIG} bytes; is it the config of a LoRA adapter?")
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{CONFIG} is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise AdapterError(f"{CONFIG} is a {type(config).__name__}, an object was expected")
    return config


def number(config: Mapping[str, Any], key: str) -> float:
    """A finite number other than zero."""
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value or not _finite(value):
        raise AdapterError(f'"{key}" of the adapter is {str(value)[:40]!r}, a finite number other than 0 was expected')
    return float(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False


def low_rank_pair(name: str, a: F32, b: F32, scale: Callable[[int], float]) -> LowRankPair:
    """The update of one weight; `a` is (rank, inputs), `b` is (outputs, rank). `scale` is told the rank."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or 0 in (*a.shape, *b.shape):
        raise AdapterError(
            f'the update of "{name:.100}" has the shapes {a.shape} and {b.shape}; '
            "(rank, inputs) and (outputs, rank) of one rank were expected"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise AdapterError(f'the update of "{name:.100}" holds values that are not finite; the adapter is damaged')
    return LowRankPair(a, b, scale(a.shape[0]))


def match_halves(names: Mapping[str, tuple[str, str]], what: str) -> dict[str, tuple[str, str]]:
    """Tensor names of `a` and `b` by weight name, from (weight, "a" or "b") by tensor name."""
    halves: dict[str, dict[str, str]] = {}
    for tensor, (weight, half) in names.items():
        if half in halves.setdefault(weight, {}):
            raise AdapterError(f'{what} updates "{weight:.100}" twice')
        halves[weight][half] = tensor
    for weight, found in halves.items():
        if len(found) < 2:
            raise AdapterError(f'{what} has only half of the update of "{weight:.100}"; is the file complete?')
    if not halves:
        raise AdapterError(f"{what} has no low-rank updates; is it a LoRA adapter?")
    return {weight: (found["a"], found["b"]) for weight, found in halves.items()}
