"""HellaSwag (validation), no examples: which of four endings goes on? As lm-evaluation-harness (version 1).

A file holds JSON lines with the hub's fields, or llama.cpp's text: six lines an item (context with its topic in front,
the right ending's number, four endings), whose contexts are taken as they are written there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.data import FileSource, HubSource, Row, Source, bounded, field, texts
from hollama.evaluate.metrics import Metric, share
from hollama.evaluate.question import Item, Values
from hollama.evaluate.task import Questions, Task
from hollama.evaluate.tasks.choices import VALUES, choose

_LINES = 6  # of an item in llama.cpp's file


def read(source: Source, coder: Coder) -> Questions:
    if isinstance(source, FileSource) and ".txt" in source.path.suffixes:
        return Questions(list(bounded(_plain(source), source.path)), "0-shot")
    rows = source.rows("validation")
    return Questions([_doc(row, f"hellaswag, row {number}") for number, row in enumerate(rows, 1)], "0-shot")


def _plain(source: FileSource) -> Iterator[list[Any]]:
    lines = source.text("validation").rstrip("\n").split("\n")
    if len(lines) % _LINES:
        raise EvaluationError(f"{source.path}: {len(lines)} lines; an item has {_LINES}")
    for start in range(0, len(lines), _LINES):
        context, label, *endings = lines[start : start + _LINES]
        where = f"{source.path}, line {start + 2}"
        yield [clean(context), [_filled(clean(ending), where) for ending in endings], _label(label, where)]


def _doc(row: Row, where: str) -> list[Any]:
    first, second = field(row, "ctx_a", str, where), field(row, "ctx_b", str, where)
    topic = field(row, "activity_label", str, where)
    endings = [_filled(clean(ending), where) for ending in texts(row, "endings", 4, where)]
    label = _label(str(field(row, "label", (str, int), where)), where)
    return [clean(f"{topic}: {first} {second.capitalize()}"), endings, label]


def _filled(text: str, where: str) -> str:
    if not text:
        raise EvaluationError(f"{where}: an ending is empty")
    return text


def _label(text: str, where: str) -> int:
    if text not in ("0", "1", "2", "3"):
        raise EvaluationError(f"{where}: the right ending is {text!r:.40}; expected 0 to 3")
    return int(text)


def clean(text: str) -> str:
    """Without the marks that WikiHow's texts brought along."""
    text = text.strip().replace(" [title]", ". ")
    # what follows a bracket that is never closed is matched too, and kept: else it is searched from each bracket in it
    return re.sub(r"\[[^\]\n]*\]|(\[[^\]\n]*)", r"\1", text).replace("  ", " ")


def item(doc: Any, coder: Coder) -> Item:
    context, endings, label = doc
    return choose(context, endings, label, coder)


def metrics(results: Sequence[Values]) -> list[Metric]:
    return [share("acc", results), share("acc_norm", results)]


TASK = Task(
    "hellaswag",
    "which ending goes on; FILE: JSON lines, or llama.cpp's text (may be .bz2)",
    read,
    item,
    metrics,
    VALUES,
    HubSource("Rowan/hellaswag"),
)
