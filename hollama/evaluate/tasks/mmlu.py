"""MMLU (test): questions of 57 subjects with four choices, answered by a letter. As lm-evaluation-harness (version 1).

Five examples of the subject stand before each question where there is a `dev` split, none otherwise. A folder has CSV
files SUBJECT_test.csv and SUBJECT_dev.csv, in folders of their own or not; a file holds one subject, or JSON lines with
the hub's fields (`question`, `choices`, `answer`, `subject`). CSV files have a header: question, choice0 to choice3,
answer (0 to 3, or A to D).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.data import HubSource, Row, Source, field, texts
from hollama.evaluate.metrics import Metric, share
from hollama.evaluate.question import Item, Values
from hollama.evaluate.task import Questions, Task
from hollama.evaluate.tasks.choices import VALUES, choose

_LETTERS = "ABCD"
_SHOTS = 5


def read(source: Source, coder: Coder) -> Questions:
    examples = _examples(source) if source.has("dev") else {}
    docs: list[tuple[str, int]] = []
    subjects = []
    for number, row in enumerate(source.rows("test"), 1):
        where = f"mmlu, row {number}"
        subject, question, answer = _parts(row, where)
        if examples and subject not in examples:
            raise EvaluationError(f'{where}: there are no examples of the subject "{subject}" in the dev split')
        subjects.append(subject)
        docs.append((introduction(subject) + examples.get(subject, "") + question, answer))
    shots = f"{_SHOTS if examples else 0}-shot"
    return Questions(docs, shots + coder.cut((prompt for prompt, _ in docs), 1), subjects)


def introduction(subject: str) -> str:
    return f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"


def _examples(source: Source) -> Mapping[str, str]:
    """By subject, in front of each question."""
    found: dict[str, list[str]] = {}
    for number, row in enumerate(source.rows("dev"), 1):
        subject, question, answer = _parts(row, f"mmlu, dev row {number}")
        found.setdefault(subject, []).append(f"{question} {_LETTERS[answer]}\n\n")
    return {subject: "".join(shots[:_SHOTS]) for subject, shots in found.items()}


def _parts(row: Row, where: str) -> tuple[str, str, int]:
    """The subject, the question as it is asked, the right answer."""
    if "_file" in row:
        name = field(row, "_file", str, where)
        subject = name.split(".")[0].removesuffix("_test").removesuffix("_dev")
        where = f"{where} ({name})"
        choices = [field(row, f"choice{number}", str, where) for number in range(len(_LETTERS))]
    else:
        subject = field(row, "subject", str, where)
        choices = texts(row, "choices", len(_LETTERS), where)
    question = field(row, "question", str, where).strip()
    listed = "".join(f"\n{letter}. {choice}" for letter, choice in zip(_LETTERS, choices, strict=True))
    return subject, f"{question}{listed}\nAnswer:", _answer(field(row, "answer", (str, int), where), where)


def _answer(value: str | int, where: str) -> int:
    text = str(value).strip()
    if text in ("0", "1", "2", "3"):
        return int(text)
    if len(text) == 1 and text in _LETTERS:
        return _LETTERS.index(text)
    raise EvaluationError(f"{where}: the answer is {text!r:.40}; expected 0 to 3, or A to D")


def item(doc: Any, coder: Coder) -> Item:
    context, answer = doc
    return choose(context, _LETTERS, answer, coder)


def metrics(results: Sequence[Values]) -> list[Metric]:
    return [share("acc", results)]


TASK = Task(
    "mmlu",
    "questions of 57 subjects, 5-shot with a dev split, else 0-shot; FILE: the folder of CSV files",
    read,
    item,
    metrics,
    VALUES,
    HubSource("cais/mmlu", "all"),
)
