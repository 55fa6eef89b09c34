"""Leaves the k most likely tokens."""

from __future__ import annotations

from collections.abc import Callable

from hollama.interfaces import Logits, SamplerContext, SamplerSpec
from hollama.sampling.options import integer
from hollama.sampling.probabilities import keep, largest

from .cuts import cuts


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    k = integer(context.options, "top_k", 40)
    if not 0 < k < context.vocab_size or not cuts(context.options):
        return None
    return lambda logits: keep(logits, largest(logits, k))


SPEC = SamplerSpec("top_k", 200, build, ("top_k",), "top_k: the k most likely tokens; 0 for all")
