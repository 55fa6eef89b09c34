"""Saying something again, letter by letter: the ground on which names, JSON and tool arguments stand."""

from __future__ import annotations

import random

from .. import words
from ..phrase import Wordings
from ..sample import Check, Sample, assistant, user

PLAIN = Wordings(
    train=("(Repeat|Say|Echo|Write|Copy|Print)( this)?: {x}", "Repeat after me: {x}", "Say {x}", "say {x}",
           "repeat {x}", "write {x}", "Say '{x}'", "Repeat '{x}'", "Please (repeat|say|write) \"{x}\"",
           "Say \"{x}\" (again|please|for me)", "Answer with {x}", "Can you (say|repeat|write) {x}?",
           "Just (say|write|answer) {x}", "(Copy|Repeat) the text: {x}", "Only say '{x}'",
           "Repeat the following(: |\n){x}", "Write '{x}' and nothing else", "echo {x}", "Reply with: {x}",
           "I want you to (say|write|echo|copy) (this: )?{x}", "(Could|Would) you (please )?(say|echo|write) '{x}'",
           "I need you to say \"{x}\"", "Repeat (exactly|word for word): {x}"),
    test=("Could you please repeat '{x}'", "Please say this after me: {x}", "Write the following text: {x}",
          "I want you to repeat \"{x}\"", "Answer only with: {x}"),
)
TWO = Wordings(
    train=("{a} means {x}, {b} means {y}. What does {q} mean?", "{a} is {x} and {b} is {y}. What is {q}?",
           "The code of {a} is {x}. The code of {b} is {y}. What is the code of {q}?",
           "{a}: {x}\n{b}: {y}\nWhat is {q}?", "{a} has number {x}, {b} has number {y}. Which number has {q}?",
           "In a list {a} stands for {x} and {b} for {y}. And {q}?",
           "{a} (has|gets|uses|owns) (the )?(number|key|word|sign) {x}( and|,|.) {b} (has|gets|uses|owns) (the )?"
           "(number|key|word|sign) {y}. (What|Which|Tell me what) (does {q} have|belongs to {q}|is that of {q})?",
           "{a} (is called|equals|refers to|is short for) {x}(.|,| and) {b} (is called|equals|refers to|is short for) "
           "{y}. What (does {q} mean|is {q}|about {q}|is the meaning of {q})?",
           "The (key|word|number|name) of {a} is {x}(.|,| and) (the|that) (key|word|number|name) of {b} is {y}. "
           "(What is|Tell me|Give me) (the )?(key|word|number|name) of {q}( please)?"),
    test=("{a} has code {x} and {b} has code {y}. What is the code of {q}?",
          "{a} stands for {x}. {b} stands for {y}. What does {q} mean?"),
)


def thing(rng: random.Random, split: str) -> str:
    """Anything that can be said again."""
    kind = rng.random()
    if kind < 0.55:
        return words.phrase(rng, split, 1, 5)
    if kind < 0.7:
        return words.code(rng, split)
    if kind < 0.76:
        return words.made_up(rng, split)
    return rng.choice((words.full_name, words.city, words.email, words.date, words.clock))(rng, split)


def sample(rng: random.Random, split: str) -> Sample:
    if rng.random() < 0.7:
        answer = thing(rng, split)
        text = PLAIN.pick(rng, split).format(x=answer)
    else:
        a, b = rng.choice((words.name, words.city))(rng, split), words.name(rng, split)
        x, y = (rng.choice((words.code, words.item, words.colour))(rng, split) for _ in "xy")
        first = rng.random() < 0.5
        answer = x if first else y
        text = TWO.pick(rng, split).format(a=a, b=b, x=x, y=y, q=a if first else b)
    return Sample("repeat", (user(text), assistant(answer)), Check("exact", answer))
