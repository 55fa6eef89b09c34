"""Softmax and its parts with the same bits on every machine: sequential sums, float64. Knows no sampler.

Samplers take `exp` and `log` from here and nowhere else: what NumPy's or the C library's give depends on the machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hollama.interfaces import Logits
from hollama.kernels import golden

Floats = NDArray[np.float64]

_LN2 = 0.6931471805599453
_TERMS = 12  # of the series of atanh: 0.1716 ** 25 / 25 is below a unit in the last place


def exp(x: Floats) -> Floats:
    """e^x for x <= 0, to single precision."""
    return golden.exp(x.astype(np.float32)).astype(np.float64)


def log(x: Floats) -> Floats:
    """Natural logarithm of positive numbers, by `2 * atanh((m - 1) / (m + 1))` of the mantissa m around 1."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476
    mantissa, exponent = np.where(small, 2 * mantissa, mantissa), exponent - small
    s = (mantissa - 1) / (mantissa + 1)
    square, series = s * s, np.zeros_like(s)
    for term in range(_TERMS, -1, -1):
        series = series * square + 1 / (2 * term + 1)
    result: Floats = 2 * s * series + exponent * _LN2
    return result


def total(x: Floats) -> float:
    """The sum from left to right; `np.sum` adds in an order that depends on the machine's vectors."""
    return float(np.cumsum(x)[-1])


def softmax(logits: NDArray[np.floating]) -> Floats:
    """Probabilities of `logits` (n,), the largest of which is finite; -inf gives 0."""
    weights = exp(_below_top(logits))
    return weights / total(weights)


def log_softmax(logits: NDArray[np.floating]) -> Floats:
    """Natural logarithms of `softmax`."""
    shifted = _below_top(logits)
    return shifted - log(np.asarray(total(exp(shifted))))


def ranked(logits: Logits) -> tuple[NDArray[np.intp], Floats]:
    """The tokens with a probability above 0, the most probable first (of equals the lower id), and what it is."""
    ids = np.flatnonzero(logits > -np.inf)
    ids = ids[np.argsort(-logits[ids], kind="stable")]
    probabilities = softmax(logits[ids])
    count = int(np.count_nonzero(probabilities))
    return ids[:count], probabilities[:count]


def largest(logits: Logits, count: int) -> NDArray[np.intp]:
    """The `count` tokens with the largest logits, the largest first (of equals the lower id).

    Sorts only those: a vocabulary has 150,000 tokens.
    """
    place = max(0, len(logits) - count)
    least = np.partition(logits, place)[place]
    above = np.flatnonzero(logits > least)
    equal = np.flatnonzero(logits == least)[: count - len(above)]
    return np.concatenate([above[np.argsort(-logits[above], kind="stable")], equal])


def keep(logits: Logits, ids: NDArray[np.intp]) -> Logits:
    """Forbid all tokens but `ids`."""
    kept = np.full_like(logits, -np.inf)
    kept[ids] = logits[ids]
    return kept


def _below_top(logits: NDArray[np.floating]) -> Floats:
    values: Floats = logits.astype(np.float64)
    return values - float(values.max())
