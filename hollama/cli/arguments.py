"""What the commands' arguments have in common: how many there are, in Ollama's words."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hollama.errors import UsageError


class WrongCount(UsageError):
    """Too few arguments or too many; which command it was is for others to say."""


def add_words(parser: argparse.ArgumentParser, name: str, help: str) -> None:
    """All arguments that are no options, as `words`; `exactly`, `at_least` and `at_most` count them later."""
    parser.add_argument("words", metavar=name, nargs="*", help=help)


def describe(parser: argparse.ArgumentParser, description: str, *examples: str) -> None:
    """What a command is for, and lines that can be copied."""
    parser.description = description
    parser.epilog = "\n".join(["examples:", *(f"  {example}" for example in examples)])


def positive(text: str) -> int:
    """The type of an option that is a number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def exactly(count: int, words: Sequence[str]) -> Sequence[str]:
    if len(words) != count:
        raise WrongCount(f"accepts {count} arg(s), received {len(words)}")
    return words


def at_least(count: int, words: Sequence[str]) -> Sequence[str]:
    if len(words) < count:
        raise WrongCount(f"requires at least {count} arg(s), only received {len(words)}")
    return words


def at_most(count: int, words: Sequence[str]) -> Sequence[str]:
    if len(words) > count:
        raise WrongCount(f"accepts at most {count} arg(s), received {len(words)}")
    return words
