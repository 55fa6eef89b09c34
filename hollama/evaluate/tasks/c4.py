"""C4's validation split in windows: as GPTQ's code has it, 1,100 documents joined by spaces, of which 256 windows."""

from __future__ import annotations

from itertools import islice

from hollama.evaluate.coder import Coder
from hollama.evaluate.data import HubSource, Source, field
from hollama.evaluate.task import Questions, Task
from hollama.evaluate.tasks import windows

_DOCUMENTS, _WINDOWS = 1100, 256


def read(source: Source, coder: Coder) -> Questions:
    rows = islice(source.rows("validation"), _DOCUMENTS)
    texts = [field(row, "text", str, f"c4, row {number}") for number, row in enumerate(rows, 1)]
    return windows.windows_of(" ".join(texts), coder, _WINDOWS)


TASK = Task(
    "c4",
    "perplexity on C4 (validation), GPTQ's protocol; FILE: JSON lines with `text`",
    read,
    windows.item,
    windows.metrics,
    windows.VALUES,
    HubSource("allenai/c4", file="en/c4-validation.00000-of-00008.json.gz"),
)
