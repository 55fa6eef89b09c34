"""Filling a JSON object with what a text says: the wanted keys in the wanted order, null for what is missing."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from .. import words
from ..phrase import Wordings
from ..sample import Check, Sample, assistant, system, user

NUMBER, TEXT = "number", "string"


@dataclass(frozen=True)
class Field:
    """A key of a record, what fills it and the clauses that tell it; `{s}` in a clause is the record's subject."""

    kind: str
    filler: words.Filler
    clauses: Wordings


def integer(low: int, high: int) -> words.Filler:
    return lambda rng, split: str(rng.randint(low, high))


def price(rng: random.Random, split: str) -> str:
    return rng.choice((str(rng.randint(1, 200)), f"{rng.randint(0, 99)}.{rng.choice((5, 25, 49, 75, 95, 99))}"))


def address(rng: random.Random, split: str) -> str:
    street = f"{rng.choice(words.WORDS).capitalize()} {rng.choice(('Street', 'Road', 'Lane', 'Avenue'))}"
    return f"{street} {rng.randint(1, 99)}"


def title(rng: random.Random, split: str) -> str:
    return rng.choice(words.WORDS).capitalize() + rng.choice((" Meeting", " Concert", " Party", " Workshop"))


PERSON = {
    "name": Field(TEXT, words.full_name, Wordings(("{x}",), ())),
    "age": Field(NUMBER, integer(2, 99), Wordings(
        ("{s} is {x} years old", "{s} is {x}", "{s} (just |recently |)turned {x}",
         "{s} is (already|about|only) {x}( years old)?", "{s}, aged {x}, is here", "the age of {s} is {x}"),
        ("{s} just turned {x} years", "{s} is now {x} years old"),
    )),
    "city": Field(TEXT, words.city, Wordings(
        ("{s} lives in {x}", "{s} is from {x}", "{s} comes from {x}", "{s} (has )?moved to {x}",
         "{s} (has|owns|rents) a (house|home|room) in {x}", "{s} (still|always|also) lives in {x}"),
        ("{s} now lives in {x}", "{s} has a flat in {x}"),
    )),
    "job": Field(TEXT, words.job, Wordings(
        ("{s} works as a {x}", "{s} is a {x} by trade", "{s} has a job as a {x}",
         "{s} (earns|makes) (a living|some money) as a {x}", "{s} (still|always|also) works as a {x}",
         "the job of {s} is {x}"),
        ("{s} now works as a {x}", "{s} earns money as a {x}"),
    )),
    "email": Field(TEXT, words.email, Wordings(
        ("the email of {s} is {x}", "{s} can be reached at {x}", "write to {s} at {x}", "{s} uses the address {x}",
         "{s} (gets|receives|answers) (mail|email) at {x}", "the (mail|address) of {s} is {x}"),
        ("the email address of {s} is {x}", "{s} reads mail at {x}"),
    )),
    "colour": Field(TEXT, words.colour, Wordings(
        ("{s} likes {x}", "the favourite colour of {s} is {x}", "{s} always wears {x}"),
        ("{s} likes the colour {x}",),
    )),
    "pet": Field(TEXT, words.pet, Wordings(
        ("{s} has a {x}", "{s} owns a {x}", "{s} keeps a {x}"),
        ("{s} has a {x} as a pet",),
    )),
}
ORDER = {
    "customer": Field(TEXT, words.name, Wordings(("{x}",), ())),
    "item": Field(TEXT, words.item, Wordings(
        ("{s} (buys|orders|wants|bought|ordered|takes|chooses|needs) a {x}",
         "{s} (has bought|has chosen|wishes for|would buy|would take|will buy) a {x}", "the item for {s} is a {x}"),
        ("{s} has ordered a {x}", "{s} would like a {x}"),
    )),
    "price": Field(NUMBER, price, Wordings(
        ("it costs {x} (euros|dollars)", "the price is {x}( euros| dollars)?", "{s} pays {x}( euros| dollars)?",
         "for {x} (euros|dollars)"),
        ("the cost is {x} euros", "it has a price of {x} dollars"),
    )),
    "quantity": Field(NUMBER, integer(1, 60), Wordings(
        ("the quantity is {x}", "{s} (needs|takes|buys|orders|has ordered) {x} (pieces|units)",
         "the quantity (of|from) {s} is {x}", "{x} pieces please", "{s} takes {x} of them"),
        ("{s} wants {x} pieces", "the quantity for {s} is {x}"),
    )),
    "date": Field(TEXT, words.date, Wordings(
        ("the order is from {x}", "deliver it on {x}", "the date is {x}", "it must arrive on {x}",
         "{s} (wants|expects|gets) it on {x}", "the date (for|from) {s} is {x}"),
        ("{s} needs it on {x}", "the date of the order is {x}"),
    )),
    "address": Field(TEXT, address, Wordings(
        ("send it to {x}", "the address is {x}", "{s} lives at {x}", "deliver to {x}",
         "the address (for|from) {s} is {x}", "{s} wants it sent to {x}"),
        ("the postal address of {s} is {x}", "you can send it to {x}"),
    )),
}
EVENT = {
    "title": Field(TEXT, title, Wordings(("{x}",), ())),
    "date": Field(TEXT, words.date, Wordings(
        ("{s} is on {x}", "the date of {s} is {x}", "{s} takes place on {x}",
         "{s} (comes|starts|is planned|is set|begins) on {x}"),
        ("{s} happens on {x}", "{s} is held on {x}"),
    )),
    "time": Field(TEXT, words.clock, Wordings(
        ("{s} (starts|opens|is|takes place) at {x}", "it begins at {x}", "the time is {x}", "be there at {x}"),
        ("{s} begins at {x}",),
    )),
    "place": Field(TEXT, words.city, Wordings(
        ("{s} is in {x}", "the place is {x}", "{s} (takes place|is held|is planned) in {x}", "we are all in {x}",
         "it takes place in {x}", "we meet in {x}"),
        ("{s} happens in {x}", "we are in {x} for {s}"),
    )),
    "guests": Field(NUMBER, integer(2, 400), Wordings(
        ("{x} guests come", "{s} (has|expects|is planned for) {x} (guests|people)", "we (expect|invite) {x} guests",
         "there are {x} guests", "{s} has {x} guests", "{x} people are invited"),
        ("{s} is for {x} guests", "we have {x} guests"),
    )),
    "host": Field(TEXT, words.name, Wordings(
        ("the host is {x}", "the (host|person) (for|behind) {s} is {x}", "{x} is the host", "{x} invites you",
         "{s} is hosted by {x}"),
        ("the host of {s} is {x}",),
    )),
}
ADVERBS = ("also", "still", "really", "always", "often", "surely", "soon", "again", "here")
OPENINGS = ("this is about {s}", "{s}", "we talk about {s}", "hello from {s}")
RECORDS = (PERSON, PERSON, ORDER, EVENT)
ASKS = Wordings(
    train=("(Extract|Get|Find|Give me|Return|Pull out) {keys} as JSON{colon}",
           "(Extract|Get|Give|Return|Read) {keys} from (the|this) text as (a )?JSON( object)?{colon}",
           "Fill (a|the) JSON object with {keys}{colon}", "JSON with {keys}{colon}",
           "Answer with (a )?JSON( object)? with the keys {keys}{colon}",
           "Write (a )?JSON( object)? with {keys}{colon}",
           "Return a JSON object with the keys {keys} for this text{colon}",
           "Convert to JSON with the keys {keys}{colon}", "Make JSON with the keys {keys} (from|out of) this{colon}",
           "Read the text and fill in {keys} as JSON{colon}", "I need {keys} as JSON{colon}",
           "Turn this into JSON with {keys}{colon}", "Keys: {keys}. Answer only with JSON{colon}",
           "Extract {keys}. Answer in JSON{colon}", "(Can|Would) you (get|find|give me|return) {keys} as JSON{colon}",
           "I (need|would like) (a )?JSON( object)? with( the keys)? {keys} (for|of|out of) this( text)?{colon}",
           "Give me (a )?JSON( object)? (of|for) {keys}{colon}",
           "(Look at|Use|Take) this and (give|write) {keys} as (a )?JSON( object)?{colon}"),
    test=("Could you extract {keys} from this text as JSON{colon}",
          "I want a JSON object with the keys {keys} from this text{colon}",
          "Give me JSON with the keys {keys}{colon}", "Read this and return {keys} as a JSON object{colon}"),
)
AFTER = Wordings(
    train=("{text}\n(Extract|Give me|Return|Please give|Now get|Please extract) {keys} as JSON.",
    "(This is|Below is|Here comes) (a|the|some) (text|note|message): {text}\n(Get|Give|Return|Extract) {keys} as "
    "JSON.", "{text}\n(Now|Just|Then) fill in {blank}", "{text}\n(Use|Follow|Answer with) the schema {schema}",
    "{text}\n\nAnswer with JSON with the keys {keys}.",
           "{text} Write this as JSON with {keys}.", "Text: {text}\nKeys: {keys}\nJSON:",
           "{text}\nFill in this JSON: {blank}", "Fill in {blank} from this text: {text}",
           "{text}\nSchema: {schema}", "Fill the schema {schema} with: {text}", "{text}\nJSON with {keys} please",
           "Text: {text}\nFill in: {blank}"),
    test=("{text}\nPlease return {keys} as JSON.", "{text}\nPlease fill in {blank}",
          "Here is a text: {text}\nExtract {keys} as JSON.", "{text}\nAnswer in JSON with the schema {schema}"),
)
SYSTEMS = Wordings(
    ("Answer only with JSON.", "You (only )?answer in JSON.", "You extract data as JSON.",
     "Reply with (valid )?JSON and nothing else.", "Output JSON only."),
    ("Only answer with valid JSON.", "Your output is JSON only."),
)


