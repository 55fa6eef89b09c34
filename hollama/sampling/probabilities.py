"""Softmax and its parts with the same bits on every machine: sequential sums, float64. Knows no sampler.

Samplers take `exp` and `log` from here and nowhere else: what NumPy's or the C library's give depends on the machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hollama.interfaces import Logits
from hollama.kernels import golden

Floats = NDArray[np.float64]

_LN2 = 0.6931471805599453
_BLOCK = 8192  # numbers
_GROUP = 64  # tokens
_TERMS = 12  # of the series of atanh: 0.1716 ** 25 / 25 is below a unit in the last place


def exp(x: Floats) -> Floats:
    """e^x for x <= 0, to single precision."""
    return _in_blocks(lambda block: golden.exp(block.astype(np.float32)), x)


def log(x: Floats) -> Floats:
    """Natural logarithm of positive numbers, by `2 * atanh((m - 1) / (m + 1))` of the mantissa m around 1."""
    return _in_blocks(_log, x)


def _log(x: Floats) -> Floats:
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476
    mantissa, exponent = np.where(small, 2 * mantissa, mantissa), exponent - small
    s = (mantissa - 1) / (mantissa + 1)
    square, series = s * s, np.zeros_like(s)
    for term in range(_TERMS, -1, -1):
        series = series * square + 1 / (2 * term + 1)
    result: Floats = 2 * s * series + exponent * _LN2
    return result


def _in_blocks(function: Callable[[Floats], NDArray[np.floating]], x: Floats) -> Floats:
    """`function` of each element, in blocks whose intermediate results stay in the cache: three times as fast."""
    result, flat = np.empty(np.shape(x)), np.reshape(x, -1)
    for start in range(0, flat.size, _BLOCK):
        result.reshape(-1)[start : start + _BLOCK] = function(flat[start : start + _BLOCK])
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
    ids = ids[_descending(logits[ids])]
    probabilities = softmax(logits[ids])
    count = int(np.count_nonzero(probabilities))
    return ids[:count], probabilities[:count]


def largest(logits: Logits, count: int) -> NDArray[np.intp]:
    """The `count` tokens with the largest logits, the largest first (of equals the lower id).

    Sorts only those: a vocabulary has 150,000 tokens.
    """
    ids = _candidates(logits, count)
    values = logits[ids]
    place = max(0, len(ids) - count)
    least = np.partition(values, place)[place]
    above, equal = ids[values > least], ids[values == least]
    return np.concatenate([above[_descending(logits[above])], equal[: count - len(above)]])


def _candidates(logits: Logits, count: int) -> NDArray[np.intp]:
    """A few tokens, in order, that have all the `count` largest among them: those not below that many maxima."""
    groups = len(logits) // _GROUP
    if groups <= count:
        return np.arange(len(logits))
    maxima = logits[: groups * _GROUP].reshape(_GROUP, groups).max(axis=0)
    return np.flatnonzero(logits >= np.partition(maxima, groups - count)[groups - count])


def _descending(values: Logits) -> NDArray[np.intp]:
    """Places of `values` (n,), the largest first, of equals the lower place.

    Sorts integers of an order-preserving code and the place: ten times as fast as a stable sort of numbers.
    """
    bits = (values + np.float32(0)).view(np.int32)  # adding 0 leaves no negative one
    code = np.where(bits < 0, bits, ~bits & 0x7FFFFFFF).view(np.uint32)
    order = np.sort(code.astype(np.uint64) << np.uint64(32) | np.arange(len(code), dtype=np.uint64))
    return (order & np.uint64(0xFFFFFFFF)).astype(np.intp)


def keep(logits: Logits, ids: NDArray[np.intp]) -> Logits:
    """Forbid all tokens but `ids`, in place."""
    kept = logits[ids]
    logits.fill(-np.inf)
    logits[ids] = kept
    return logits


def _below_top(logits: NDArray[np.floating]) -> Floats:
    values: Floats = logits.astype(np.float64)
    return values - float(values.max())
