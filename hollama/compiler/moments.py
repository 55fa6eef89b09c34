"""What GPTQ needs to know of a layer's inputs, summed up window by window. Knows no graph.

On machines with AMX inputs are rounded to bfloat16 and their products run on its tiles; elsewhere they are float32's.
Sums are float32. What is added in the same order gives the same bits, whatever the number of threads: these share a sum
by bands of its rows, which only its size decides.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hollama.kernels import products
from hollama.kernels.products import Operand

F32 = NDArray[np.float32]
_BLOCK = 512
_BAND = 256  # rows of a sum that a thread adds to


@dataclass(frozen=True)
class Seen:
    """A window's inputs x (rows, inputs) and the drift x' - x, as the products want them."""

    inputs: F32 | tuple[Operand, Operand]
    drift: F32 | Operand


def seen(quantised: F32, exact: F32) -> Seen:
    """Rows of inputs as the quantised model has them, and as the float model does."""
    if not products.available():
        return Seen(quantised, exact - quantised)
    left, right = (products.pack(quantised.T, right=side) for side in (False, True))
    return Seen((left, right), products.pack((exact - quantised).T, right=False))


@dataclass(frozen=True)
class Moments:
    """The sums of x x^T, of which the lower half is sure until `hessian`, and of (x' - x) x^T: (inputs, inputs)."""

    sums: F32
    drift: F32

    @classmethod
    def empty(cls, inputs: int) -> Moments:
        return cls(np.zeros((inputs, inputs), np.float32), np.zeros((inputs, inputs), np.float32))

    def add(self, found: Seen, pool: Executor) -> None:
        starts = range(0, len(self.sums), _BAND)
        for _ in pool.map(lambda start: self._add(found, start, min(start + _BAND, len(self.sums))), reversed(starts)):
            pass

    def _add(self, found: Seen, start: int, end: int) -> None:
        """The rows of a band, of x x^T only up to the diagonal."""
        sums, drift = self.sums[start:end, :end], self.drift[start:end]
        if isinstance(found.inputs, tuple) and isinstance(found.drift, Operand):
            left, right = found.inputs
            products.multiply(left.part(start, end), right.part(0, end), sums, add=True, lower=True)
            products.multiply(found.drift.part(start, end), right, drift, add=True)
        elif isinstance(found.inputs, np.ndarray) and isinstance(found.drift, np.ndarray):
            sums += found.inputs[:, start:end].T @ found.inputs[:, :end]
            drift += found.drift[:, start:end].T @ found.inputs

    @property
    def hessian(self) -> F32:
        """The sum of x x^T, made symmetric in place."""
        for start in range(0, len(self.sums), _BLOCK):
            end = start + _BLOCK
            self.sums[start:end, end:] = self.sums[end:, start:end].T
            square = self.sums[start:end, start:end]
            square[...] = np.tril(square) + np.tril(square, -1).T
        return self.sums
