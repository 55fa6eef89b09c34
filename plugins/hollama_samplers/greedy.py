"""Leaves the most likely token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hollama.interfaces import Logits, SamplerContext, SamplerSpec
from hollama.sampling.options import number
from hollama.sampling.probabilities import keep


def greedy(logits: Logits) -> Logits:
    return keep(logits, np.argmax(logits, keepdims=True))


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    return greedy if number(context.options, "temperature", 0.8) <= 0 else None


SPEC = SamplerSpec("greedy", 900, build, ("temperature",), "the most likely token, for temperature 0")