def who(record: dict[str, Field], subject: str, rng: random.Random) -> str:
    """What a clause calls the subject that was named before it."""
    if record is not PERSON or rng.random() < 0.4:
        return subject
    return rng.choice(("he", "she"))


def told(record: dict[str, Field], values: dict[str, str], rng: random.Random, split: str) -> str:
    """A text that tells the values: the subject in the first clause, then the subject again or a pronoun."""
    subject_key = next(iter(record))
    subject, clauses = values[subject_key], []
    for key in values:
        if key != subject_key:
            called = who(record, subject, rng) if clauses else subject
            called += f" {rng.choice(ADVERBS)}" if rng.random() < 0.2 else ""
            clauses.append(record[key].clauses.pick(rng, split).format(s=called, x=values[key]))
    if not any(subject in clause for clause in clauses):
        clauses.insert(0, rng.choice(OPENINGS).format(s=subject))
    if rng.random() < 0.3:
        clauses[:2] = [" and ".join(clauses[:2])]
    return " ".join(f"{clause[0].upper()}{clause[1:]}." for clause in clauses)


def listed(keys: list[str], rng: random.Random) -> str:
    form = rng.random()
    if form < 0.5 and len(keys) > 1:
        return ", ".join(keys[:-1]) + " and " + keys[-1]
    return ", ".join(f'"{key}"' if form > 0.85 else key for key in keys)


