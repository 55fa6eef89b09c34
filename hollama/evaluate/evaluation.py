"""The whole of an evaluation: what is to be asked of whom, what is known already, and the figures at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.data import Source
from hollama.evaluate.journal import Journal, key_of
from hollama.evaluate.metrics import Metric, macro
from hollama.evaluate.on_ray import on_ray, require_ray
from hollama.evaluate.processes import in_processes
from hollama.evaluate.question import Values
from hollama.evaluate.subject import Subject
from hollama.evaluate.task import Questions, Task
from hollama.evaluate.tasks import TASKS
from hollama.evaluate.work import Part, Result, Share, deal, work
from hollama.plugins import Plugins
from hollama.types import OnProgress

_PROBED = 8  # items whose tokens have to be the same for both models


@dataclass(frozen=True)
class Plan:
    """`sources` are by the tasks' names. `at_once` items go through an engine together."""

    subjects: tuple[Subject, ...]
    sources: Mapping[str, Source]
    limit: int | None = None
    at_once: int = 16
    devices: int = 1
    ray: bool = False
    results: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """The figures of a task, by the subject's kind ("quantised", "float"); `groups` are those of its parts alone.

    All items count once, which for a task with groups is lm-evaluation-harness's micro average (`weight_by_size`);
    figures whose names end in `_macro` count each group once.
    """

    task: str
    note: str
    items: int
    metrics: Mapping[str, Sequence[Metric]]
    groups: Sequence[Outcome] = ()


def evaluate(plan: Plan, plugins: Plugins, report: OnProgress) -> list[Outcome]:
    """Ask what is not in the journal yet, and sum up. Raises HollamaError."""
    if plan.ray:
        require_ray()
    coders = {subject: subject.coder(plugins) for subject in plan.subjects}
    asked = {subject: _questions(plan, coder) for subject, coder in coders.items()}
    _require_alike(plan, coders, asked)
    journal = Journal(plan.results)
    try:
        keys = {subject: _run(plan, subject, asked[subject], journal, report) for subject in plan.subjects}
    finally:
        journal.close()
    return [_outcome(plan, name, asked, keys, journal) for name in plan.sources]


def _questions(plan: Plan, coder: Coder) -> dict[str, Questions]:
    found = {name: TASKS[name].read(source, coder) for name, source in plan.sources.items()}
    for name, questions in found.items():
        if not questions.docs:
            raise EvaluationError(f"{name}: its data holds no items, so there is nothing to measure; name another file")
    return {name: questions.first(plan.limit) for name, questions in found.items()}


def _require_alike(
    plan: Plan, coders: Mapping[Subject, Coder], asked: Mapping[Subject, Mapping[str, Questions]]
) -> None:
    """Figures of models that are asked different tokens say nothing about each other."""
    for name in plan.sources:
        probes = [
            [TASKS[name].item(doc, coder).requests for doc in asked[subject][name].docs[:_PROBED]]
            for subject, coder in coders.items()
        ]
        if any(probe != probes[0] for probe in probes):
            paths = " and ".join(str(subject.path) for subject in coders)
            raise EvaluationError(
                f"{name}: {paths} cut the same text into different tokens; "
                "the float checkpoint has to be the one that the package was compiled from"
            )


def _run(
    plan: Plan, subject: Subject, asked: Mapping[str, Questions], journal: Journal, report: OnProgress
) -> dict[str, list[str]]:
    """Fill the journal; returns the keys of all items of each task."""
    digest = subject.digest()
    keys = {
        name: [key_of(digest, name, subject.context, doc) for doc in questions.docs]
        for name, questions in asked.items()
    }
    missing = {
        name: tuple(number for number, key in enumerate(keys[name]) if not TASKS[name].fits(journal.get(key)))
        for name in keys
    }
    parts = tuple(Part(name, plan.sources[name], numbers) for name, numbers in missing.items() if numbers)
    left = {name: len(numbers) for name, numbers in missing.items()}
    for name in keys:
        report(_line(subject, name), len(keys[name]) - left[name], len(keys[name]))
    for result in _results(plan, Share(subject, parts, plan.at_once)) if parts else ():
        name = result.task
        about = {"model": subject.kind, "task": name, "item": result.number}
        journal.put(keys[name][result.number], result.values, about)
        left[name] -= 1
        report(_line(subject, name), len(keys[name]) - left[name], len(keys[name]))
    return keys


def _results(plan: Plan, share: Share) -> Iterator[Result]:
    if plan.ray:
        return on_ray(deal(share, plan.devices))
    return in_processes(deal(share, plan.devices)) if plan.devices > 1 else work(share)


def _line(subject: Subject, name: str) -> str:
    return f"{name}, {subject.kind}"


def _outcome(
    plan: Plan,
    name: str,
    asked: Mapping[Subject, Mapping[str, Questions]],
    keys: Mapping[Subject, Mapping[str, Sequence[str]]],
    journal: Journal,
) -> Outcome:
    """In the items' order, whatever order they came in."""
    questions, task = asked[plan.subjects[0]][name], TASKS[name]
    values = {
        subject.kind: [values for key in keys[subject][name] if (values := journal.get(key)) is not None]
        for subject in plan.subjects
    }
    metrics = {kind: task.metrics(found) for kind, found in values.items()}
    groups = _groups(task, questions, values)
    if len(groups) > 1:
        metrics = {
            kind: [
                *metrics[kind],
                *(macro(row) for row in zip(*(group.metrics[kind] for group in groups), strict=True)),
            ]
            for kind in metrics
        }
    return Outcome(name, questions.note, len(questions.docs), metrics, groups)


def _groups(task: Task, questions: Questions, values: Mapping[str, Sequence[Values]]) -> list[Outcome]:
    """In the order of their names."""
    places: dict[str, list[int]] = {}
    for number, group in enumerate(questions.groups):
        places.setdefault(group, []).append(number)
    return [
        Outcome(group, "", len(there), {kind: task.metrics([of[at] for at in there]) for kind, of in values.items()})
        for group, there in sorted(places.items())
    ]
