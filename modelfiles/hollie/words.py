"""Fillers: names, places and things to put into wordings, most of them made up on the spot.

A small model learns to copy only if it cannot learn all words by heart, so some names are random syllables.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

from .phrase import TEST, fillers, held_out

Filler = Callable[[random.Random, str], str]


def listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = listed(
    "Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Karin Leo Maria Nora Oscar Paula Quinn Rosa Simon Tina "
    "Uwe Vera Walter Xenia Yusuf Zoe Alice Bob Carol Dan Eve Frank Grace Henry Isabel Jack Kate Liam Mia Noah "
    "Olivia Peter Ruth Sam Tom Ursula Victor Wendy Adam Bella Chris Diana Eric Fiona George Hannah Ivan Julia Kevin "
    "Laura Max Nina Otto Petra Ralf Sara Theo Uma Vincent Willa Ada Boris Chloe Dora Emil Frida Gina Hans Iris Jan "
    "Klara Lars Mona Nils Olga Pablo Rita Sven Tara Udo Viola Wim Aisha Bruno Carlos Dalia Elena Farid Gita Hiro "
    "Indira Jamal Kofi Lena Mehmet Nadia Omar Priya Rafael Sofia Tariq Yara Zara Aaron Beth Colin Daisy Edgar Flora "
    "Gavin Holly Ian Jenny Keith Linda Martin Nancy Oliver Penny Robert Susan Tim Violet William Amy Brian Cathy "
    "Derek Ellen Fred Gloria Harry Irene James Kim Lucy Mark"
)
CITIES = listed(
    "Paris London Berlin Madrid Rome Vienna Prague Oslo Stockholm Helsinki Dublin Lisbon Athens Warsaw Budapest "
    "Zurich Munich Hamburg Cologne Milan Naples Turin Lyon Nice Porto Seville Bilbao Bern Basel Geneva Tokyo Osaka "
    "Kyoto Seoul Beijing Shanghai Delhi Mumbai Cairo Lagos Nairobi Accra Tunis Boston Chicago Denver Dallas Seattle "
    "Toronto Montreal Lima Quito Bogota Havana Sydney Perth Auckland Dubai Doha Ankara Istanbul Moscow Kyiv Riga "
    "Tallinn Vilnius Brussels Antwerp Ghent Rotterdam Utrecht Glasgow Leeds Bristol York Oxford Bath Jena Ulm Bonn "
    "Graz Linz Salzburg Haifa"
)
COLOURS = listed(
    "red blue green yellow orange purple pink black white brown grey violet turquoise silver gold beige"
)
JOBS = listed(
    "teacher doctor baker nurse pilot farmer painter driver lawyer engineer singer cook dentist writer plumber "
    "judge gardener tailor barber chemist actor butcher sailor waiter carpenter programmer"
)
ITEMS = listed(
    "apple book lamp chair table pen cup bottle phone bag hat shirt clock ball bike knife spoon mirror towel "
    "blanket candle camera guitar ladder hammer bucket basket pillow carpet kettle plate wallet umbrella ticket "
    "cable battery mouse keyboard screen printer helmet jacket scarf glove shoe sock ring drum tent rope box brush "
    "comb jar mug vase"
)
FOODS = listed(
    "pizza pasta rice soup bread cheese salad fish chicken curry sushi cake chocolate beans eggs noodles apples "
    "bananas carrots potatoes tomatoes grapes pancakes waffles honey yogurt nuts cookies"
)
PETS = listed("dog cat rabbit horse parrot hamster turtle goldfish snake duck")
HOSTS = listed("example mail home work post web office school shop club")
MONTHS = listed("January February March April May June July August September October November December")
DAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
WORDS = listed(
    "river stone light forest cloud garden window silver winter summer morning night bridge paper music silent "
    "happy small quick brown fox jumps over lazy dog red moon star tree house water fire wind road city bird song "
    "green field snow rain deep long old new bright cold warm open door table walks sings reads writes runs sleeps "
    "under near behind with from the a my your our this that every one two three blue golden gentle quiet loud soft "
    "hard sharp round flat early late"
)
ONSETS = listed(
    "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl fr gl gr kl kr pl pr qu sh sk sl sn sp st th tr"
)
VOWELS = listed("a a a e e e i i i o o o u u y ai ea ee ia ie io oa oo ou")
CODAS = listed("n r l s t m k d x th nd rk st ck sh ng lt mp")
KNOWN = tuple(word.lower() for word in (*NAMES, *CITIES, *COLOURS, *JOBS, *ITEMS, *FOODS, *PETS, *MONTHS, *WORDS))
STRANGER = 0.2  # of the names trained are made up beyond those of the evaluation: copying needs practice


def syllables(rng: random.Random, low: int = 1, high: int = 2) -> str:
    """A lower-case word of made-up syllables."""
    made = ""
    for _ in range(rng.randint(low, high)):
        made += rng.choice(ONSETS) * (rng.random() < 0.9) + rng.choice(VOWELS)
        made += rng.choice(CODAS) * (rng.random() < 0.35)
    return made if len(made) > 2 else made + rng.choice(CODAS) + rng.choice("aeio")


def spliced(rng: random.Random) -> str:
    """The beginning of one word and the end of another, or a word alone."""
    left, right = rng.choices(KNOWN, k=2)
    return left[: rng.randint(2, 5)] + right[rng.randint(1, len(right) - 1) :] if len(right) > 1 else left


def made_up(rng: random.Random, split: str) -> str:
    """A made-up lower-case word of the split."""
    share = 0.0 if split == TEST else 0.4
    while held_out(word := spliced(rng) if rng.random() < share else syllables(rng)) != (split == TEST):
        pass
    return word


def _known(words: tuple[str, ...], share: float) -> Filler:
    lists = {"train": fillers(words, "train"), "test": words}  # a name that is held out, among known ones

    def pick(rng: random.Random, split: str) -> str:
        if rng.random() < share - STRANGER * (split != TEST):
            return rng.choice(lists[split])
        word = made_up(rng, split)
        return word.capitalize() if words[0][0].isupper() else word

    return pick


name = _known(NAMES, 0.9)
city = _known(CITIES, 0.93)
colour = _known(COLOURS, 0.97)
job = _known(JOBS, 0.95)
item = _known(ITEMS, 0.93)
food = _known(FOODS, 0.95)
pet = _known(PETS, 0.97)


def full_name(rng: random.Random, split: str) -> str:
    return name(rng, split) if rng.random() < 0.85 else f"{name(rng, split)} {name(rng, split)}"


def email(rng: random.Random, split: str) -> str:
    end = rng.choice(("com", "org", "net", "de", "io"))
    return f"{name(rng, split).lower()}@{rng.choice(HOSTS)}.{end}"


def date(rng: random.Random, split: str) -> str:
    if rng.random() < 0.5:
        return f"{rng.randint(1, 28)} {rng.choice(MONTHS)}"
    return f"{rng.randint(2020, 2035)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def clock(rng: random.Random, split: str) -> str:
    return f"{rng.randint(0, 23):02}:{rng.choice((0, 15, 30, 45, rng.randint(0, 59))):02}"


def phrase(rng: random.Random, split: str, low: int = 2, high: int = 6) -> str:
    """A few words, some of them made up, that mean nothing."""
    return " ".join(
        made_up(rng, split) if rng.random() < (0.04 if split == TEST else 0.15) else rng.choice(WORDS)
        for _ in range(rng.randint(low, high))
    )


def code(rng: random.Random, split: str) -> str:
    """A string without sense: a password, a number, an identifier."""
    length = rng.randint(2, 5)
    letters = rng.choice((string.digits, string.digits, string.digits + "ABCDEF"))
    made = "".join(rng.choice(letters) for _ in range(length))
    joined = rng.choice((made, made, f"{rng.choice(WORDS)}-{made[:3]}", f"{rng.choice(WORDS)}_{rng.randint(1, 99)}"))
    return joined if held_out(joined) == (split == TEST) else code(rng, split)
