"""Sums, differences and products of small numbers, bare or told as a little story. The answer repeats the sum.

Pairs of + and - are held out by their spelling; the products are all trained, as they can only be known by heart.
"""

from __future__ import annotations

import random

from .. import words
from ..phrase import TEST, Wordings, held_out, rough
from ..sample import Check, Sample, assistant, user

BARE = Wordings(
    train=("what is {sum}", "what's {sum}", "how much is {sum}", "calculate {sum}", "compute {sum}", "{sum}",
           "{sum} =", "{sum} = ?", "can you (calculate|compute) {sum}", "tell me {sum}", "solve {sum}",
           "what do you get for {sum}", "work out {sum}", "i need to know {sum}", "give me {sum}", "{sum} is what",
           "do you know {sum}", "what does {sum} give", "add it up: {sum}",
           "what is the (result|answer|value) of {sum}", "question: {sum}", "(quick|easy) question: what is {sum}",
           "math: {sum}", "(please )?(tell|show|give) me (what {sum} (is|gives|makes)|the (value|result) of {sum})",
           "what (do|would) i get (for|from) {sum}", "i want to (know|find out) (what is )?{sum}",
           "can you (say|work out) (what is )?{sum}"),
    test=("please work out the value of {sum}", "can you tell me what {sum} is",
          "what do i get if i calculate {sum}", "how much do you get for {sum}", "i want to know the result of {sum}"),
)
SPELT = {
    "+": Wordings(
        ("what is the sum of {a} and {b}", "add {a} and {b}", "add {b} to {a}", "what is {a} and {b} together",
         "(what is )?{a} plus {b}", "(give me|find|compute) the sum of {a} and {b}",
         "what (do|would) {a} and {b} make( together)?"),
        ("tell me the sum of {a} and {b}", "how much is {a} and {b} together"),
    ),
    "-": Wordings(
        ("what is the difference of {a} and {b}", "subtract {b} from {a}", "take {b} from {a}",
         "take {b} away from {a}", "(what is )?{a} minus {b}",
         "(give me|find|compute) the difference (of|between) {a} and {b}",
         "what (is left|remains|do i get) if (i|you) (subtract|remove|take) {b} from {a}"),
        ("tell me the difference of {a} and {b}", "what do i get if i take {b} away from {a}"),
    ),
    "*": Wordings(
        ("what is the product of {a} and {b}", "multiply {a} and {b}", "multiply {a} by {b}",
         "multiply {a} with {b}", "(what is )?{a} times {b}", "(give me|find|compute) the product of {a} and {b}",
         "what is {a} multiplied (by|with) {b}"),
        ("tell me the product of {a} and {b}", "how much is {a} multiplied by {b}"),
    ),
}
SIGNS = {"+": ("+", "+", " + ", " + ", " plus "), "-": ("-", " - ", " - ", " minus "), "*": ("*", " * ", " x ",
    " times ")}
