"""WikiText-2 as lm-evaluation-harness has it (its task `wikitext`, version 2): pages, undone of their tokenisation.

Each page is scored by itself and every token of it predicted (`Coder.rolling`); words and bytes are counted before the
tokenisation was undone. A file holds the raw text of WikiText-2, or JSON lines with a `page` each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.data import FileSource, HubSource, Row, Source, field
from hollama.evaluate.metrics import Metric, bits, unit_perplexity
from hollama.evaluate.question import COUNT, LOGPROB, Answer, Item, Values
from hollama.evaluate.task import Questions, Task

_NUMBERS = ((" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."))
_POINTS = ((" : ", ": "), (" ; ", "; "), (" . ", ". "), (" ! ", "! "), (" ? ", "? "), (" , ", ", "))
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ('"', '"'), ("'", "'"))
_REST = (
    ("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" \u00b0 ", "\u00b0"),
    (" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s"),
)  # fmt: skip


def read(source: Source, coder: Coder) -> Questions:
    if isinstance(source, FileSource) and not {".jsonl", ".json"} & set(source.path.suffixes):
        return Questions(list(pages(source.text("test"))))
    rows = source.rows("test")
    return Questions([_page(row, f"wikitext, row {number}") for number, row in enumerate(rows, 1)])


def _page(row: Row, where: str) -> Any:
    page = field(row, "page", str, where)
    if not page:
        raise EvaluationError(f"{where}: the page is empty")
    return page


def pages(text: str) -> Iterator[str]:
    """Articles, each from its heading ` = Title = ` on, as EleutherAI/wikitext_document_level was made."""
    page: list[str] = []
    for line in text.split("\n"):
        bare = line.replace("= = =", "===").replace("= =", "==").strip()
        if bare.startswith("= ") and bare.endswith(" ="):
            if "".join(page).strip():
                yield "\n".join(page)
            page = []
        page.append(line)
    yield "\n".join(page)


def plain(page: str) -> str:
    """The page as people write, by lm-evaluation-harness's replacements (one of which never finds anything)."""
    page = page.replace("s '", "s'")
    for old, new in (*_NUMBERS, *_POINTS):
        page = page.replace(old, new)
    for opening, closing in _PAIRS:
        page = _tightened(page, re.escape(opening), re.escape(closing))
    for old, new in _REST:
        page = page.replace(old, new)
    return page


def _tightened(page: str, opening: str, closing: str) -> str:
    """Without the spaces that a pair of brackets or quotes begins and ends with.

    What follows an opening one that is never closed is matched too: else it is searched from each one in it.
    """
    found = rf"({opening})([^{closing}]*)({closing}?)"
    return re.sub(found, lambda pair: f"{pair[1]}{pair[2].strip()}{pair[3]}" if pair[3] else pair[0], page)


def item(doc: Any, coder: Coder) -> Item:
    words, size = len(re.split(r"\s+", doc)), len(doc.encode("utf-8", "replace"))

    def judge(answers: Sequence[Answer]) -> Values:
        return {"logprob": sum(answer.logprob for answer in answers), "words": words, "bytes": size}

    return Item(tuple(coder.rolling(plain(doc))), judge)


def metrics(results: Sequence[Values]) -> list[Metric]:
    return [
        unit_perplexity("word_perplexity", "words", results),
        unit_perplexity("byte_perplexity", "bytes", results),
        bits("bits_per_byte", "bytes", results),
    ]


TASK = Task(
    "wikitext-pages",
    "word and byte perplexity on WikiText-2, as lm-evaluation-harness; FILE: the raw text",
    read,
    item,
    metrics,
    {"logprob": LOGPROB, "words": COUNT, "bytes": COUNT},
    HubSource("EleutherAI/wikitext_document_level", "wikitext-2-raw-v1"),
)