def value(field: Field, text: str) -> Any:
    return json.loads(text) if field.kind == NUMBER else text


def sample(rng: random.Random, split: str) -> Sample:
    record = rng.choice(RECORDS)
    names = list(record)
    others = rng.sample(names[1:], rng.choice((1, 1, 1, 2, 2)))
    values = {key: record[key].filler(rng, split) for key in [names[0], *others]}
    keys = rng.sample([names[0], *others], rng.randint(1, len(others) + 1))
    if rng.random() < 0.03:
        keys.insert(rng.randint(0, len(keys)), rng.choice([key for key in names if key not in values]))
    text = told(record, values, rng, split)
    blank = json.dumps({key: "" if record[key].kind == TEXT else 0 for key in keys})
    schema = "{" + ", ".join(f'"{key}": {record[key].kind}' for key in keys) + "}"
    slots = {"keys": listed(keys, rng), "blank": blank, "schema": schema}
    if rng.random() < 0.5:
        said = ASKS.pick(rng, split).format(colon=rng.choice((": ", ":\n", ":\n\n")), **slots) + text
    else:
        said = AFTER.pick(rng, split).format(text=text, **slots)
    answer = {key: value(record[key], values[key]) if key in values else None for key in keys}
    before = (system(SYSTEMS.pick(rng, split)),) if rng.random() < 0.2 else ()
    return Sample("json", (*before, user(said), assistant(json.dumps(answer))), Check("json", answer))
