"""Leaves the k most likely tokens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hollama.engine.options import integer
from hollama.engine.probabilities import keep
from hollama.interfaces import Logits, SamplerContext, SamplerSpec

from .mirostat import version


def top_k(logits: Logits, k: int) -> Logits:
    """Partitions instead of sorting: the vocabulary has 150,000 tokens."""
    least = np.partition(logits, len(logits) - k)[len(logits) - k]
    above = np.flatnonzero(logits > least)
    equal = np.flatnonzero(logits == least)[: k - len(above)]
    return keep(logits, np.concatenate([above, equal]))


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    k = integer(context.options, "top_k", 40)
    if not 0 < k < context.vocab_size or version(context.options):
        return None
    return lambda logits: top_k(logits, k)


SPEC = SamplerSpec("top_k", 200, build, "top_k: the k most likely tokens; 0 for all")
