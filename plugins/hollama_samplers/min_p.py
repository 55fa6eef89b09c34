"""Leaves the tokens at least a fraction as likely as the most likely one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hollama.interfaces import Logits, SamplerContext, SamplerSpec
from hollama.sampling.options import number
from hollama.sampling.probabilities import log

from .cuts import cuts


def min_p(logits: Logits, p: float) -> Logits:
    """Compares logits: `p` in (0, 1] of the largest probability is that much below the largest logit."""
    least = float(logits.max()) + float(log(np.asarray(p)))
    return np.where(logits.astype(np.float64) < least, np.float32(-np.inf), logits)


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    p = min(number(context.options, "min_p", 0.0), 1.0)
    return None if p <= 0 or not cuts(context.options) else lambda logits: min_p(logits, p)


HELP = "min_p: tokens with at least that part of the largest probability; 0 for all"
SPEC = SamplerSpec("min_p", 500, build, ("min_p",), HELP)
