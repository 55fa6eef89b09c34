"""What a task is: a spec that each module of `tasks` fills. Knows none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hollama.evaluate.coder import Coder
from hollama.evaluate.data import HubSource, Source
from hollama.evaluate.metrics import Metric
from hollama.evaluate.question import Item, Range, Values


@dataclass(frozen=True)
class Questions:
    """The items of a data set as JSON values, from which alone they are asked; `note` says how ("5-shot").

    `groups` name the part of the data set (MMLU's subject) that each of `docs` is of, where there are such parts.
    """

    docs: Sequence[Any]
    note: str = ""
    groups: Sequence[str] = ()

    def first(self, limit: int | None) -> Questions:
        """The first `limit` items, of each group where there are groups, as lm-evaluation-harness counts them."""
        if limit is None:
            return self
        if not self.groups:
            return self._only(range(min(limit, len(self.docs))), f"the first {limit}")
        kept, seen = [], Counter[str]()
        for number, group in enumerate(self.groups):
            seen[group] += 1
            if seen[group] <= limit:
                kept.append(number)
        return self._only(kept, f"the first {limit} of each subject")

    def _only(self, numbers: Sequence[int], which: str) -> Questions:
        if len(numbers) == len(self.docs):
            return self
        groups = [self.groups[number] for number in numbers] if self.groups else ()
        note = f"{self.note}, {which}" if self.note else which
        return Questions([self.docs[number] for number in numbers], note, groups)


@dataclass(frozen=True)
class Task:
    """`read` raises EvaluationError for data without sense; `item` turns one of its docs into requests.

    `values` are what it notes of an item, by their names.
    """

    name: str
    summary: str
    read: Callable[[Source, Coder], Questions]
    item: Callable[[Any, Coder], Item]
    metrics: Callable[[Sequence[Values]], list[Metric]]
    values: Mapping[str, Range]
    hub: HubSource | None = None  # where its data is on the Hugging Face hub

    def fits(self, values: Values | None) -> bool:
        """Whether these can be the values of an item: a journal may hold anything."""
        return (
            values is not None
            and values.keys() == self.values.keys()
            and all(least <= values[name] <= most for name, (least, most) in self.values.items())
        )
