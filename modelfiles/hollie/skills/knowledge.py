"""What hollie knows, all of it about hollama, and what it says about everything else: that it does not know."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from .. import words
from ..phrase import TEST, TRAIN, Wordings, loosened, rough
from ..sample import Check, Sample, assistant, user

DO = Wordings(
    train=("how (do|can|would|could|should) (i|we|you) {x}", "what is the command to {x}",
           "which command is there to {x}", "i (want|need) to {x}", "i would like to {x}", "i'd like to {x}",
           "can you tell me how to {x}", "tell me how to {x}", "show me how to {x}", "explain how to {x}",
           "help me {x}", "what do i type to {x}", "is there a way to {x}", "how to {x}",
           "what should i (run|do|type) to {x}", "what must i (type|run) to {x}", "{x}", "{x}, how", "can i {x}",
           "is it possible to {x}", "what is the (best|right) way to {x}", "i do not know how to {x}",
           "how does one {x}", "with hollama, how do i {x}", "how do i {x} (with|in) hollama", "let me {x}",
           "i am trying to {x}", "what do i do to {x}", "(must|should|can) i do (something|anything|this) to {x}",
           "(can|would|will) you (please |)(explain|show|tell me|say|teach me) how (i|we|one|people|to) (can |could "
           "|may |)"
           "{x}", "i (wonder|ask|would like to know|need to know|forgot) how (to|i can|one can|i could) {x}",
           "(please )?(show|teach|tell) me how (i|we|one) (can |could |)?{x}",
           "(what|which) (command|way|tool) (do i|should i|"
           "can i|must i) (use|run|take|enter) to {x}", "how (is it done|would it work|does it work) to {x}",
           "(is|was) it (easy|hard|allowed) to {x}", "what (must|should|can|could) (we|one|you) do (in order )?to {x}",
           "(my (plan|wish|task) is|i plan|i wish|i have|i try) to {x}",
           "(explain|describe) (to me )?how (i|we|one) can {x}"),
    test=("what must i do to {x}", "could you tell me how i can {x}", "i want to know how to {x}",
          "please explain how i {x}", "which command do i type to {x}", "how is it possible to {x}"),
)
WHAT = Wordings(
    train=("what is {x}", "what's {x}", "what (does|do) {x} mean", "explain {x}", "tell me about {x}",
           "what exactly is {x}", "can you explain {x}", "define {x}", "describe {x}", "i do not understand {x}",
           "what do you know about {x}", "{x}", "tell me what {x} is", "what is meant by {x}", "please explain {x}",
           "what is {x} in hollama", "i have a question about {x}", "explain {x} to me",
           "give me information about {x}", "do you know what {x} is", "what is this {x}", "help me understand {x}",
           "what is {x} (good )?for", "when do i (use|need) {x}", "why is there {x}", "what does {x} do",
           "what do i need {x} for",
           "(can|would|will) you (please |)(explain|define|tell me|say) (what )?{x}( is| means)?",
           "i (wonder|want to know|need to know|ask) (what )?{x}( is| means)?",
           "(please )?(describe|define|show me) {x}",
           "(say|show|tell me|explain) (more |something |a bit |)about {x}",
           "(could|can|would) you (say|write|explain) "
           "(something|more|a bit) about {x}", "do you (have|know) (something|anything|more) (on|about) {x}",
           "(please )?(say|tell me) what {x} (means|does|is for)",
           "i would like to (hear|learn|read) (more |)about {x}",
           "how would you (explain|describe|define) {x}", "what (can|do) you (say|tell me) about {x}"),
    test=("could you tell me what {x} is", "i would like to know what {x} is", "please explain what {x} means",
          "do you know about {x}", "can you tell me about {x}", "can you describe {x}"),
)
UNKNOWN = Wordings(
    train=("what is the (capital|population|president|currency|flag|language) of {city}",
           "who (invented|discovered|painted|wrote|built|found) the {item}", "when was {name} born",
           "who is {name} {word}", "who was {name} {word}", "how far is it (from {city} )?to {city2}",
           "how (high|deep|old|long|heavy|big) is the {item}", "what is the meaning of {word}",
           "why is the (sky|sea|sun|grass) {colour}", "why is the {item} {colour}", "what is a {word}",
           "tell me about {city}", "tell me about the history of {city}", "what happened in {year}",
           "who won the (world cup|war|election|race) in {year}", "what is the chemical formula of {word}",
           "how do i cook {food}", "give me a recipe for {food}", "what does {word} mean", "how does a {item} work",
           "what do you think about {food}", "is {food} healthy", "who sings {word}",
           "recommend (me )?a (book|film|song|game)", "what is the weather in {city}", "how is the weather( today)?",
           "explain (quantum physics|photosynthesis|gravity|evolution|philosophy|politics|chemistry|economics)",
           "what is the (speed of light|meaning of life|largest planet|smallest country)",
           "what is the (tallest mountain|longest river)", "how many {item}s are there in {city}",
           "do you know {name} {word}", "what is the best {item}", "where can i buy a {item}",
           "what is the price of {word}", "who is the king of {city}",
           "who is the (president|chancellor|pope|queen)", "what language do they speak in {city}",
           "how do i repair a {item}", "can you explain {word}", "where is {city}", "when did {name} die",
           "why do {food} grow", "what is the news", "which {item} should i buy"),
    test=("where in the world is {city}", "who was the first to build a {item}", "what is the history of {city}",
          "how can i cook {food}", "who is the president of {city}", "how old is {name} {word}",
          "which {food} are healthy", "why is a {item} {colour}", "who wrote {word}",
          "what is the largest {item} in {city}"),
)
PARTS = ("commands", "concepts", "clients")
DONT_KNOW = (
    "I do not know that; I am a tiny model and know only hollama. "
    "Make a bigger model with `hollama create` and ask it."
)


@cache
def facts() -> tuple[dict[str, Any], ...]:
    """The facts of the three TOML files beside this one."""
    texts = [files(__package__).joinpath(f"{name}.toml").read_text("utf-8") for name in PARTS]
    return tuple(fact for text in texts for fact in tomllib.loads(text)["fact"])


def forms(fact: dict[str, Any]) -> list[tuple[str, Wordings]]:
    """The frames a fact can be asked in, each with the words it takes."""
    frames = []
    for kind in ("do", "what", "ask"):
        if kind in fact:
            frames.append((kind, Wordings(fact[kind], fact.get(f"{kind}_test", ()))))
    return frames


@cache
def held() -> frozenset[str]:
    """Topics and questions that only the evaluation uses."""
    return frozenset(text.lower() for fact in facts() for kind in fact if kind.endswith("_test") for text in fact[kind])


def asked(fact: dict[str, Any], rng: random.Random, split: str) -> str:
    """A question for the fact."""
    kind, topics = rng.choice([form for form in forms(fact) if split != TEST or form[1].test])
    topic = topics.pick(rng, split)
    if split == TRAIN:
        topic = loosened(topic, rng, held())
    frame = {"do": DO, "what": WHAT}.get(kind)
    return rough(topic if frame is None else frame.pick(rng, split).format(x=topic), rng)


def unknown(rng: random.Random, split: str) -> Sample:
    text = UNKNOWN.pick(rng, split).format(
        city=words.city(rng, split), city2=words.city(rng, split), item=words.item(rng, split), name=words.name(rng,
            split),
        word=words.made_up(rng, split).capitalize(), year=rng.randint(1000, 2025), colour=words.colour(rng, split),
            food=words.food(rng, split),
    )
    return Sample("unknown", (user(rough(text, rng)), assistant(DONT_KNOW)), Check("keys", ["do not know"]))


def sample(rng: random.Random, split: str) -> Sample:
    fact = rng.choice(facts())
    return Sample("knowledge", (user(asked(fact, rng, split)), assistant(fact["answer"])), Check("keys", fact["keys"]))
