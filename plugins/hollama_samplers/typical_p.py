"""Leaves the tokens whose surprise is nearest to the expected one (locally typical sampling)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hollama.interfaces import Logits, SamplerContext, SamplerSpec
from hollama.sampling.options import number
from hollama.sampling.probabilities import keep, log, ranked, total

from .mirostat import version


def typical_p(logits: Logits, p: float) -> Logits:
    """The smallest set of the most typical tokens with a mass above `p`."""
    ids, probabilities = ranked(logits)
    surprise = -log(probabilities)
    order = np.argsort(np.abs(surprise - total(probabilities * surprise)), kind="stable")
    count = int(np.searchsorted(np.cumsum(probabilities[order]), p, side="right")) + 1
    return keep(logits, ids[order[:count]])


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    p = number(context.options, "typical_p", 1.0)
    return None if p >= 1 or version(context.options) else lambda logits: typical_p(logits, p)


HELP = "typical_p: the most typical tokens with that mass; 1 for all"
SPEC = SamplerSpec("typical_p", 300, build, ("typical_p",), HELP)
