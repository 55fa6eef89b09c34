"""Flattens or sharpens the distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hollama.interfaces import Logits, SamplerContext, SamplerSpec
from hollama.sampling.options import number


def scale(logits: Logits, temperature: float) -> Logits:
    """The largest logit becomes 0, so that no temperature is too small to divide by."""
    left = np.flatnonzero(logits > -np.inf)  # a few, after a cut
    values = logits[left].astype(np.float64)
    logits[left] = (values - float(values.max())) / temperature
    return logits


def build(context: SamplerContext) -> Callable[[Logits], Logits] | None:
    """Off for 1, and for 0 and less: there `greedy` takes over."""
    temperature = number(context.options, "temperature", 0.8)
    return None if temperature <= 0 or temperature == 1 else lambda logits: scale(logits, temperature)


SPEC = SamplerSpec("temperature", 600, build, ("temperature",), "temperature: below 1 sharpens, above 1 flattens")
