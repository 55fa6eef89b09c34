"""LAMBADA (OpenAI's test set): the last word of a passage. As lm-evaluation-harness's `lambada_openai` (version 1).

`acc`: whether greedy decoding says the word; `perplexity`: of the words, each counted once however many tokens it has.
A file holds JSON lines with `text`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hollama.evaluate.coder import Coder
from hollama.evaluate.data import HubSource, Source, field
from hollama.evaluate.metrics import Metric, item_perplexity, share
from hollama.evaluate.question import LOGPROB, SHARE, Answer, Item, Values
from hollama.evaluate.task import Questions, Task


def read(source: Source, coder: Coder) -> Questions:
    rows = source.rows("test")
    return Questions([field(row, "text", str, f"lambada, row {number}") for number, row in enumerate(rows, 1)])


def item(doc: Any, coder: Coder) -> Item:
    context, _, word = doc.rpartition(" ")

    def judge(answers: Sequence[Answer]) -> Values:
        return {"acc": float(answers[0].greedy), "logprob": answers[0].logprob}

    return Item((coder.pair(context, f" {word}", greedy=True),), judge)


def metrics(results: Sequence[Values]) -> list[Metric]:
    return [share("acc", results), item_perplexity(results)]


TASK = Task(
    "lambada",
    "the last word of a passage; FILE: JSON lines with `text`",
    read,
    item,
    metrics,
    {"acc": SHARE, "logprob": LOGPROB},
    HubSource("EleutherAI/lambada_openai", "default"),
)
