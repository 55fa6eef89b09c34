"""Calling a tool that fits, telling what it answered, and leaving tools alone that do not fit.

Some of the tools are made up on the spot, name, parameters and all, so that the signature must be read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import words
from ..phrase import TEST, TRAIN, Wordings, rough
from ..sample import Check, Message, Sample, Tool, assistant, call, result, system, user
from . import arithmetic, knowledge, smalltalk
from .catalogue import KINDS, Kind

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Use:
    """One request for a tool, the call it needs, what the tool answers and what hollie makes of it."""

    request: str
    arguments: Arguments
    response: Any
    answer: str


@dataclass(frozen=True)
class Offer:
    """A tool and a maker of uses of it."""

    tool: Tool
    use: Callable[[], Use]


def tool(name: str, description: str, properties: dict[str, Any]) -> Tool:
    """A function signature with its keys in Ollama's order."""
    parameters = {"type": "object", "required": list(properties), "properties": properties}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def value(kind: str, text: str) -> Any:
    return json.loads(text) if kind in ("integer", "number", "boolean") else text


def known(kind: Kind, rng: random.Random, split: str) -> Offer:
    """A tool of the catalogue."""
    properties = {name: {"type": kinds, "description": about} for name, (kinds, about, _) in kind.parameters.items()}

    def use() -> Use:
        texts = {name: filler(rng, split) for name, (_, _, filler) in kind.parameters.items()}
        response = {name: filler(rng, split) for name, filler in kind.response.items()}
        return Use(
            rough(kind.requests.pick(rng, split), rng).format(**texts),
            {name: value(kind.parameters[name][0], text) for name, text in texts.items()},
            {name: value("integer" if text.lstrip("-").isdigit() else "", text) for name, text in response.items()},
            kind.answer.format(**texts, **response),
        )

    name = dressed(kind.names.pick(rng, split), rng, split)
    return Offer(tool(name, kind.descriptions.pick(rng, split), properties), use)


def opaque(rng: random.Random, split: str) -> str:
    """A name that tells nothing of what the tool does."""
    parts = [words.made_up(rng, split) if rng.random() < 0.6 else rng.choice((*VERBS, *NOUNS, *FRONTS, *BACKS))
             for _ in range(rng.choice((1, 2, 2, 3)))]
    if rng.random() < 0.25:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    return rng.choice(("_", "_", "_", "-", ".", "")).join(parts)


FRONTS = words.listed("my do run use the home api get_the go ask try call new_style smart easy")
BACKS = words.listed("tool now v2 api fn service please for_me here 2 action call func")


def dressed(name: str, rng: random.Random, split: str) -> str:
    """A tool's name as somebody else would spell it: names are to be read, not known by heart."""
    if split == TRAIN and rng.random() < 0.45:
        mixed = f"{name}_{opaque(rng, split)}" if rng.random() < 0.5 else f"{opaque(rng, split)}_{name}"
        return mixed if rng.random() < 0.4 else opaque(rng, split)
    kind = rng.random()
    if kind < 0.4:
        return name
    if kind < 0.55:
        first, *rest = name.split("_")
        return first + "".join(word.capitalize() for word in rest)
    if kind < 0.7:
        return "_".join(reversed(name.split("_")))
    return f"{rng.choice(FRONTS)}_{name}" if kind < 0.85 else f"{name}_{rng.choice(BACKS)}"


VERBS = words.listed(
    "open close start stop find send move count paint clean lock check load print feed book sort scan call fix wash "
    "pack mix cut lift add read write make turn show hide keep sell rent heat cool drive drop join split"
)
NOUNS = words.listed(
    "door window gate robot printer pump fan oven camera drone boat garden parcel invoice ticket file photo order "
    "room shelf tank engine belt lamp alarm"
)
GIVEN = Wordings(
    ("{verb} the {noun} with {pairs}", "please {verb} the {noun}, {pairs}", "{verb} (a|the) {noun}, {pairs}",
     "i want to {verb} the {noun} with {pairs}", "can you {verb} the {noun} with {pairs}", "{verb} {noun}: {pairs}",
     "use {name} with {pairs}", "call {name} with {pairs}", "run {name}: {pairs}",
     "(would|will|can) you (please |now |)(use|call|run|take|try) {name} (with|for|, where) {pairs}",
     "(would|will) you (please |now |)({verb}|go and {verb}) (the|this|my|a) {noun} (with|for|, where) {pairs}",
     "i (have|would like|ask you|wish|am going) to {verb} (the|my|this|a) {noun}(,| with| where) {pairs}",
     "(with|for) {pairs} {verb} the {noun}", "(start|do|try|invoke) {name}(,|:| with) {pairs}",
     "let (us|me) {verb} the {noun}(,| with) {pairs}", "the {noun} (must|should) {verb} (with|at) {pairs}"),
    ("could you {verb} the {noun} with {pairs}", "could you use {name} with {pairs}",
     "i need to {verb} the {noun}, {pairs}"),
)
PAIR = Wordings(
    ("{key} {x}", "{key} {x}", "{key} = {x}", "{key}: {x}", "{key} is {x}", "the {key} {x}",
     "{key} (at|of|as|being|on) {x}",
     "{key} (must|should|shall|will) be {x}", "{key} (put|turned|changed|fixed|equal|equals) (to |){x}",
     "{x} (as|for) {key}",
     "{x} as the {key}", "a {key} of {x}", "the {key} (is|being|=) {x}", "set {key} to {x}"),
    ("{key} {x}", "{key} set to {x}"),
)
ABOUT = Wordings(
    ("{Verb} (a|the) {noun}", "{Verb}s (a|the) {noun}", "Use this to {verb} the {noun}", "Can {verb} a {noun}"),
    ("This can {verb} the {noun}", "To {verb} a {noun}"),
)
TYPES = ("string", "string", "string", "integer", "integer", "number", "boolean")
KEYS = words.listed(
    "name size color speed level mode id count target user label place code weight length group type amount day "
    "title city room text query minutes time to company people artist state degrees"
)


