"""Keeps the surprise of the text near a target (Basu et al., 2020, arXiv:2007.14966), in place of fixed cuts.

While it is on, top-k, typical-p, top-p and min-p are off, as in llama.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.interfaces import Logits, Sampler, SamplerContext, SamplerSpec
from hollama.sampling.options import integer, number
from hollama.sampling.probabilities import Floats, exp, keep, log, ranked, total

_LN2 = 0.6931471805599453
_FITTED = 100  # tokens that version 1 fits Zipf's law to


class Mirostat:
    """`mu` is the surprise, in bits, up to which tokens are kept; what is drawn moves it towards `tau`."""

    def __init__(self, version: int, tau: float, eta: float) -> None:
        self.mu = 2 * tau
        self._version, self._tau, self._eta = version, tau, eta
        self._ids: NDArray[np.intp] = np.empty(0, np.intp)
        self._probabilities: Floats = np.empty(0)

    def apply(self, logits: Logits) -> Logits:
        ids, probabilities = ranked(logits)
        count = _zipf_count(probabilities, self.mu) if self._version == 1 else _count(probabilities, self.mu)
        self._ids, kept = ids[:count], probabilities[:count]
        self._probabilities = kept / total(kept)
        return keep(logits, self._ids)

    def accept(self, token: int) -> None:
        for probability in self._probabilities[self._ids == token]:
            self.mu -= self._eta * (-float(log(probability)) / _LN2 - self._tau)

    def reset(self) -> None:
        self.mu = 2 * self._tau

    def clone(self) -> Mirostat:
        other = Mirostat(self._version, self._tau, self._eta)
        other.mu, other._ids, other._probabilities = self.mu, self._ids, self._probabilities
        return other


def version(options: Mapping[str, Any]) -> int:
    """1 or 2, and 0 where mirostat is off."""
    wanted = integer(options, "mirostat", 0)
    return wanted if wanted in (1, 2) else 0


def build(context: SamplerContext) -> Sampler | None:
    tau = number(context.options, "mirostat_tau", 5.0)
    eta = number(context.options, "mirostat_eta", 0.1)
    return Mirostat(version(context.options), tau, eta) if version(context.options) else None


def _count(probabilities: Floats, mu: float) -> int:
    """Version 2: as many as surprise by at most `mu` bits, one at least."""
    return max(1, int(np.searchsorted(-log(probabilities) / _LN2, mu, side="right")))


def _zipf_count(probabilities: Floats, mu: float) -> int:
    """Version 1: as many as would surprise by `mu` bits at most if the probabilities followed Zipf's law.

    k = (e * 2^mu / (1 - n^-e))^(1/s) with s the fitted exponent and e = s - 1, worked out in logarithms.
    """
    size = len(probabilities)
    if size < 2:
        return size
    ranks = np.arange(1, min(_FITTED, size), dtype=np.float64)
    steps = log((ranks + 1) / ranks)
    falls = log(probabilities[: len(ranks)] / probabilities[1 : len(ranks) + 1])
    s = total(steps * falls) / total(steps * steps)
    e = s - 1
    if s <= 0 or abs(e) < 1e-6:
        return size
    ln_n = float(log(np.asarray(float(size))))
    shrunk = float(exp(np.asarray(-abs(e) * ln_n)))  # n^-|e|
    # for e < 0 both numerator and denominator change sign: |e| / (n^|e| - 1) = |e| * n^-|e| / (1 - n^-|e|)
    ln_k = float(log(np.asarray(abs(e) / (1 - shrunk)))) + mu * _LN2 + (e * ln_n if e < 0 else 0.0)
    return max(1, int(size * float(exp(np.asarray(min(ln_k / s, ln_n) - ln_n)))))


OPTIONS = ("mirostat", "mirostat_tau", "mirostat_eta")
SPEC = SamplerSpec("mirostat", 700, build, OPTIONS, "mirostat (1 or 2), mirostat_tau, mirostat_eta: steady surprise")
