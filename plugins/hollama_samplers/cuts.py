"""When top-k, top-p and min-p have something to say. Knows no logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hollama.sampling.options import number

from .mirostat import version


def cuts(options: Mapping[str, Any]) -> bool:
    """Not beside mirostat, nor where the most likely token, which they all leave, is taken anyway."""
    return not version(options) and number(options, "temperature", 0.8) > 0
