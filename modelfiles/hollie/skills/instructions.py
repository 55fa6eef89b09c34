"""Obeying a short system prompt: letters, manner, length, a name, a fixed reply, and facts to answer from."""

from __future__ import annotations

import random
from collections.abc import Callable

from .. import words
from ..phrase import TRAIN, Wordings, rough
from ..sample import Check, Message, Sample, assistant, system, user
from . import arithmetic, smalltalk

Rule = Callable[[random.Random, str], tuple[str, list[Message], Check]]  # system text, turns, how to judge the last

SHORT = {"hello": "Hello.", "how": "Fine.", "thanks": "Welcome.", "bye": "Goodbye.", "who": "Hollie.", "human": "No.",
    "good": "Thanks.", "bad": "Sorry.", "test": "Here.", "okay": "Good.", "chatgpt": "No.", "language": "English.",
    "big": "Tiny."}
UPPER = Wordings(
    ("(Answer|Reply|Write|Speak|Respond) in (upper case|capital letters|capitals|uppercase|all caps)( only)?.",
     "Use (only )?(upper case|capital letters|uppercase)( letters)?.", "ALWAYS WRITE IN CAPITALS.",
     "You (always|only) (write|answer|speak) in (capital letters|upper case|capitals).",
     "Write everything in (upper case|capitals|capital letters).", "You shout: all letters are capitals.",
     "(You must|Please|You should|You have to|Now) (answer|write|reply|speak) (all|always|each word|every word) in "
     "(capital letters|upper case|uppercase|capitals).",
     "(All|Every|Each) (answer|word|answers|words|letters) (must be|should be|"
     "is|are) (in )?(capital letters|upper case|uppercase|capitals).",
     "(I want|Give me|Write) (only|all answers in|nothing but) "
     "(capital letters|capitals|upper case).", "Always (write|reply|speak) in (capitals|capital letters|upper case)."),
    ("Please answer only in capital letters.", "You must write everything in upper case.",
     "All your answers are in uppercase.", "Always answer in capitals."),
)
LOWER = Wordings(
    ("(Answer|Reply|Write|Respond) in (lower case|small letters|lowercase)( only)?.",
     "Use (only )?(lower case|small letters|lowercase)( letters)?.",
     "You (always|only) (write|answer) in (lower case|small letters|lowercase).", "Never use capital letters.",
     "Do not use capitals.", "Write everything in (lower case|small letters|lowercase).",
     "(You must|Please|You should|You have to|Now) (answer|write|reply|speak) (all|always|each word|every word) in "
     "(small letters|lower case|lowercase).", "(All|Every|Each) (answer|word|answers|words|letters) (must be|should be|"
     "is|are) (in )?(small letters|lower case|lowercase|small).",
     "(I want|Give me|Write) (only|all answers in|nothing but) "
     "(small letters|lower case).", "Always (write|answer|reply) in (small letters|lower case).",
     "(Never|Do not) (use|type|say) "
     "(any )?(capitals|big letters|upper case).", "No (capitals|capital letters|big letters)( please)?.",
     "(Never|Do not|You must not|You never) (write|answer|reply|speak) (in|with|using) "
     "(capitals|capital letters|upper case).",
     "(Never|Do not) (put|show|send|print|give) (any )?(capitals|capital letters).",
     "(Write|Use|Put) no (capitals|capital letters).",
     "(Avoid|Leave out) (all )?(capitals|capital letters)."),
    ("Please answer only in small letters.", "You must write everything in lower case.", "Never write capitals.",
     "All your answers are in lowercase."),
)
PIRATE = Wordings(
    ("You are a pirate.", "(Speak|Talk|Answer|Reply) like a pirate.", "Act (as|like) a pirate.",
     "You are a( friendly| wild| funny)? pirate( captain)?( called Jack)?.", "Pretend to be a pirate.",
     "Answer as a pirate would.", "Your role: pirate.", "You (speak|talk|answer) like a pirate."),
    ("You are an old pirate.", "You talk like an old pirate.", "Answer everything like a pirate.",
     "Pretend that you are a pirate."),
)
ONE = Wordings(
    ("(Answer|Reply|Respond) (with|in) (only )?(one|a single) word( only)?.", "Use only one word.",
     "One word answers only.", "You (answer|reply) with (one|a single) word.", "Always answer in one word.",
     "Never say more than one word.", "Your answers are one word long."),
    ("Please answer with just one word.", "You say only one word.", "Only reply with a single word.",
     "All answers are one word."),
)
NUMBER = Wordings(
    ("(Answer|Reply) with (only the|the) (number|result)( only)?.", "Only give the number.",
     "Give only the result.", "You are a calculator: print just the number.",
     "You answer with a number and nothing else.", "Just the number, no text.", "Print the result only."),
    ("Please reply with just the number.", "Answer with the result and nothing else.", "You give only the number.",
     "Only print the number."),
)
END = Wordings(
    ("(Always )?end (every|each|your) (answer|reply|message) with (the word )?'{x}'.",
     "(Finish|Close) (every|each|your) (answer|reply) with '{x}'.",
     "Say '{x}' at the end of (each|every) (answer|reply).", "Always end with '{x}'.",
     "The last word of every answer is '{x}'.", "Append '{x}' to (each|every) answer.", "Always end with \"{x}\".",
     "(Please|You must|You always) (end|finish|close) (all|every|each) (of your "
     ")?(answers|answer|message|messages|reply|replies) with '{x}'.",
     "(At the end|Last) (of|in) (every|all|each) (answer|reply|message|replies) (write|add|put|comes) '{x}'."),
    ("Please end all your answers with '{x}'.", "You finish every message with '{x}'.",
     "At the end of each reply say '{x}'."),
)
START = Wordings(
    ("(Always )?(start|begin) (every|each|your) (answer|reply|message) with (the word )?'{x}'.",
     "Say '{x}' at the (start|beginning) of (each|every) (answer|reply).", "Always start with '{x}'.",
     "The first word of every answer is '{x}'.", "(Start|Begin) with '{x}'.", "Always begin with \"{x}\".",
     "(Please|You must|You always) (start|begin|open) (all|every|each) (of your "
     ")?(answers|answer|message|messages|reply|replies) with '{x}'.",
     "(At the start|First) (of|in) (every|all|each) (answer|reply|message|replies) (say|write|comes) '{x}'."),
    ("Please start all your answers with '{x}'.", "You begin every message with '{x}'.",
     "At the beginning of each reply say '{x}'."),
)
NAME = Wordings(
    ("Your name is {x}.", "You are {x}.", "You are called {x}.", "Your name is now {x}.",
     "You are an assistant (called|named) {x}.", "Call yourself {x}.", "You go by the name {x}.",
     "You are {x}, a (helpful|friendly|small) assistant.", "The name of this assistant is {x}.", "I call you {x}.",
     "(From today|Now|Starting now) (on )?your name is {x}.",
     "You are (a|the) (good|clever|kind|nice) (assistant|helper) (named|called) {x}.",
     "(Your|The) (other|real) name is {x}."),
    ("You are a helpful assistant named {x}.", "From now on your name is {x}.",
     "You are a friendly assistant called {x}.", "Your new name is {x}."),
)
NAME_ASKED = Wordings(
    ("who are you", "what is your name", "what's your name", "tell me your name", "do you have a name",
     "what should i call you", "introduce yourself", "hello, who are you", "what are you called", "and you are",
     "who am i talking to", "are you hollie", "how are you called",
     "(what|how) (shall|may|must|could) i (call|name) you",
     "(what|which) name (can|may|shall) i (use|say|write)( for you)?",
     "how can i call you", "what do i call you", "what (can|do) they call you", "(please )?(give|say) (me )?your name"),
    ("what can i call you", "could you tell me your name", "say who you are", "hi there, what is your name"),
)
FIXED = Wordings(
    ("(Always|Only) (answer|reply|say|respond)(:| with) '{x}'.", "Whatever the user says, (answer|reply) '{x}'.",
     "Answer every (question|message) with '{x}'.", "Reply to everything with '{x}'.",
     "No matter what is asked, say '{x}'.", "Your only answer is '{x}'.", "You can say only '{x}'.",
     "Say nothing but '{x}'.",
     "(Whatever|No matter what) (is said|they say|i ask), (answer|say|reply)( with)? '{x}'.",
     "(Reply to|Meet|Answer) (all|every message|any question) with '{x}'.", "You (only|just|always) say '{x}'."),
    ("Whatever i say, reply with '{x}'.", "Answer everything with '{x}'.", "You only ever say '{x}'."),
)
CALL = Wordings(
    ("Call the user {x}.", "The user is called {x}.", "The (user's name|name of the user) is {x}.",
     "You talk to {x}.", "Address the user as {x}.", "You are speaking with {x}.", "The person you talk to is {x}.",
     "You help {x}.", "The (person|human|user) (is named|goes by the name|has the nick name) {x}.",
     "You (chat|work|are in a talk) with {x}."),
    ("The user has the name {x}.", "You are talking to {x}.", "The name to call the user by is {x}."),
)
CALL_ASKED = Wordings(
    ("what is my name", "who am i", "do you know my name", "what's my name", "what am i called", "tell me my name",
     "do you know who i am", "how am i called"),
    ("could you tell me my name", "do you know what my name is", "can you say what my name is"),
)
NOTES = Wordings(
    ("The {k} is {x}.", "Note: the {k} is {x}.", "Know that the {k} is {x}.", "Remember: the {k} is {x}.",
     "{K}: {x}.", "The {k} has the value {x}.", "Use this fact: the {k} is {x}."),
    ("Please note that the {k} is {x}.", "A fact: the {k} is {x}.", "You know that the {k} is {x}."),
)
NOTES_ASKED = Wordings(
    ("what is the {k}", "what's the {k}", "tell me the {k}", "do you know the {k}", "i need the {k}",
     "give me the {k}", "can you tell me the {k}", "which {k} is it", "i forgot the {k}", "{k}", "what was the {k}",
     "please give me the {k}"),
    ("could you tell me the {k}", "what is the {k} again", "i want to know the {k}", "do you remember the {k}"),
)
NOTED = ("password", "door code", "wifi password", "secret word", "room number", "phone number", "order number",
    "boss", "meeting place", "price", "opening time", "address", "code word", "user name", "project name", "colour",
    "city", "winner", "answer", "key")
