"""Calling a tool that fits, telling what it answered, and leaving tools alone that do not fit.

Half of the tools are made up on the spot, name, parameters and all, so that the signature must be read.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from .. import words
from ..phrase import Wordings, rough
from ..sample import Check, Message, Sample, Tool, assistant, call, result, system, user
from . import arithmetic, knowledge, smalltalk
from .catalogue import KINDS, Kind

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Use:
    """A tool, one request that needs it and what it answers: (tool, request, arguments, response, answer)."""

    tool: Tool
    request: str
    arguments: Arguments
    response: Any
    answer: str


def tool(name: str, description: str, properties: dict[str, Any]) -> Tool:
    """A function signature with its keys in Ollama's order."""
    parameters = {"type": "object", "required": list(properties), "properties": properties}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def value(kind: str, text: str) -> Any:
    return json.loads(text) if kind in ("integer", "number", "boolean") else text


def known(kind: Kind, rng: random.Random, split: str) -> Use:
    """A tool of the catalogue and one use of it."""
    properties = {name: {"type": kinds, "description": about} for name, (kinds, about, _) in kind.parameters.items()}
    texts = {name: filler(rng, split) for name, (_, _, filler) in kind.parameters.items()}
    response = {name: filler(rng, split) for name, filler in kind.response.items()}
    return Use(
        tool(kind.names.pick(rng, split), kind.descriptions.pick(rng, split), properties),
        rough(kind.requests.pick(rng, split), rng).format(**texts),
        {name: value(kind.parameters[name][0], text) for name, text in texts.items()},
        {name: value("integer" if text.lstrip("-").isdigit() else "string", text) for name, text in response.items()},
        kind.answer.format(**texts, **response),
    )


VERBS = words.listed(
    "open close start stop find send move count paint clean lock check load print feed book sort scan call fix wash "
    "pack mix cut lift"
)
NOUNS = words.listed(
    "door window gate robot printer pump fan oven camera drone boat garden parcel invoice ticket file photo order "
    "room shelf tank engine belt lamp alarm"
)
GIVEN = Wordings(
    ("{verb} the {noun} with {pairs}", "please {verb} the {noun}, {pairs}", "{verb} (a|the) {noun} ({pairs})?",
     "i want to {verb} the {noun} with {pairs}", "can you {verb} the {noun} with {pairs}", "{verb} {noun}: {pairs}",
     "use {name} with {pairs}", "call {name} with {pairs}", "run {name}: {pairs}"),
    ("could you {verb} the {noun} with {pairs}", "could you use {name} with {pairs}",
     "i need to {verb} the {noun}, {pairs}"),
)
PAIR = Wordings(
    ("{key} {x}", "{key} {x}", "{key} = {x}", "{key}: {x}", "{key} is {x}", "the {key} {x}"),
    ("{key} {x}", "{key} set to {x}"),
)
ABOUT = Wordings(
    ("{Verb} (a|the) {noun}", "{Verb}s (a|the) {noun}", "Use this to {verb} the {noun}", "Can {verb} a {noun}"),
    ("This can {verb} the {noun}", "To {verb} a {noun}"),
)
KEYS = words.listed(
    "name size color speed level mode id count target user label place code weight length group type amount day "
    "title"
)


def fresh(rng: random.Random, split: str) -> Use:
    """A tool that never was, and one use of it."""
    verb = rng.choice(VERBS) if rng.random() < 0.6 else words.made_up(rng, split)
    noun = rng.choice(NOUNS) if rng.random() < 0.6 else words.made_up(rng, split)
    name = rng.choice((f"{verb}_{noun}", f"{noun}_{verb}", f"{verb}{noun.capitalize()}", words.made_up(rng,
        split) + "_" + noun))
    keys = rng.sample(KEYS, rng.choice((1, 1, 2, 2, 3)))
    keys = [key if rng.random() < 0.7 else words.made_up(rng, split) for key in keys]
    properties, arguments, pairs = {}, {}, []
    for key in keys:
        kind, text = fresh_value(rng, split)
        properties[key] = {"type": kind, "description": f"The {key}"}
        arguments[key] = value(kind, text)
        pairs.append(PAIR.pick(rng, split).format(key=key, x=text))
    made = tool(name, ABOUT.pick(rng, split).format(verb=verb, Verb=verb.capitalize(), noun=noun), properties)
    said = GIVEN.pick(rng, split)
    while "{pairs}" not in said:
        said = GIVEN.pick(rng, split)
    joined = ", ".join(pairs[:-1]) + (rng.choice((" and ", ", ")) if len(pairs) > 1 else "") + pairs[-1]
    response, answer = fresh_response(rng, split)
    return Use(made, said.format(verb=verb, noun=noun, name=name, pairs=joined), arguments, response, answer)


