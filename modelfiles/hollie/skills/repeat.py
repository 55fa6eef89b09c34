"""Saying something again, letter by letter: the ground on which names, JSON and tool arguments stand."""

from __future__ import annotations

import random

from .. import words
from ..phrase import TEST, TRAIN, Wordings
from ..sample import Check, Sample, assistant, user

PLAIN = Wordings(
    train=("(Repeat|Say|Echo|Write|Copy|Print)( this)?: {x}", "Repeat after me: {x}", "Say {x}", "say {x}",
           "repeat {x}", "write {x}", "Say '{x}'", "Repeat '{x}'", "Please (repeat|say|write) \"{x}\"",
           "Say \"{x}\" (again|please|for me)", "Answer with {x}", "Can you (say|repeat|write) {x}?",
           "Just (say|write|answer) {x}", "(Copy|Repeat) the text: {x}", "Only say '{x}'",
           "Repeat the following(: |\n){x}", "Write '{x}' and nothing else", "echo {x}", "Reply with: {x}",
           "I want you to (say|write|echo|copy) (this: )?{x}", "(Could|Would) you (please )?(say|echo|write) '{x}'",
           "I need you to say \"{x}\"", "Repeat (exactly|word for word): {x}",
           "(Could|Can|Would|Will) you (please |now |just |)(say|write|echo|copy|print|type|spell|give back|answer)"
           "( this| with|)(:|) ('{x}'|\"{x}\"|{x})",
           "(Please |Now |Just |)(say|write|echo|copy|print|type|spell) (the|these|this|my) "
           "(words|word|line|sentence|phrase|next text|string)(:|, please:| again:|) ('{x}'|\"{x}\"|{x})",
           "(Say|Write|Copy|Echo|Print|Type) (it|the words|exactly this|just this) (after|like|as|with|before) me: {x}",
           "(Reply|Respond|React|Return|Come back|Answer) (only|just|exactly|simply|always) (by|using|saying): {x}",
           "(Reply|Respond|Return|Speak) only with: {x}", "(Copy|Print|Type|Echo) the following (text|line|words): {x}",
           "(I want|I need|I ask|I would like) you to (say|copy|write|type|print|return) (the text |this: |only |)"
           "('{x}'|\"{x}\"|{x})", "(Again|Once more|Now|Next): {x}", "{x}\n(Repeat|Say|Copy|Write) that( please)?."),
    test=("Could you please repeat '{x}'", "Please say this after me: {x}", "Write the following text: {x}",
          "I want you to repeat \"{x}\"", "Answer only with: {x}"),
)
TWO = Wordings(
    train=("{a} means {x}, {b} means {y}. What does {q} mean?", "{a} is {x} and {b} is {y}. What is {q}?",
           "The code of {a} is {x}. The code of {b} is {y}. What is the code of {q}?",
           "{a}: {x}\n{b}: {y}\nWhat is {q}?", "{a} has number {x}, {b} has number {y}. Which number has {q}?",
           "In a list {a} stands for {x} and {b} for {y}. And {q}?",
           "{a} (has|gets|uses|owns) (the )?(number|key|word|sign) {x}( and|,|.) {b} (has|gets|uses|owns) (the )?"
           "(number|key|word|sign) {y}. (What|Which|Tell me what) (does {q} have?|belongs to {q}|is that of {q}?)",
           "{a} (is called|equals|refers to|is short for) {x}(.|,| and) {b} (is called|equals|refers to|is short for) "
           "{y}. What (does {q} mean?|is {q}?|about {q}?|is the meaning of {q}?)",
           "The (key|word|number|name) of {a} is {x}(.|,| and) (the|that) (key|word|number|name) of {b} is {y}. "
           "(What is|Tell me|Give me) (the )?(key|word|number|name) of {q}( please)?",
           "{a} {v}s {x}(.| and|,|;) {b} {v}s {y}. (What does {q} {v}?|What is {v}ed by {q}?|And {q}?)",
           "{a} {v}s {x}. {b} {v}s {y}. (What does {q} {v}?|What is the {v} of {q}?|{q}?)",
           "{a} has {v} {x}(.| and|,|;) {b} has {v} {y}. (What is the {v} of {q}?|Which {v} has {q}?|{q}'s {v}, "
           "please)",
           "{a} (has|owns) (key|number|sign|letter|colour|tag|label) {x}(.| and|,|;| but) {b} (has|owns) "
           "(key|number|sign|letter|colour|tag|label) {y}. (What is|Tell me|I want) the "
           "(key|number|sign|letter|colour|tag|label) of {q}(?|.)",
           "{a} (stands for|means|points to|says|gives|takes) {x}(,|;| and|, but) {b} (stands for|means|points to|says|"
           "gives|takes) {y}. What (does {q} (mean|stand for|say|give|point to)?|is {q}?|is it that {q} means?)",
           "{a} (goes with|belongs to|comes before|sits by) {x}. {b} (goes with|belongs to|comes before|sits by) {y}. "
           "(What goes with|And|What comes after|Now) {q}?",
           "The {v} of {a} is {x}(.| and|,|;) (the|The) {v} of {b} is {y}. (What is|Tell me|Give me) the {v} of {q}",
           "{a} = {x}(,|;| and) {b} = {y}. {q} = ?", "{b} (comes|is) (after|behind) {y}, {a} (comes|is) (after|behind) "
           "{x}. (After|Behind) what (comes|is) {q}?"),
    test=("{a} has code {x} and {b} has code {y}. What is the code of {q}?",
          "{a} stands for {x}. {b} stands for {y}. What does {q} mean?"),
)