def fresh(rng: random.Random, split: str) -> Offer:
    """A tool that never was."""
    verb = rng.choice(VERBS) if rng.random() < 0.8 else words.made_up(rng, split)
    noun = rng.choice(NOUNS) if rng.random() < 0.8 else words.made_up(rng, split)
    name = rng.choice((f"{verb}_{noun}", f"{noun}_{verb}", f"{verb}{noun.capitalize()}",
                       f"{words.made_up(rng, split)}_{noun}", opaque(rng, split)))
    keys = rng.sample(KEYS, rng.choice((1, 1, 1, 2, 2)))
    kinds = {key if rng.random() < 0.85 else words.made_up(rng, split): rng.choice(TYPES) for key in keys}
    properties = {key: {"type": kind, "description": f"The {key}"} for key, kind in kinds.items()}
    about = ABOUT.pick(rng, split).format(verb=verb, Verb=verb.capitalize(), noun=noun)

    def use() -> Use:
        texts = {key: fresh_value(kind, rng, split) for key, kind in kinds.items()}
        pairs = [PAIR.pick(rng, split).format(key=key, x=text) for key, text in texts.items()]
        joined = rng.choice((" and ", ", ")).join([", ".join(pairs[:-1]), pairs[-1]][len(pairs) < 2 :])
        said = GIVEN.pick(rng, split).format(verb=verb, noun=noun, name=name, pairs=joined)
        arguments = {key: value(kinds[key], text) for key, text in texts.items()}
        return Use(said, arguments, *fresh_response(rng, split))

    return Offer(tool(name, about, properties), use)


def fresh_value(kind: str, rng: random.Random, split: str) -> str:
    if kind == "string":
        makers = (words.name, words.colour, words.city, words.code, words.item)
        return rng.choice(makers)(rng, split)
    if kind == "boolean":
        return rng.choice(("true", "false"))
    return str(rng.randint(0, 500)) if kind == "integer" else f"{rng.randint(0, 99)}.{rng.randint(1, 9)}"


def fresh_response(rng: random.Random, split: str) -> tuple[Any, str]:
    """What a made-up tool answers, and how hollie tells it."""
    kind = rng.random()
    if kind < 0.3:
        return {"status": rng.choice(("ok", "done", "success"))}, "Done."
    text = rng.choice((words.name, words.code, words.city, words.phrase))(rng, split)
    if kind < 0.45:
        return {"error": text}, f"The tool reported an error: {text}."
    if kind < 0.65:
        return text, f"The answer is {text}."
    key = rng.choice(("result", "value", "state", "answer", *KEYS))
    return {key: text}, f"The {key} is {text}."


def offers(rng: random.Random, split: str) -> dict[str, Offer]:
    """One to three tools by family; made-up tools are their own families."""
    made: dict[str, Offer] = {}
    for _ in range(rng.choice((1, 1, 2))):
        if rng.random() < 0.2:
            offer = fresh(rng, split)
            made[offer.tool["function"]["name"]] = offer
        else:
            family = rng.choice([family for family in KINDS if family not in made])
            made[family] = known(KINDS[family], rng, split)
    return made


NO_TOOL = "I have no tool for that."
SYSTEMS = Wordings(
    ("You are a helpful assistant.", "Use the tools when they fit.", "You can call tools.", "You are hollie.",
     "You control a house."),
    ("Call tools when they fit.", "You are a kind and helpful assistant."),
)


def plain(rng: random.Random, split: str, families: set[str]) -> Sample:
    """Something that none of the offered families serves: small talk, a fact, a sum, or a request for another tool."""
    if rng.random() < 0.4:
        family = rng.choice([family for family in KINDS if family not in families and family != "calculator"])
        wanted = known(KINDS[family], rng, split).use()
        return Sample("tools", (user(wanted.request), assistant(NO_TOOL)), Check("keys", ["no tool"]))
    makers = [smalltalk.sample, knowledge.sample]
    if "calculator" not in families:
        makers.append(arithmetic.sample)
    made = rng.choice(makers)(rng, split)
    asks_time = "clock" in str(made.check.value)  # with tools about, this question is a trap of its own
    return plain(rng, split, families) if asks_time else made


def sample(rng: random.Random, split: str) -> Sample:
    """Some tools and a talk of one to three requests; judged is a call, a report or an answer without a tool."""
    made = offers(rng, split)
    offered = [offer.tool for offer in made.values()]
    rng.shuffle(offered)
    messages: list[Message] = [system(SYSTEMS.pick(rng, split))] if rng.random() < 0.3 else []
    check = Check("keys", [])
    for _ in range(rng.choice((1, 1, 1, 2) if split == TEST else (1, 2, 2, 3))):
        if rng.random() < 0.22:
            other = plain(rng, split, set(made))
            messages, check = [*messages, *other.messages], other.check
            continue
        offer = rng.choice(list(made.values()))
        name, use = offer.tool["function"]["name"], offer.use()
        messages += [user(use.request), call(name, use.arguments), result(use.response), assistant(use.answer)]
        check = Check("keys", [use.answer])
        calls = Check("call", [name, use.arguments])
    if messages[-2]["role"] == "tool" and rng.random() < 0.6:
        messages, check = messages[:-2], calls
    return Sample("tools", tuple(messages), check, tuple(offered))
