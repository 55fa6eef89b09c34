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
SIMILAR = {  # a word, and what may stand in its place; _ is a space
    "a": "my this the any one some that another", "an": "my this the any some that", "the": "this my that our a your",
    "my": "the this our a that", "this": "the that my", "me": "us", "i": "we you", "model": "model model models",
    "make": "build create write produce prepare", "build": "make create write", "add": "put bring include",
    "see": "view check read find know get look_at", "show": "print display give see",
    "find": "see discover look_for get", "change": "set alter edit adjust modify switch",
    "set": "change give choose alter put", "list": "print show see view", "use": "work_with try take call apply have",
    "connect": "link attach join hook_up combine", "get": "find have obtain see",
    "start": "launch begin run bring_up open", "run": "start launch execute use", "delete": "remove erase drop kill",
    "remove": "delete erase drop throw_away", "stop": "end halt quit unload", "copy": "clone duplicate",
    "call": "use invoke", "check": "test inspect look_at see", "import": "load add bring_in use", "which": "what",
    "what": "which what_exactly", "can": "could may will would", "tell": "say give show", "want": "need wish ask_for",
    "need": "want require ask_for", "support": "know have speak offer",
    "hollama": "hollama this_program it hollama_here", "it": "hollama this_program this",
    "how": "how_exactly in_what_way", "is": "is was", "really": "very quite truly", "good": "great fine nice",
    "bad": "poor", "work": "run function go", "faster": "quicker", "bigger": "larger greater",
    "smarter": "better cleverer", "folder": "directory place", "are": "were are", "server": "server service machine",
    "from": "out_of from", "with": "using by with",
}
AFTER = ("now", "right now", "here", "today", "with hollama", "in hollama", "on my computer", "myself", "at all",
         "then", "by hand", "for me", "at home", "on this machine", "once more", "quickly")
BEFORE = ("tell me,", "so tell me,", "i ask you,", "my question:", "one question,", "one more thing,", "now", "then",
          "listen,", "oh,", "hm,", "hello,", "but", "also,", "yes,", "sorry,", "look,")


def expand(pattern: str, rng: random.Random) -> str:
    """One text of the pattern, with every choice made and spaces closed up."""

    def choose(match: re.Match[str]) -> str:
        options = match[1].split("|") + ([""] if match[2] else [])
        return rng.choice(options)

    while "(" in pattern and (after := INNERMOST.sub(choose, pattern)) != pattern:
        pattern = after
    return re.sub(r" +", " ", pattern).strip()


def loosened(text: str, rng: random.Random, held: frozenset[str]) -> str:
    """The text in similar words, now and then with some before or after it; as it was where that would be held out."""
    if rng.random() < 0.3:
        return text
    share = rng.choice((0.0, 0.2, 0.4))
    swapped = [
        rng.choice(SIMILAR[word].split()).replace("_", " ") if word in SIMILAR and rng.random() < share else word
        for word in text.split()
    ]
    before = [rng.choice(BEFORE)] if rng.random() < 0.15 else []
    after = [rng.choice(AFTER)] if rng.random() < 0.15 else []
    made = " ".join([*before, *swapped, *after])
    return text if made.lower() in held or " ".join(swapped).lower() in held else made


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
