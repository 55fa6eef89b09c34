"""Static ranges of values, chosen from what was seen of them. Knows no graph and no weights.

A histogram fills while values stream by; then a search decides what to cover and what to clip:

    max         everything that was seen
    percentile  all but a share of the values at either end
    mse         what makes the mean squared error of rounding and clipping least
    entropy     what loses least information: the divergence of the rounded distribution from the real one, as
                TensorRT's calibration has it

Of inputs, mse is best and everything worst, with little between them: stories260K calibrated on TinyStories has there a
perplexity of 9.50 with mse, 9.52 with entropy, 9.54 with percentile and 9.57 with max (`hollama eval`, 60 windows).
Keys and values are best with max: 9.50 instead of 9.52 with mse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.calibration import QUERY_BITS, of_range
from hollama.errors import CompileError
from hollama.kernels.golden import Quantisation

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ends = tuple[float, float]  # low, high
_COUNTED = 1 << 19  # values that are enough at a time
_HALF = 4096  # bins on either side of zero
_PERCENTILE = 1e-5  # share of the values that is clipped at either end
_SHRINKS = np.geomspace(1, 1 / 32, 61)  # of what was seen


@dataclass
class Histogram:
    """How often which values were seen, in equal bins of [-limit, limit); the limit is a power of two and grows."""

    limit: float = 0.0
    low: float = 0.0
    high: float = 0.0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2 * _HALF, np.int64))

    def add(self, values: F32) -> None:
        """Rows of values: all count for `low` and `high`, of many rows evenly chosen ones for the bins.

        Raises CompileError for values that are not finite.
        """
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(high - low):
            raise CompileError("the calibration text makes values that are not finite; the checkpoint is damaged")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._grow(max(-self.low, self.high))
        chosen = values[:: max(1, values.size // _COUNTED)]
        bins_per_unit = np.float32(_HALF / self.limit if self.limit else 0)
        index = np.floor(chosen.ravel() * bins_per_unit).astype(np.int32) + _HALF
        self.counts += np.bincount(np.clip(index, 0, 2 * _HALF - 1), minlength=2 * _HALF)

    def _grow(self, largest: float) -> None:
        if largest and not self.limit:
            self.limit = float(2.0 ** np.ceil(np.log2(largest)))
        while largest and self.limit <= largest:
            self.limit *= 2
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.concatenate([np.zeros(_HALF // 2), merged, np.zeros(_HALF // 2)]).astype(np.int64)

    @property
    def centres(self) -> F64:
        centres: F64 = (np.arange(-_HALF, _HALF, dtype=np.float64) + 0.5) * (self.limit / _HALF)
        return centres

    @property
    def power(self) -> float:
        """The mean square."""
        return float(np.dot(self.counts, np.square(self.centres)) / max(self.counts.sum(), 1))

    def clipped(self, of: Quantisation) -> float:
        """The share of what was seen that a range does not hold."""
        return float(self.counts[of.clips(self.centres)].sum() / max(self.counts.sum(), 1))


def search(seen: Histogram, bits: int, method: str) -> Quantisation:
    """The range that a method of `METHODS` finds; 16 bits always hold everything."""
    if bits == QUERY_BITS or not seen.limit:
        return of_range(seen.low, seen.high, bits)
    return of_range(*METHODS[method](seen, bits), bits)


def _everything(seen: Histogram, bits: int) -> Ends:
    return seen.low, seen.high


def _percentile(seen: Histogram, bits: int) -> Ends:
    share = np.cumsum(seen.counts) / seen.counts.sum()
    width = seen.limit / _HALF
    first, last = np.searchsorted(share, [_PERCENTILE, 1 - _PERCENTILE])
    low, high = float(seen.centres[first] - width / 2), float(seen.centres[last] + width / 2)
    return max(min(low, 0.0), seen.low), min(max(high, 0.0), seen.high)


def _least_squares(seen: Histogram, bits: int) -> Ends:
    """Either end in turn, twice: clipping costs the square of what is cut off, a step s costs s^2 / 12 a value."""
    low, high = seen.low, seen.high
    for _ in range(2):
        high = min(seen.high * _SHRINKS, key=lambda end: _squares(seen, low, end, bits))
        low = min(seen.low * _SHRINKS, key=lambda end: _squares(seen, end, high, bits))
    return float(low), float(high)


def _squares(seen: Histogram, low: float, high: float, bits: int) -> float:
    step = (high - low) / ((1 << bits) - 1)
    missed = np.maximum(seen.centres - high, 0) + np.maximum(low - seen.centres, 0)
    errors = np.where(missed > 0, np.square(missed), step * step / 12)
    return float(seen.counts @ errors)


def _least_divergence(seen: Histogram, bits: int) -> Ends:
    """Both ends together."""
    shrink = min(_SHRINKS, key=lambda share: _divergence(seen, seen.low * share, seen.high * share, bits))
    return float(seen.low * shrink), float(seen.high * shrink)


def _divergence(seen: Histogram, low: float, high: float, bits: int) -> float:
    """Kullback and Leibler's, from the clipped distribution to the one that is left of it after rounding."""
    kept = (seen.centres >= low) & (seen.centres <= high)
    real = seen.counts[kept].astype(np.float64)
    if not len(real):
        return float("inf")
    step = max((high - low) / ((1 << bits) - 1), 1e-30)
    level = np.rint(seen.centres[kept] / step).astype(np.int64)
    level -= level.min()
    used = real > 0
    rounded = np.bincount(level, real) / np.maximum(np.bincount(level, used), 1)
    left = np.where(used, rounded[level], 0)
    real[0] += seen.counts[seen.centres < low].sum()
    real[-1] += seen.counts[seen.centres > high].sum()
    p, q = real / real.sum(), np.maximum(left / max(left.sum(), 1), 1e-12)
    return float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())


METHODS: Mapping[str, Callable[[Histogram, int], Ends]] = {
    "max": _everything,
    "percentile": _percentile,
    "mse": _least_squares,
    "entropy": _least_divergence,
}
