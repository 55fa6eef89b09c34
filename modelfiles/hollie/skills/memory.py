"""What the user told about himself, asked for again after other talk; also that something was never told."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .. import words
from ..phrase import TRAIN, Wordings, rough
from ..sample import Check, Message, Sample, assistant, user
from . import arithmetic, knowledge, repeat, smalltalk

FRAMES = (
    "(could|would|will) you (please |still |now |kindly |)(say|recall|remember|repeat|name|give me) {x}( again)?",
    "(could|would|will) you (please|now|kindly|again) tell me {x}",
    "do you (still |now |even |)(remember|recall|have) {x}", "do you (now |by chance |really |maybe |)know {x}",
    "can you (now |again |please |maybe |)(say|recall|repeat|name|think of|give me) {x}( now| again)?",
    "(now|then|once more|again) (tell me|say|repeat|remember) {x}", "tell me (again|once more|now) {x}",
    "i (forgot|want to know|wonder|need to know|would like to hear|ask you|want to hear) {x}",
    "(let me|help me) (hear|know|recall|remember) {x}", "are you (able to|going to|ready to) (recall|say|tell me) {x}",
    "have you (kept|noted|forgotten|learned|remembered) {x}", "(did i|have i) (say|tell you|told you|mention) {x}",
    "(please )?(recall|repeat|remember|state|remind me of) {x}", "is it known to you {x}",
)


def framed(*topics: str) -> tuple[str, ...]:
    """Patterns that ask for any of the topics in many ways."""
    return tuple(frame.replace("{x}", f"({'|'.join(topics)})") for frame in FRAMES)


@dataclass(frozen=True)
class Fact:
    """One thing to keep: how it is told, how hollie takes note, how it is asked for and what hollie answers."""

    filler: words.Filler
    told: Wordings
    noted: str
    asked: Wordings
    answer: str
    unknown: str


FACTS = {
    "name": Fact(
        words.name,
        Wordings(
            ("my name is {x}", "i am {x}", "i'm {x}", "call me {x}", "you can call me {x}", "they call me {x}",
             "hi, i am {x}", "hello, my name is {x}", "(hi|hello|hey), i'm {x}", "my friends call me {x}",
             "{x} is my name", "this is {x}", "i am called {x}", "good morning, my name is {x}",
             "(hello|hey|hi|good morning|good day)( you| hollie| friend)?, (i am|i'm|my name is|they call me|call me|"
             "this is|it is) {x}", "(people|friends|they all|all of them) (just |always |)call me {x}",
             "(people|others|you) (know me as|may call me|should call me) {x}", "(my|the) (first |full |)name is {x}"),
            ("hello there, i am {x}", "hey there, my name is {x}", "people like to call me {x}",
             "hi there, they call me {x}"),
        ),
        "Nice to meet you, {x}!",
        Wordings(
            ("what is my name", "what's my name", "what was my name", "tell me my name again", "who am i",
             "do you (know|remember) my name", "what am i called", "tell me my name", "say my name",
             "can you (tell me|remember|say) my name", "do you (know|remember) who i am",
             "what did i say my name was", "how am i called",
             "(can|do|will) you (know|recall|remember) (who i am|my name)( now)?",
             "(please )?(say|tell me) (again )?(who i am|how i am called)", "what name (do i have|did i give you)",
             "(and |so )?what (is|was) my name (then|now|once more)", "who (did i say i am|was i|am i again)",
             *framed("my name", "my own name", "who i am", "how i am called", "which name i have", "what i am called")),
            ("can you still remember my name", "what was my name again", "please tell me what my name is",
             "do you still know who i am"),
        ),
        "Your name is {x}.", "You have not told me your name yet."),
    "colour": Fact(
        words.colour,
        Wordings(
            ("my favo(u|)rite colour is {x}", "my favorite color is {x}", "i like the colour {x}",
             "i love the color {x}", "the colour i like (most|best) is {x}", "{x} is my favourite colour",
             "(of all colours|most of all) i (like|love|prefer) {x}",
             "the colo(u|)r (that i love|for me|i prefer) is {x}",
             "my (loved|preferred|most liked) colo(u|)r is {x}", "{x} is the colo(u|)r (i love|i like|for me)"),
            ("the color i love is {x}", "my best loved colour is {x}", "{x} is my favorite color"),
        ),
        "I will remember that your favourite colour is {x}.",
        Wordings(
            ("what is my favourite colour", "what's my favorite color", "which colour do i like",
             "do you (know|remember) my favourite colour", "tell me my favorite color",
             "what colour do i like (most|best)",
             "(can|could) you (say|tell me) (what )?my (favourite|favorite) (colour|color)( is)?",
             "which (colour|color) (is my favourite|do i love)",
             "(please )?say my (favourite|favorite) (colour|color)", "what (color|colour) do i (love|prefer)( most)?",
             "which (color|colour) (did i say|do i like more than others|do i prefer|is it that i like)",
             *framed("my favo(u|)rite colo(u|)r", "which colo(u|)r i (like|love)( best| most)?",
                     "what my favo(u|)rite colo(u|)r is", "the colo(u|)r that i (like|love)")),
            ("which color do i like best", "can you remember my favorite color", "please tell me my favourite colour"),
        ),
        "Your favourite colour is {x}.", "You have not told me your favourite colour yet."),
    "city": Fact(
        words.city,
        Wordings(
            ("i live in {x}", "i am from {x}", "i come from {x}", "my city is {x}", "my home is {x}",
             "i live in {x} now", "my home town is {x}", "i have a flat in {x}", "i moved to {x}",
             "(my|our) (flat|house|family|room) is in {x}", "i (am at home|am based|was born|have a house|stay) in {x}",
             "i come from (a place called|the town of|the place) {x}", "{x} is (my city|where i live|my home)"),
            ("my home is in {x}", "i am living in {x}", "i come from the city of {x}"),
        ),
        "I will remember that you live in {x}.",
        Wordings(
            ("where do i live", "which city do i live in", "what is my city", "do you (know|remember) where i live",
             "where am i from", "tell me where i live", "in which city do i live", "where is my home",
             "(could|do) you (say|tell me|know) (again )?where i (live|am from)",
             "which (town|place) (do i live in|am i from)", "what city am i (from|living in)",
             "(in )?what town do i (live|come from)", "which city (is my home|did i say|do i come from)",
             *framed("where i live", "where i am from", "my city", "my home( town)?", "what city i live in",
                     "which city i (come|am) from", "the city i live in")),
            ("can you tell me where i live", "which city am i from", "what city do i live in"),
        ),
        "You live in {x}.", "You have not told me where you live yet."),
    "job": Fact(
        words.job,
        Wordings(
            ("my job is {x}", "i work as a {x}", "i am a {x} by trade", "i have a job as a {x}",
             "at work i am a {x}", "i earn my money as a {x}", "(my work|my job|what i do) is (that of|being) a {x}",
             "i (found|got) (a job|work|a position) as (a|the) {x}", "{x} is my (job|work|trade)"),
            ("my work is {x}", "i have work as a {x}"),
        ),
        "I will remember that you work as a {x}.",
        Wordings(
            ("what is my job", "what do i work as", "what's my job", "do you (know|remember) my job",
             "tell me my job", "what is my work", "(could|can) you (say|tell me) (what )?my (job|work)( is)?",
             "what (kind of )?work do i do", "(as what|how) do i (work|earn my money)", "what is it that i work as",
             *framed("my job", "my work", "what i work as", "what my (job|work) is", "what i do for a living",
                     "which job i have")),
            ("can you remember my job", "please tell me what i work as"),
        ),
        "You work as a {x}.", "You have not told me your job yet."),
    "food": Fact(
        words.food,
        Wordings(
            ("my favourite food is {x}", "my favorite food is {x}", "i like to eat {x}", "i love to eat {x}",
             "the food i like (most|best) is {x}", "{x} is my favourite food",
             "i (really |)(love|like|enjoy) {x} to eat",
             "the food (i love|that i like to eat|i want) is {x}", "{x} is (the food i love|what i like to eat)"),
            ("{x} is my favorite food", "the food i love to eat is {x}"),
        ),
        "I will remember that your favourite food is {x}.",
        Wordings(
            ("what is my favourite food", "what's my favorite food", "what do i like to eat",
             "do you (know|remember) my favourite food", "tell me my favourite food", "which food do i like",
             "(what|which) food do i (love|prefer|want|like more than others)( most)?", "what food is my favo(u|)rite",
             *framed("my favo(u|)rite food", "which food i (like|love)( best| most)?", "what i (like|love) to eat",
                     "what my favo(u|)rite food is")),
            ("which food do i like best", "can you remember my favorite food"),
        ),
        "Your favourite food is {x}.", "You have not told me your favourite food yet."),
    "pet": Fact(
        words.name,
        Wordings(
            ("my pet is called {x}", "my pet's name is {x}", "i have a pet called {x}", "i have a pet named {x}",
             "the name of my pet is {x}", "my pet has the name {x}", "{x} is (my pet|the name of my pet)",
             "(i have|there is|we have) a pet (and it is|that is|which is|and we call it) (called|named|known as)? {x}",
             "(i call|we call) my pet {x}"),
            ("i have a pet and its name is {x}", "my pet is named {x}"),
        ),
        "I will remember that your pet is called {x}.",
        Wordings(
            ("what is my pet's name", "what is the name of my pet", "what is my pet called",
             "do you (know|remember) my pet's name", "tell me the name of my pet", "how is my pet called",
             "what name (does my pet have|has my pet)", "who is my pet", "what (do i call|did i call) my pet",
             *framed("the name of my pet", "my pet's name", "what my pet is called", "how my pet is called",
                     "which name my pet has")),
            ("can you remember the name of my pet", "please tell me what my pet is called"),
        ),
        "Your pet is called {x}.", "You have not told me the name of your pet yet."),
    "age": Fact(
        lambda rng, split: str(rng.randint(5, 95)),
        Wordings(
            ("i am {x} years old", "i'm {x} years old", "my age is {x}", "i turned {x}", "i am {x} years of age",
             "i just turned {x}", "(today|now) i am {x}( years old)?", "i am (already|only|about) {x} years old",
             "my age (today |)is {x}( years)?"),
            ("i am now {x} years old", "my age now is {x}"),
        ),
        "I will remember that you are {x} years old.",
        Wordings(
            ("how old am i", "what is my age", "do you (know|remember) how old i am", "what's my age",
             "tell me how old i am", "tell me what my age is", "what age (am i|do i have)", "how many years old am i",
             *framed("how old i am", "my age", "what my age is", "how many years i have")),
            ("can you tell me how old i am", "can you tell me my age"),
        ),
        "You are {x} years old.", "You have not told me your age yet."),
}
LEADS = ("by the way, ", "remember that ", "you should know that ", "listen, ", "well, ", "oh, and ", "please note: ")
DISTRACTIONS = (smalltalk.sample, smalltalk.sample, arithmetic.sample, arithmetic.sample, repeat.sample,
    knowledge.sample)


def telling(kind: str, value: str, rng: random.Random, split: str) -> list[Message]:
    fact = FACTS[kind]
    told = fact.told.pick(rng, split).format(x=value) + rng.choice(("", "", ".", "!"))
    if split == TRAIN and rng.random() < 0.15:
        told = rng.choice(LEADS) + told
    return [user(told[0].upper() + told[1:] if rng.random() < 0.5 else told), assistant(fact.noted.format(x=value))]


def asking(kind: str, value: str | None, rng: random.Random, split: str) -> list[Message]:
    fact = FACTS[kind]
    answer = fact.unknown if value is None else fact.answer.format(x=value)
    return [user(rough(fact.asked.pick(rng, split), rng)), assistant(answer)]


def sample(rng: random.Random, split: str) -> Sample:
    """Tells one to three facts among distractions and asks for them; the last question is the one that is judged."""
    kinds = rng.sample(sorted(FACTS), rng.choice((1, 1, 2, 2, 3)))
    if rng.random() < 0.5 and "name" not in kinds:
        kinds[0] = "name"
    known = {kind: FACTS[kind].filler(rng, split) for kind in kinds}
    turns = [telling(kind, value, rng, split) for kind, value in known.items()]
    if rng.random() < 0.1:  # told again, differently: the later one counts
        known[kinds[0]] = FACTS[kinds[0]].filler(rng, split)
        turns.append(telling(kinds[0], known[kinds[0]], rng, split))
    dense = split == TRAIN and rng.random() < 0.6  # many questions, little talk: what belongs to what is hard to learn
    for _ in range(rng.choice((0, 0, 1) if dense else (0, 0, 1, 1, 2, 3, 5))):
        turns.insert(rng.randint(0, len(turns)), list(rng.choice(DISTRACTIONS)(rng, split).messages))
    strange = 0.45 if split == TRAIN else 0.12  # that a fact was not told is easily drowned by those that were
    asked = rng.choice(sorted(FACTS)) if rng.random() < strange else rng.choice(kinds)
    earlier = [kind for kind in kinds if kind != asked and rng.random() < 0.5]
    if dense:
        earlier = rng.sample(sorted(FACTS), rng.randint(2, 5))
    turns += [asking(kind, known.get(kind), rng, split) for kind in earlier]
    turns.append(asking(asked, known.get(asked), rng, split))
    answer = turns[-1][-1]["content"]
    keys = [known[asked]] if asked in known else [answer]
    return Sample("memory", tuple(message for turn in turns for message in turn), Check("keys", keys))