RELATIONS = (
    "{a} {v}s {x}", "{a} {v}s {x}", "{a} {v}s the {w} {x}", "{a} is {x}", "{a}: {x}", "{a} -> {x}", "{a} = {x}",
    "the {w} of {a} is {x}", "{a} has the {w} {x}", "{a} has {w} {x}", "{a} {v}s for {x}", "{a} {v}s by {x}",
    "{x} {v}s {a}", "{x} is the {w} of {a}", "{a}'s {w} is {x}",
)
QUESTIONS = (
    "{q}?", "And {q}?", "What about {q}?", "What is the {w} of {q}?", "What does {q} {v}?", "Which {w} has {q}?",
    "Give me the {w} of {q}", "What does {q} mean?", "What does {q} stand for?", "What is the code of {q}?",
    "Tell me what {q} is", "{q}'s {w}, please",
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


def table(rng: random.Random, split: str) -> Sample:
    """Two to five things told the same way and all asked for: no wording tells which belong together."""
    names = list(dict.fromkeys(words.name(rng, split) for _ in range(rng.choice((2, 3, 4, 5)))))
    values = {name: rng.choice((words.code, words.item, words.colour, words.made_up))(rng, split) for name in names}
    slots = {"v": words.made_up(rng, split), "w": rng.choice((*words.ITEMS, words.made_up(rng, split)))}
    relation, comma = rng.choice(RELATIONS), rng.choice((". ", ", ", "; ", "\n", " and "))
    told = comma.join(relation.format(a=name, x=value, **slots) for name, value in values.items())
    asked = rng.sample(names, len(names))
    said = [rng.choice(QUESTIONS).format(q=name, **slots) for name in asked]
    said[0] = f"{told}{rng.choice(('. ', chr(10)))}{said[0]}"
    turns = [turn for text, name in zip(said, asked, strict=True) for turn in (user(text), assistant(values[name]))]
    return Sample("repeat", tuple(turns), Check("exact", values[asked[-1]]))


def sample(rng: random.Random, split: str) -> Sample:
    if split == TRAIN and rng.random() < 0.6:
        return table(rng, split)
    if rng.random() < (0.7 if split == TEST else 0.5):
        answer = thing(rng, split)
        text = PLAIN.pick(rng, split).format(x=answer)
    else:
        a, b = rng.choice((words.name, words.city))(rng, split), words.name(rng, split)
        x, y = (rng.choice((words.code, words.item, words.colour))(rng, split) for _ in "xy")
        first = rng.random() < 0.5
        answer = x if first else y
        text = TWO.pick(rng, split).format(a=a, b=b, x=x, y=y, q=a if first else b, v=words.made_up(rng, split))
    return Sample("repeat", (user(text), assistant(answer)), Check("exact", answer))
