"""Hadamard matrices, and randomised orthogonal matrices of any size made of them. Knows no model.

A Hadamard matrix has entries 1 and -1 and orthogonal rows: H H^T = n I. Multiplying with one spreads a value over all n
of them, which is what makes outliers disappear. They are made here by the constructions of

    Sylvester   n = 2^k
    Paley I     n = q + 1      for a prime q = 3 (mod 4):   4, 8, 12, 20, 24, 28, 32, 44, 60, 84, 140, ...
    Paley II    n = 2 (q + 1)  for a prime q = 1 (mod 4):   12, 28, 36, 60, 76, 84, 108, 124, ...

and their Kronecker products: 1536 = 12 * 128, 8960 = 140 * 64, 896 = 28 * 32, 576 = 36 * 16. A size that none of them
reaches has a Hartley matrix as its factor, whose entries are not all alike but at most sqrt(2 / n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
_LARGEST_BLOCK = 128  # of a power of two; two small products are faster than a large one


@dataclass(frozen=True)
class Rotation:
    """The orthogonal matrix Q = diag(signs) (A ⊗ B ⊗ ...) of the factors A, B, ...; it turns rows: x' = x Q."""

    signs: F32
    factors: tuple[F32, ...]

    def __call__(self, rows: F32) -> F32:
        """Turn each run of `len(signs)` columns of (rows, columns) by itself. Raises ValueError if they do not fit."""
        turned: F32 = rows.reshape(-1, len(self.signs)) * self.signs
        for factor in self.factors:  # the first factor is the slowest axis, and comes to the end: one round of all
            size = len(factor)
            turned = turned.reshape(-1, size, len(self.signs) // size)
            turned = np.matmul(turned.swapaxes(1, 2), factor)
        return turned.reshape(rows.shape)


def random_rotation(size: int, chance: np.random.Generator) -> Rotation:
    """A rotation of `size` values with random signs."""
    signs = chance.choice(np.array([-1, 1], np.float32), size)
    return Rotation(signs, tuple(factor.astype(np.float32) for factor in orthogonal_factors(size)))


def orthogonal_factors(size: int) -> list[F64]:
    """Orthogonal matrices whose sizes multiply to `size`: Hadamard matrices, and at most one that is not."""
    odd = size // (size & -size)
    power = size // odd
    for multiple in (1, 2, 4, 8, 16):
        block = odd * multiple
        if block <= size and power % multiple == 0 and (first := _paley(block)) is not None:
            return [*([first / np.sqrt(block)] if block > 1 else []), *_sylvester_factors(power // multiple)]
    return [_hartley(odd), *_sylvester_factors(power)]


def _sylvester_factors(power: int) -> list[F64]:
    factors = []
    while power > 1:
        block = min(power, _LARGEST_BLOCK)
        factors.append(_sylvester(block) / np.sqrt(block))
        power //= block
    return factors


def _sylvester(size: int) -> F64:
    matrix: F64 = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def _paley(size: int) -> F64 | None:
    if size == 1:
        return np.ones((1, 1))
    if _is_prime(size - 1) and (size - 1) % 4 == 3:
        return np.eye(size) + _bordered(_residues(size - 1), -1)
    half = size // 2
    if size % 4 == 0 and _is_prime(half - 1) and (half - 1) % 4 == 1:
        core = _bordered(_residues(half - 1), 1)
        plus, minus = np.array([[1, 1], [1, -1]]), np.array([[1, -1], [-1, -1]])
        return np.kron(core, plus) + np.kron(np.eye(half), minus)
    return None


def _residues(q: int) -> F64:
    """Jacobsthal's matrix (q, q): 1 where the indices differ by a square modulo q, 0 where they are equal, else -1."""
    character = np.full(q, -1.0)
    character[np.arange(q, dtype=np.int64) ** 2 % q] = 1
    character[0] = 0
    index = np.arange(q)
    residues: F64 = character[(index[:, None] - index) % q]
    return residues


def _bordered(core: F64, corner: int) -> F64:
    """A row and a column of ones around it, with `corner` as the sign of the column."""
    matrix = np.zeros((len(core) + 1, len(core) + 1))
    matrix[0, 1:], matrix[1:, 0], matrix[1:, 1:] = 1, corner, core
    return matrix


def _hartley(size: int) -> F64:
    angle = 2 * np.pi / size * np.outer(np.arange(size), np.arange(size))
    matrix: F64 = (np.cos(angle) + np.sin(angle)) / np.sqrt(size)
    return matrix


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
