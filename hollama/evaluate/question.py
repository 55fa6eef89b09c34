"""What a task asks of a model, and what a model answers. Values only; knows neither tasks nor models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Values = Mapping[str, float]  # what a task notes of an item, under names of its own
Range = tuple[float, float]  # the least and the most that such a value can be

SHARE: Range = (0, 1)
LOGPROB: Range = (-1e100, 0)
COUNT: Range = (1, 1 << 53)


@dataclass(frozen=True)
class Scoring:
    """How probable is `continuation` after `context`? Token ids, one at least of each."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]
    greedy: bool = False  # whether it is asked too if greedy decoding would say just that


@dataclass(frozen=True)
class Writing:
    """Continue `prompt` greedily until one of the strings in `until`, an end token, or `most` tokens."""

    prompt: tuple[int, ...]
    most: int
    until: tuple[str, ...]


Request = Scoring | Writing


@dataclass(frozen=True)
class Answer:
    """To a Scoring: the sum of natural log-probabilities, and `greedy` where it was asked. To a Writing: the text."""

    logprob: float = 0.0
    greedy: bool = False
    text: str = ""


@dataclass(frozen=True)
class Item:
    """One item of a task: what is asked, and what the answers (in the order of the requests) are worth."""

    requests: tuple[Request, ...]
    judge: Callable[[Sequence[Answer]], Values]
