"""Leaves the most likely tokens that together have a mass of p (nucleus sampling)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hollama.interfaces import Logits, SamplerContext, SamplerSpec
from hollama.sampling.options import number
from hollama.sampling.probabilities import keep, ranked

from .cuts import cuts


def top_p(logits: Logits, p: float) -> Logits:
    """The smallest such set, one token at least."""
    ids, probabilities = ranked(logits)
    count = int(np.searchsorted(np.cumsum(probabilities), p, side="left")) + 1
    return keep(logits, ids[:count])


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    p = number(context.options, "top_p", 0.9)
    return None if p >= 1 or not cuts(context.options) else lambda logits: top_p(logits, p)


SPEC = SamplerSpec("top_p", 400, build, ("top_p",), "top_p: the most likely tokens with that mass; 1 for all")
