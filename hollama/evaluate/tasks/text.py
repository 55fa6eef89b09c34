"""Perplexity of any text, taken as it is, in windows."""

from __future__ import annotations

from hollama.evaluate.coder import Coder
from hollama.evaluate.data import Source
from hollama.evaluate.task import Questions, Task
from hollama.evaluate.tasks import windows


def read(source: Source, coder: Coder) -> Questions:
    return windows.windows_of(source.text("test"), coder)


TASK = Task(
    "text", "perplexity on any text, cut in the same windows", read, windows.item, windows.metrics, windows.VALUES
)
