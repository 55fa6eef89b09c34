"""WikiText-2's test split in windows. A file holds the raw text, one paragraph or heading a line.

GPTQ's text is the hub's rows joined by two line feeds; there an empty line is an empty row, any other keeps its own
line feed. The same is made of a file here.
"""

from __future__ import annotations

from hollama.evaluate.coder import Coder
from hollama.evaluate.data import HubSource, Source
from hollama.evaluate.task import Questions, Task
from hollama.evaluate.tasks import windows


def read(source: Source, coder: Coder) -> Questions:
    lines = source.text("test").splitlines(keepends=True)
    return windows.windows_of("\n\n".join(line if line.strip() else "" for line in lines), coder)


TASK = Task(
    "wikitext",
    "perplexity on WikiText-2 (test), GPTQ's protocol; FILE: the raw text",
    read,
    windows.item,
    windows.metrics,
    windows.VALUES,
    HubSource("Salesforce/wikitext", "wikitext-2-raw-v1"),
)
