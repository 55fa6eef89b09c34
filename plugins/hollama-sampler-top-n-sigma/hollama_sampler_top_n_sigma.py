"""Leaves the tokens whose logit is within n standard deviations of the largest.

Tang et al., 2024: "Top-n-sigma: Not All Logits Are You Need", arXiv:2411.07641.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hollama.hookspecs import hookimpl
from hollama.interfaces import Logits, SamplerContext, SamplerSpec
from hollama.sampling.options import number
from hollama.sampling.probabilities import total


def top_n_sigma(logits: Logits, n: float) -> Logits:
    """Measures the tokens that the samplers before it have left."""
    left = logits[logits > -np.inf].astype(np.float64)
    deviations = left - total(left) / len(left)
    sigma = np.sqrt(total(deviations * deviations) / len(left))
    return np.where(logits < left.max() - n * sigma, np.float32(-np.inf), logits)


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    n = number(context.options, "top_n_sigma", 0.0)
    return None if n <= 0 else lambda logits: top_n_sigma(logits, n)


@hookimpl
def hollama_samplers() -> list[SamplerSpec]:
    help = "top_n_sigma: standard deviations below the best; 0 for all"
    return [SamplerSpec("top_n_sigma", 150, build, ("top_n_sigma",), help)]
