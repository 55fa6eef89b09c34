"""Filling a JSON object with what a text says: the wanted keys in the wanted order, null for what is missing."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from .. import words
from ..phrase import TRAIN, Wordings, expand
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
         "{s} is (already|about|only) {x}( years old)?", "{s}, aged {x}, is here", "the age of {s} is {x}",
         "{s} (has turned|will turn|turns|has reached|will be|became) {x}( years)?( old| of age)?", "age: {x}",
         "{s} is (today|by now|nearly|over|just) {x}( years old)?", "{s} has (an age of|the age|lived) {x}( years)?"),
        ("{s} just turned {x} years", "{s} is now {x} years old"),
    )),
    "city": Field(TEXT, words.city, Wordings(
        ("{s} lives in {x}", "{s} is from {x}", "{s} comes from {x}", "{s} (has )?moved to {x}",
         "{s} (has|owns|rents) a (house|home|room) in {x}", "{s} (still|always|also) lives in {x}", "city: {x}",
         "{s} (owns|rents|bought|shares|keeps) a (flat|big flat|small home) in {x}", "{x} is the (city|home) of {s}",
         "{s} (stays|sits|dwells|grew up|was born|works|is at home|has been) in {x}",
         "(today|by now|still) {s} (lives|stays|is) in {x}"),
        ("{s} now lives in {x}", "{s} has a flat in {x}"),
    )),
    "job": Field(TEXT, words.job, Wordings(
        ("{s} works as a {x}", "{s} is a {x} by trade", "{s} has a job as a {x}",
         "{s} (earns|makes) (a living|some money) as a {x}", "{s} (still|always|also) works as a {x}",
         "the job of {s} is {x}", "job: {x}", "{s} (serves|is known|is paid|is employed) as (a|the) {x}",
         "{s} (earns|makes|gets) (good |the |)(pay|cash|coins|bread) as a {x}", "{s} became a {x}",
         "{s} (today|by now|once) (works|worked|serves) as a {x}", "{s} (wants|trained) to be a {x}"),
        ("{s} now works as a {x}", "{s} earns money as a {x}"),
    )),
    "email": Field(TEXT, words.email, Wordings(
        ("the email of {s} is {x}", "{s} can be reached at {x}", "write to {s} at {x}", "{s} uses the address {x}",
         "{s} (gets|receives|answers) (mail|email) at {x}", "the (mail|address) of {s} is {x}", "email: {x}",
         "{s} (opens|checks|takes|likes|sees|sends) (mail|mails|letters|messages|email) (at|from|under) {x}",
         "the (mail|web|contact|work) address of {s} is {x}", "{s} has the (mail|email|address) {x}",
         "{s} (answers|writes|reads|is) (from|at|under) {x}", "{x} is the (email|address) of {s}"),
        ("the email address of {s} is {x}", "{s} reads mail at {x}"),
    )),
    "colour": Field(TEXT, words.colour, Wordings(
        ("{s} likes {x}", "the favourite colour of {s} is {x}", "{s} always wears {x}", "colour: {x}",
         "{s} (loves|prefers|wears|wants|chose|picked|dreams of|enjoys) (the |)(colour|color|shade|tone|paint) {x}",
         "{s} likes (the |)(color|shade|tone|paint|look of|wall in|car in) {x}", "{x} is the colour {s} likes",
         "{s} likes (only|all things|things that are|a|the) {x}", "the colour (of|for) {s} is {x}",
         "{s} (loves|prefers|wears|wants|chose|picked) {x}( most)?"),
        ("{s} likes the colour {x}",),
    )),
    "pet": Field(TEXT, words.pet, Wordings(
        ("{s} has a {x}", "{s} owns a {x}", "{s} keeps a {x}", "pet: {x}", "the pet of {s} is a {x}",
         "{s} (owns|keeps|wants|bought|got|feeds) a {x} (as pet|at home|for a pet|as a friend|in the house)",
         "{s} has a {x} (as friend|at home|for a pet|as the pet|in the house)", "{s} (feeds|walks|loves) (a|the) {x}"),
        ("{s} has a {x} as a pet",),
    )),
}
ORDER = {
    "customer": Field(TEXT, words.name, Wordings(("{x}",), ())),
    "item": Field(TEXT, words.item, Wordings(
        ("{s} (buys|orders|wants|bought|ordered|takes|chooses|needs) a {x}",
         "{s} (has bought|has chosen|wishes for|would buy|would take|will buy) a {x}", "the item for {s} is a {x}",
         "{s} (has|had|will have|would have) (wanted|got|reserved|taken|a wish for|asked for) (a|the) {x}",
         "{s} would (love|order|want|need|pay for) a {x}", "item: {x}", "(a|one) {x} (is|goes) (for|to) {s}",
         "{s} (asks for|looks for|gets|pays for|likes) (a|the) {x}"),
        ("{s} has ordered a {x}", "{s} would like a {x}"),
    )),
    "price": Field(NUMBER, price, Wordings(
        ("it costs {x} (euros|dollars)", "the price is {x}( euros| dollars)?", "{s} pays {x}( euros| dollars)?",
         "for {x} (euros|dollars)", "price: {x}", "the (sum|amount|bill|value|total) is {x}( euros| dollars)?",
         "it (has|comes at|goes for|sells at|is sold at) (a|the) (cost|value|sum) of {x}( euros| dollars)?",
         "the (cost|charge) (for|of) (it|this|{s}) is {x}( euros| dollars)?",
         "{s} (gives|spends|owes) {x} (euros|dollars)"),
        ("the cost is {x} euros", "it has a price of {x} dollars"),
    )),
    "quantity": Field(NUMBER, integer(1, 60), Wordings(
        ("the quantity is {x}", "{s} (needs|takes|buys|orders|has ordered) {x} (pieces|units)",
         "the quantity (of|from) {s} is {x}", "{x} pieces please", "{s} takes {x} of them", "quantity: {x}",
         "{s} (asks for|gets|has|would like|would take|wishes) {x} (pieces|units|of them|of these)",
         "the (number|count|amount) (for|of|from) {s} is {x}", "{s} wants {x} (units|of them|of these)"),
        ("{s} wants {x} pieces", "the quantity for {s} is {x}"),
    )),
    "date": Field(TEXT, words.date, Wordings(
        ("the order is from {x}", "deliver it on {x}", "the date is {x}", "it must arrive on {x}",
         "{s} (wants|expects|gets) it on {x}", "the date (for|from) {s} is {x}", "date: {x}",
         "{s} (takes|asks for|picks up|should have|must have) it (on|by|before) {x}", "{s} needs it (by|before) {x}",
         "the (day|date) (of|for) (the delivery|it|this order|the sale) is {x}", "it was ordered on {x}"),
        ("{s} needs it on {x}", "the date of the order is {x}"),
    )),
    "address": Field(TEXT, address, Wordings(
        ("send it to {x}", "the address is {x}", "{s} lives at {x}", "deliver to {x}",
         "the address (for|from) {s} is {x}", "{s} wants it sent to {x}", "address: {x}",
         "the (home|mail|street|new|full|right) address (of|for) {s} is {x}",
         "(you|we|they) (may|should|must) send it to {x}",
         "(you|we|they) can (bring|ship|deliver|mail) it to {x}", "{s} (is at|works at|gets it at) {x}"),
        ("the postal address of {s} is {x}", "you can send it to {x}"),
    )),
}
EVENT = {
    "title": Field(TEXT, title, Wordings(("{x}",), ())),
    "date": Field(TEXT, words.date, Wordings(
        ("{s} is on {x}", "the date of {s} is {x}", "{s} takes place on {x}",
         "{s} (comes|starts|is planned|is set|begins) on {x}", "date: {x}", "on {x} (is|comes|starts) {s}",
         "{s} (opens|goes|runs|ends|follows|arrives|is given|is made|was|will be|is fixed) on {x}",
         "{s} is (put|kept|called|due|moved|had) (on|to) {x}"),
        ("{s} happens on {x}", "{s} is held on {x}"),
    )),
    "time": Field(TEXT, words.clock, Wordings(
        ("{s} (starts|opens|is|takes place) at {x}", "it begins at {x}", "the time is {x}", "be there at {x}",
         "time: {x}",
         "{s} (goes|runs|is held|is set|comes|kicks off|will be|will begin) (at|from) {x}",
         "{s} begins (around|about) {x}",
         "(come|arrive|we start|doors open) at {x}", "the time (of|for) {s} is {x}"),
        ("{s} begins at {x}",),
    )),
    "place": Field(TEXT, words.city, Wordings(
        ("{s} is in {x}", "the place is {x}", "{s} (takes place|is held|is planned) in {x}", "we are all in {x}",
         "it takes place in {x}", "we meet in {x}", "place: {x}", "the place (of|for) {s} is {x}",
         "{s} (comes to|opens in|goes to|runs in|starts in|will be in|is given in|is set in|was in) {x}",
         "(we|all) (are|meet|come|go|travel|stay) (in|to) {x} (for|because of|to see|with) (it|this|the guests)",
         "we (meet|go to|gather|come together|stay) (in|at) {x} for {s}", "{x} is (the place|where {s} is)"),
        ("{s} happens in {x}", "we are in {x} for {s}"),
    )),
    "guests": Field(NUMBER, integer(2, 400), Wordings(
        ("{x} guests come", "{s} (has|expects|is planned for) {x} (guests|people)", "we (expect|invite) {x} guests",
         "there are {x} guests", "{s} has {x} guests", "{x} people are invited", "guests: {x}",
         "{s} is (made for|open to|open for|good for|set for) {x} (guests|people)", "{s} is for {x} people",
         "we (get|want|see|await|have asked|have room for) {x} (guests|people)", "the (number|count) of guests is {x}"),
        ("{s} is for {x} guests", "we have {x} guests"),
    )),
    "host": Field(TEXT, words.name, Wordings(
        ("the host is {x}", "the (host|person) (for|behind) {s} is {x}", "{x} is the host", "{x} invites you",
         "{s} is hosted by {x}", "host: {x}", "the host (is called|of it is|here is|for the day is|this time is) {x}",
         "the (head|maker|boss|owner|giver|person) of {s} is {x}", "{s} is (given|made|held|planned|run) by {x}"),
        ("the host of {s} is {x}",),
    )),
}
NOISE = (
    "{s} {v}s", "{s} {v}s (the |a |)({w}|{w} {w}|well)", "{s} {v}s (in|with|for|at|near) (the |)({w}|{w} {w})",
    "{s} (has|is|was|likes|reads|sees|knows|happens to|wants|takes|says|goes|sings|sleeps|keeps) (the |a |)({w}|{w} "
    "{w})",
    "(the|a) {w} (is|has|{v}s) (the |a |){w}", "{w} {v}s",
)
KEYS = words.listed(
    "street country phone size weight year month day hour room floor code brand model owner user school team song book "
    "level score speed width height label group status reason drink food hobby language street start end sender topic"
)
TOLD = (
    "the {k} is {x}", "{k}: {x}", "{k} = {x}", "the {k} of {s} is {x}", "{s} has (the |a |){k} {x}", "{x} is the {k}",
    "{s} {v}s {x} as {k}", "(with|and|also) the {k} {x}", "{s} {v}s (the |a |){k} {x}",
    "{x} is (a|the) {k} (of|for) {s}",
    "as {k} {s} {v}s {x}", "for {s} the {k} (is|was|will be) {x}", "the {k} (for|from|at) {s} (was|is) {x}",
)
ADVERBS = ("also", "still", "really", "always", "often", "surely", "soon", "again", "here")
OPENINGS = ("this is about {s}", "{s}", "we talk about {s}", "hello from {s}")
RECORDS = (PERSON, PERSON, ORDER, EVENT)
RARE = 0.25  # of what is trained: records whose keys were never heard of


def text_value(rng: random.Random, split: str) -> str:
    makers = (words.full_name, words.city, words.colour, words.item, words.email, words.date, words.made_up)
    return rng.choice(makers)(rng, split)


def unheard(rng: random.Random, split: str) -> dict[str, Field]:
    """A record of any keys: what belongs to which is to be read from the text."""
    record = {"name": PERSON["name"]}
    for key in rng.sample(KEYS, 4):
        key = key if rng.random() < 0.8 else words.made_up(rng, split)
        clauses = Wordings([told.replace("{k}", key) for told in TOLD], ())
        numeric = rng.random() < 0.35
        record[key] = Field(NUMBER, integer(0, 999), clauses) if numeric else Field(TEXT, text_value, clauses)
    return record


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
           "(Look at|Use|Take) this and (give|write) {keys} as (a )?JSON( object)?{colon}",
           "(Could|Can|Will) you (please )?(find|read|get|write|return|pull) {keys} (from|in|out of) (this|the) "
           "(text|note|message) (as|into) (a )?JSON( object)?{colon}",
           "(Show|Send|Print|Make) (me )?JSON (with|of|for) "
           "(the (keys|fields|values) )?{keys}{colon}", "I (need|ask for|wish) (a|one) JSON object (with|of|that has) "
           "(the (keys|fields) )?{keys} (from|for|of) (this|the) (text|note){colon}",
           "(Read|Take|See) (this|the text) (and|then) (write|give|extract|answer|find) {keys} (in|as) (a )?JSON"
           "( object)?{colon}"),
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


def noise(subject: str, rng: random.Random, split: str) -> str:
    """A clause that tells nothing that is asked for."""
    word = rng.choice(words.WORDS) if rng.random() < 0.7 else words.made_up(rng, split)
    return expand(rng.choice(NOISE), rng).format(s=subject, v=words.made_up(rng, split), w=word)


def told(record: dict[str, Field], values: dict[str, str], rng: random.Random, split: str) -> str:
    """A text that tells the values: the subject in the first clause, then the subject again or a pronoun."""
    subject_key = next(iter(record))
    subject, clauses = values[subject_key], []
    for key in values:
        if key != subject_key:
            called = who(record, subject, rng) if clauses else subject
            called += f" {rng.choice(ADVERBS)}" if rng.random() < 0.2 else ""
            made = record[key].clauses.pick(rng, split)
            clauses.append(made.format(s=called, x=values[key], v=words.made_up(rng, split)))
    if split == TRAIN and rng.random() < 0.3:
        clauses.insert(rng.randint(0, len(clauses)), noise(subject, rng, split))
    if not any(subject in clause for clause in clauses):
        clauses.insert(0, rng.choice(OPENINGS).format(s=subject))
    if rng.random() < 0.3:
        clauses[:2] = [" and ".join(clauses[:2])]
    starts = tuple(values.values())  # a value is written as it is to be found
    written = (clause if clause.startswith(starts) else clause[0].upper() + clause[1:] for clause in clauses)
    return " ".join(f"{clause}." for clause in written)


def listed(keys: list[str], rng: random.Random) -> str:
    form = rng.random()
    if form < 0.5 and len(keys) > 1:
        return ", ".join(keys[:-1]) + " and " + keys[-1]
    return ", ".join(f'"{key}"' if form > 0.85 else key for key in keys)


def value(field: Field, text: str) -> Any:
    return json.loads(text) if field.kind == NUMBER else text


def sample(rng: random.Random, split: str) -> Sample:
    record = unheard(rng, split) if split == TRAIN and rng.random() < RARE else rng.choice(RECORDS)
    names = list(record)
    others = rng.sample(names[1:], rng.choice((1, 1, 1, 2, 2)))
    values = {key: record[key].filler(rng, split) for key in [names[0], *others]}
    keys = rng.sample([names[0], *others], rng.randint(1, len(others) + 1))
    if rng.random() < (0.1 if split == TRAIN else 0.03):
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
