"""Makes tokens of the recent text less likely, prompt included."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hollama.errors import RequestError
from hollama.interfaces import Logits, Sampler, SamplerContext, SamplerSpec
from hollama.sampling.options import integer, number

_LARGEST = float(np.finfo(np.float32).max)  # a logit may be pushed to the end of the line, but not off it


@dataclass(frozen=True)
class Strength:
    """`repeat` divides a logit (multiplies one below zero), `frequency` is taken off per use, `presence` once."""

    repeat: float
    frequency: float
    presence: float


class Penalties:
    def __init__(self, strength: Strength, last: int, prompt: Iterable[int]) -> None:
        self._strength = strength
        self._recent = deque(prompt, maxlen=last)
        self._prompt = tuple(self._recent)

    def apply(self, logits: Logits) -> Logits:
        tokens, counts = np.unique(np.array(self._recent, np.intp), return_counts=True)
        values = logits[tokens].astype(np.float64)
        values = np.where(values > 0, values / self._strength.repeat, values * self._strength.repeat)
        values = values - counts * self._strength.frequency - self._strength.presence
        forbidden = logits[tokens] == -np.inf
        logits[tokens] = np.where(forbidden, -np.inf, np.clip(values, -_LARGEST, _LARGEST))
        return logits

    def accept(self, token: int) -> None:
        self._recent.append(token)

    def reset(self) -> None:
        self._recent.clear()
        self._recent.extend(self._prompt)

    def clone(self) -> Penalties:
        other = Penalties(self._strength, self._recent.maxlen or 0, self._prompt)
        other._recent.extend(self._recent)
        return other


def build(context: SamplerContext) -> Sampler | None:
    options = context.options
    last = integer(options, "repeat_last_n", 64)
    names = (("repeat_penalty", 1.0), ("frequency_penalty", 0.0), ("presence_penalty", 0.0))
    strength = Strength(*(number(options, name, default) for name, default in names))
    if last < -1:
        raise RequestError(f'option "repeat_last_n" is {last}; expected a number of tokens, 0 for none or -1 for all')
    if strength.repeat <= 0:
        raise RequestError(f'option "repeat_penalty" is {strength.repeat}; expected more than 0, and 1 for no penalty')
    if last == 0 or strength == Strength(1, 0, 0):
        return None
    return Penalties(strength, context.context if last < 0 else min(last, context.context), context.prompt)


OPTIONS = ("repeat_last_n", "repeat_penalty", "frequency_penalty", "presence_penalty")
HELP = "repeat_penalty, frequency_penalty, presence_penalty over repeat_last_n"
SPEC = SamplerSpec("penalties", 100, build, OPTIONS, HELP)
