"""The random numbers of one job. Knows no logits."""

from __future__ import annotations

import os

import numpy as np

RANDOM = -1  # the seed that means another one each time


class Draw:
    """Uniform numbers from a counter-based generator: the same seed gives the same ones on every machine."""

    def __init__(self, seed: int) -> None:
        seed = int.from_bytes(os.urandom(8), "little") if seed == RANDOM else seed % (1 << 64)
        self._bits = np.random.Philox(key=seed)

    def next(self) -> float:
        """A number in [0, 1), a multiple of 2**-53."""
        return float(int(self._bits.random_raw()) >> 11) * 2.0**-53