def fresh_value(rng: random.Random, split: str) -> tuple[str, str]:
    kind = rng.choice(("string", "string", "string", "integer", "integer", "number", "boolean"))
    if kind == "string":
        return kind, rng.choice((words.made_up, words.name, words.colour, words.city, words.code, words.item))(rng,
            split)
    if kind == "boolean":
        return kind, rng.choice(("true", "false"))
    return kind, str(rng.randint(0, 500)) if kind == "integer" else f"{rng.randint(0, 99)}.{rng.randint(1, 9)}"


def fresh_response(rng: random.Random, split: str) -> tuple[Any, str]:
    """What a made-up tool answers, and how hollie tells it."""
    kind = rng.random()
    if kind < 0.3:
        return {"status": rng.choice(("ok", "done", "success"))}, "Done."
    text = rng.choice((words.made_up, words.name, words.code, words.city, words.phrase))(rng, split)
    if kind < 0.45:
        return {"error": text}, f"The tool reported an error: {text}."
    if kind < 0.65:
        return text, f"The answer is {text}."
    key = rng.choice(("result", "value", "state", "answer", *KEYS))
    return {key: text}, f"The {key} is {text}."


def use(rng: random.Random, split: str, barred: set[str]) -> tuple[str, Use]:
    """A use of a tool of a family not in `barred`; made-up tools are their own families."""
    if rng.random() < 0.45:
        made = fresh(rng, split)
        return made.tool["function"]["name"], made
    family = rng.choice([family for family in KINDS if family not in barred])
    return family, known(KINDS[family], rng, split)


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
        wanted = known(KINDS[family], rng, split)
        return Sample("tools", (user(wanted.request), assistant(NO_TOOL)), Check("keys", ["no tool"]))
    makers = [smalltalk.sample, knowledge.sample]
    if "calculator" not in families:
        makers.append(arithmetic.sample)
    made = rng.choice(makers)(rng, split)
    asks_time = "clock" in str(made.check.value)  # with tools about, this question is a trap of its own
    return plain(rng, split, families) if asks_time else made


def sample(rng: random.Random, split: str) -> Sample:
    """One to three tools and a talk of one to three requests; judged is a call, a report or plain words."""
    uses: dict[str, Use] = {}
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        family, made = use(rng, split, set(uses))
        uses[family] = made
    offered = [made.tool for made in uses.values()]
    rng.shuffle(offered)
    turns: list[Message] = [system(SYSTEMS.pick(rng, split))] if rng.random() < 0.3 else []
    for family in rng.sample(sorted(uses), min(len(uses), rng.choice((0, 1, 1, 1, 2)))):
        wanted = uses[family]
        turns += [user(wanted.request), call(wanted.tool["function"]["name"], wanted.arguments),
            result(wanted.response), assistant(wanted.answer)]
    kind = rng.random()
    if kind < 0.2 or not turns or turns[-1]["role"] == "system":
        other = plain(rng, split, set(uses))
        return Sample("tools", (*turns, *other.messages), other.check, tuple(offered))
    if kind < 0.5:
        return Sample("tools", tuple(turns), Check("keys", [wanted.answer]), tuple(offered))
    check = Check("call", [wanted.tool["function"]["name"], wanted.arguments])
    return Sample("tools", tuple(turns[:-2]), check, tuple(offered))


