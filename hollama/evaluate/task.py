"""What a task is: a spec that each module of `tasks` fills. Knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hollama.evaluate.coder import Coder
from hollama.evaluate.data import HubSource, Source
from hollama.evaluate.metrics import Metric
from hollama.evaluate.question import Item, Values


@dataclass(frozen=True)
class Questions:
    """The items of a data set as JSON values, from which alone they are asked; `note` says how ("5-shot")."""

    docs: Sequence[Any]
    note: str = ""


@dataclass(frozen=True)
class Task:
    """`read` raises EvaluationError for data without sense; `item` turns one of its docs into requests."""

    name: str
    summary: str
    read: Callable[[Source, Coder], Questions]
    item: Callable[[Any, Coder], Item]
    metrics: Callable[[Sequence[Values]], list[Metric]]
    hub: HubSource | None = None  # where its data is on the Hugging Face hub
