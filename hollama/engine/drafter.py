"""Guesses what an answer says next by looking up where its last tokens stood before. Knows no model and no sampler.

Saxena, 2023: "Prompt Lookup Decoding". A guess costs a row of the next step and is verified there.
"""

from __future__ import annotations

import numpy as np

from hollama.engine.tokens import Ids

MOST = 16  # guesses at once
_ALIKE = 3  # tokens that a place must share with the end
_LOOKED_AT = 12  # more tokens alike make no better guess
_MEMORY = 8  # guesses over which the odds are averaged


class Drafter:
    """Follows the answer token by token, and keeps count of how its guesses would have fared, made or not.

    So guesses cost nothing until the odds are good, and none are made any more as soon as they are not.
    """

    def __init__(self) -> None:
        self._place = 0  # where the next token may stood before; 0 for nowhere
        self._hit = False  # whether the last guess was right
        self._odds = {False: 0.2, True: 0.6}  # of the next one, by that

    def follow(self, window: Ids) -> None:
        """Learn that the last token of `window` was said."""
        if self._place:
            hit = bool(window[self._place] == window[-1])
            self._odds[self._hit] += (hit - self._odds[self._hit]) / _MEMORY
            self._hit = hit
            self._place += hit
        if not (self._place and self._hit):
            self._place = _same_before(window)

    def jump(self, window: Ids) -> None:
        """Learn that the window is another one."""
        self._place, self._hit = _same_before(window), False

    def guess(self, window: Ids, most: int, least: float) -> list[int]:
        """What may follow `window`: up to `most` tokens, as many as are right with a probability of `least`."""
        count, odds = 0, self._odds[self._hit]
        while count < most and odds >= least:
            count, odds = count + 1, odds * self._odds[True]
        return np.resize(window[self._place :], count).tolist() if self._place else []


def _same_before(window: Ids) -> int:
    """What follows the place that has most in common with the window's end, of equals the last; 0 if none has."""
    places = np.flatnonzero(window[:-1] == window[-1]) + 1
    for alike in range(1, _LOOKED_AT):
        longer = places[places > alike]
        longer = longer[window[longer - 1 - alike] == window[-1 - alike]]
        if not len(longer):
            return int(places[-1]) if alike >= _ALIKE else 0
        places = longer
    return int(places[-1])
