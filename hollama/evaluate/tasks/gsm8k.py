"""GSM8K (test): sums told as stories, answered in the model's own words. As lm-evaluation-harness (version 3).

Five examples stand before each question where there is a `train` split (drawn as the harness draws them, by Python's
generator from the seed 1234), none otherwise. `strict`: the number behind `####` is the right one; `flexible`: the last
number of the answer is. A file holds JSON lines with `question` and `answer`; a folder test.jsonl and train.jsonl.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any

from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.data import HubSource, Row, Source, field
from hollama.evaluate.metrics import Metric, share
from hollama.evaluate.question import SHARE, Answer, Item, Values
from hollama.evaluate.task import Questions, Task

_SHOTS, _SEED = 5, 1234
_MOST = 256  # tokens of an answer
_UNTIL = ("Question:", "</s>", "<|im_end|>")
_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_NUMBER = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def read(source: Source, coder: Coder) -> Questions:
    test = [_asked(row, f"gsm8k, row {number}") for number, row in enumerate(source.rows("test"), 1)]
    if not source.has("train"):
        return Questions([["", *pair] for pair in test], "0-shot")
    train = [_asked(row, f"gsm8k, train row {number}") for number, row in enumerate(source.rows("train"), 1)]
    if len(train) < _SHOTS:
        raise EvaluationError(f"gsm8k: {len(train)} examples in the train split, {_SHOTS} at least are needed")
    chance = Random(_SEED)
    drawn = [chance.sample(train, _SHOTS) for _ in test]
    docs = [[_before(shots), *pair] for shots, pair in zip(drawn, test, strict=True)]
    return Questions(docs, f"{_SHOTS}-shot" + coder.cut((before + question for before, question, _ in docs), _MOST))


def _asked(row: Row, where: str) -> tuple[str, str]:
    return f"Question: {field(row, 'question', str, where)}\nAnswer:", field(row, "answer", str, where)


def _before(shots: Sequence[tuple[str, str]]) -> str:
    return "".join(f"{question} {answer}\n\n" for question, answer in shots)


def item(doc: Any, coder: Coder) -> Item:
    before, question, answer = doc

    def judge(answers: Sequence[Answer]) -> Values:
        return judged(answers[0].text, answer)

    return Item((coder.writing(before + question, _MOST, _UNTIL),), judge)


def judged(text: str, answer: str) -> Values:
    right = _bare(answer)
    strict = _STRICT.search(text)
    numbers = [found[0] for found in _NUMBER.finditer(text)]
    return {
        "strict": float(strict is not None and _bare(strict[1]) == right),
        "flexible": float(bool(numbers) and _bare(numbers[-1]) == right),
    }


def _bare(text: str) -> str:
    """Without what the harness ignores: commas, dollars, all before the last mark, the point at the end."""
    text = text.replace(",", "").replace("$", "").rpartition("#### ")[2]
    return re.sub(r"\.$", "", text).lower()


def metrics(results: Sequence[Values]) -> list[Metric]:
    return [share("strict", results), share("flexible", results)]


TASK = Task(
    "gsm8k",
    "sums told as stories, by generation, 5-shot with a train split, else 0-shot; FILE: JSON lines",
    read,
    item,
    metrics,
    {"strict": SHARE, "flexible": SHARE},
    HubSource("openai/gsm8k", "main"),
)
