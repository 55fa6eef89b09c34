"""Wordings: a tiny pattern language, and the split of wordings and fillers into those trained on and those held out.

`(a|b|)` is a choice, choices nest, and `(word)?` may be left out. Which fillers are held out depends on their spelling
alone, so that every skill and every seed agrees. It knows no skill.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

INNERMOST = re.compile(r"\(([^()]*)\)(\??)")
TRAIN, TEST = "train", "test"


def expand(pattern: str, rng: random.Random) -> str:
    """One text of the pattern, with every choice made and spaces closed up."""

    def choose(match: re.Match[str]) -> str:
        options = match[1].split("|") + ([""] if match[2] else [])
        return rng.choice(options)

    while "(" in pattern and (after := INNERMOST.sub(choose, pattern)) != pattern:
        pattern = after
    return re.sub(r" +", " ", pattern).strip()


def held_out(filler: object) -> bool:
    """Whether this name, word or number belongs to the evaluation only: one in eight, by its spelling."""
    return zlib.crc32(str(filler).lower().encode()) % 8 == 0


@dataclass(frozen=True)
class Wordings:
    """Patterns to train on and patterns held out for the evaluation."""

    train: Sequence[str]
    test: Sequence[str]

    def pick(self, rng: random.Random, split: str) -> str:
        return expand(rng.choice(self.train if split == TRAIN else self.test), rng)


def fillers(words: Sequence[str], split: str) -> list[str]:
    """The words that the split may use; a list too short to have held-out words is used whole."""
    kept = [word for word in words if held_out(word) == (split == TEST)]
    return kept or list(words)


def rough(text: str, rng: random.Random) -> str:
    """The text as people type it: sometimes without a capital, a question mark or manners."""
    if rng.random() < 0.5:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.12:
        text = rng.choice(("please ", "hey, ", "hi, ", "ok, ", "so ", "Please ", "Hey, ", "And ", "well, ")) + text
    if text[-1:].isalnum():
        text += rng.choice(("", "", ".", "?", "?", " please", "!", ", please"))
    return text