STORIES = {
    "+": Wordings(
        ("{n} has {a} {x}s and (buys|gets|finds) {b} more. How many {x}s does {n} have( now)?",
         "{n} has {a} {x}s. {m} gives {n} {b} more. How many {x}s has {n}( now)?",
         "There are {a} {x}s in a box. {n} puts {b} more in. How many {x}s are in the box?",
         "{n} has {a} {x}s and {m} has {b}. How many {x}s do they have together?",
         "{n} bought {a} {x}s on Monday and {b} on Tuesday. How many {x}s is that?",
         "{n} (owns|holds|carries|keeps) {a} {x}s and (buys|gets|finds|takes) {b} (more|others). How many( {x}s)? "
         "(is that|does {n} have|are there)( now)?",
         "In a (bag|basket|drawer|room) (are|lie) {a} {x}s( and|.) {n} (adds|brings|puts) {b} more( in)?. How many "
         "{x}s "
         "(is that|are there|are in it)( now)?"),
        ("{n} owns {a} {x}s and buys {b} more {x}s. How many {x}s does {n} have now?",
         "In a box are {a} {x}s and {n} puts {b} more in. How many {x}s is that?"),
    ),
    "-": Wordings(
        ("{n} has {a} {x}s and (loses|sells|gives away) {b}. How many {x}s (are left|does {n} have left)?",
         "{n} has {a} {x}s. {n} gives {b} to {m}. How many {x}s (are left|does {n} have left|remain)?",
         "There are {a} {x}s in a box. {n} takes {b} out. How many {x}s (are left|remain)?",
         "{n} had {a} {x}s, but {b} broke. How many {x}s are left?",
         "{n} (owns|holds|has) {a} {x}s and (loses|gives|sends|lends) {b} (of them )?(to {m})?. How many {x}s "
         "(are left|remain|does {n} still have)?",
         "In a (bag|basket|drawer|room) (are|lie) {a} {x}s( and|.) {n} (takes|carries|brings) {b} (out|off|home). How "
         "many {x}s (are left|remain|are in it)( now)?"),
        ("{n} has {a} {x}s and sells {b} of them to {m}. How many {x}s does {n} have left?",
         "In a box are {a} {x}s and {n} takes {b} away. How many {x}s are left?"),
    ),
    "*": Wordings(
        ("{n} has {a} boxes with {b} {x}s each. How many {x}s (are there|does {n} have|is that)?",
         "{n} buys {a} bags of {b} {x}s. How many {x}s (are there|does {n} have|is that)?",
         "There are {a} boxes. Each holds {b} {x}s. How many {x}s are there( in all)?",
         "{n} (has|gets|sells) {a} (bags|boxes|crates), (each|every) (one|bag|box|crate) (has|holds) {b} "
         "{x}s. How many {x}s (is that|are there)?"),
        ("{n} buys {a} boxes. Each box holds {b} {x}s. How many {x}s is that?",),
    ),
}
LISTS = Wordings(
    ("{sums}", "{sums} =", "calculate {sums}", "compute: {sums}", "what is {sums}", "solve {sums}", "sums: {sums}"),
    ("work these out: {sums}", "how much are {sums}"),
)
COUNTED = words.listed(
    "apple book lamp chair table pen cup bottle phone bag hat shirt clock ball bike knife spoon ticket plate ring "
    "sock jar mug"
)


def solved(a: int, sign: str, b: int) -> int:
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def numbers(rng: random.Random, split: str, story: bool) -> tuple[int, str, int]:
    """Two operands and the sign between them; stories never go below zero."""
    sign = rng.choice("++--*")
    while True:
        top = 10 if sign == "*" else 20 if rng.random() < 0.65 else 99
        low = 2 if story else 0
        a, b = rng.randint(low, top), rng.randint(low, top)
        if sign == "-" and a < b and (story or rng.random() < 0.85):
            a, b = b, a
        if sign == "*" or held_out(f"{a}{sign}{b}") == (split == TEST):
            return a, sign, b


def question(rng: random.Random, split: str) -> tuple[str, int, str, int]:
    """A bare question with its operands and sign."""
    a, sign, b = numbers(rng, split, story=False)
    if rng.random() < 0.25:
        return rough(SPELT[sign].pick(rng, split).format(a=a, b=b), rng), a, sign, b
    text = BARE.pick(rng, split).format(sum=f"{a}{rng.choice(SIGNS[sign])}{b}")
    return rough(text, rng), a, sign, b


def equation(a: int, sign: str, b: int) -> str:
    return f"{a} {sign} {b} = {solved(a, sign, b)}"


def story(rng: random.Random, split: str) -> tuple[str, int, str, int]:
    """A word problem with its operands and sign."""
    a, sign, b = numbers(rng, split, story=True)
    names = {"n": words.name(rng, split), "m": words.name(rng, split), "x": rng.choice(COUNTED)}
    return STORIES[sign].pick(rng, split).format(a=a, b=b, **names), a, sign, b


def several(rng: random.Random, split: str) -> Sample:
    """A list of sums, answered line by line: the same practice with fewer words around it."""
    sums = [numbers(rng, split, story=False) for _ in range(rng.randint(2, 3))]
    form, comma = rng.choice(("{}{}{}", "{} {} {}")), rng.choice((", ", "\n", "; "))
    text = LISTS.pick(rng, split).format(sums=comma.join(form.format(*numbers) for numbers in sums))
    return Sample("arithmetic", (user(text), assistant("\n".join(equation(*numbers) for numbers in sums))),
                  Check("exact", "\n".join(equation(*numbers) for numbers in sums)))


def sample(rng: random.Random, split: str) -> Sample:
    if rng.random() < (0.25 if split == "train" else 0.05):
        return several(rng, split)
    text, *numbers = (question if rng.random() < 0.7 else story)(rng, split)
    return Sample("arithmetic", (user(text), assistant(equation(*numbers))), Check("number", solved(*numbers)))