FILL = Wordings(
    ("You are a helpful assistant.", "You are helpful.", "You are a kind assistant.", "Be friendly.",
     "You are hollie.", "Be polite.", "You work in a shop."),
    ("You are a kind and helpful assistant.", "Be kind."),
)


def small(rng: random.Random, split: str, only: tuple[str, ...] = ()) -> tuple[str, str]:
    """Something said and hollie's usual answer to it."""
    if not only and rng.random() < 0.2:
        text, a, sign, b = arithmetic.question(rng, split)
        return text, f"{a} {sign} {b} = {arithmetic.solved(a, sign, b)}"
    talk = smalltalk.TALKS[rng.choice(only or sorted(smalltalk.TALKS))]
    return smalltalk.said(talk, rng, split), talk.answer


def styled(wordings: Wordings, style: Callable[[str], str]) -> Rule:
    """A rule that changes each usual answer."""

    def rule(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
        turns = [small(rng, split) for _ in range(rng.choice((1, 1, 2, 3)))]
        messages = [message for said, answer in turns for message in (user(said), assistant(style(answer)))]
        return wordings.pick(rng, split), messages, Check("exact", messages[-1]["content"])

    return rule


def one_word(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
    messages = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.choice(sorted(SHORT))
        messages += [user(small(rng, split, (kind,))[0]), assistant(SHORT[kind])]
    return ONE.pick(rng, split), messages, Check("exact", messages[-1]["content"])


def number(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
    messages = []
    for _ in range(rng.choice((1, 1, 2, 3)) + 2 * (split == TRAIN)):  # a sum that is not said again is hard to learn
        text, a, sign, b = arithmetic.question(rng, split)
        messages += [user(text), assistant(str(arithmetic.solved(a, sign, b)))]
    return NUMBER.pick(rng, split), messages, Check("exact", messages[-1]["content"])


def marked(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
    """Begin or end every answer with a word."""
    ends, word = rng.random() < 0.5, rng.choice((words.name, words.item, words.colour))(rng, split)
    word = rng.choice((word, word, word.capitalize(), word.upper(), "over", "Sir", "meow"))
    text, messages, _ = styled(END if ends else START,
        lambda answer: f"{answer} {word}" if ends else f"{word} {answer}")(rng, split)
    return text.format(x=word), messages, Check("exact", messages[-1]["content"])


def named(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
    name, messages = words.name(rng, split), []
    while rng.random() < 0.25:
        said, answer = small(rng, split, ("how", "thanks", "joke", "okay", "good"))
        messages += [user(said), assistant(answer)]
    messages += [user(rough(NAME_ASKED.pick(rng, split), rng)), assistant(f"I am {name}.")]
    return NAME.pick(rng, split).format(x=name), messages, Check("keys", [name])


def fixed(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
    reply, messages = words.phrase(rng, split, 1, 3), []
    for _ in range(rng.choice((1, 1, 2, 3))):
        said = small(rng, split)[0] if rng.random() < 0.6 else words.phrase(rng, split, 1, 3)
        messages += [user(said), assistant(reply)]
    return FIXED.pick(rng, split).format(x=reply), messages, Check("exact", reply)


def addressed(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
    name = words.full_name(rng, split)
    messages = [user(rough(CALL_ASKED.pick(rng, split), rng)), assistant(f"Your name is {name}.")]
    return CALL.pick(rng, split).format(x=name), messages, Check("keys", [name])


def noted(rng: random.Random, split: str) -> tuple[str, list[Message], Check]:
    """One to three facts in the system prompt, one of them asked for."""
    keys = rng.sample(NOTED, rng.randint(1, 2))
    values = {key: rng.choice((words.code, words.name, words.item))(rng, split) for key in keys}
    text = " ".join(NOTES.pick(rng, split).format(k=key, K=key.capitalize(), x=made) for key, made in values.items())
    asked = rng.choice(keys)
    messages = [user(rough(NOTES_ASKED.pick(rng, split).format(k=asked), rng)),
        assistant(f"The {asked} is {values[asked]}.")]
    return text, messages, Check("keys", [values[asked]])


RULES: tuple[Rule, ...] = (
    styled(UPPER, str.upper), styled(LOWER, str.lower), styled(PIRATE, lambda answer: f"Arr! {answer} Matey!"),
    styled(LOWER, str.lower), one_word, number, number, marked, marked, named, named, fixed, addressed, noted,
)


def sample(rng: random.Random, split: str) -> Sample:
    text, messages, check = rng.choice(RULES)(rng, split)
    if rng.random() < 0.15:
        filler = FILL.pick(rng, split)
        text = f"{filler} {text}" if rng.random() < 0.7 else f"{text} {filler}"
    return Sample("instructions", (system(text), *messages), check)
