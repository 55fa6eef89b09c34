"""What the perplexity tasks share: windows of the KV cache's length, as GPTQ's code cuts a text.

The whole text is encoded once (with a beginning-of-sequence token in front only if the tokenizer puts it there), cut
into disjoint windows, a remainder dropped; every token of a window but its first is predicted. The figure is exp of the
mean negative log-likelihood a token: what papers on quantisation call perplexity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.metrics import Metric, unit_perplexity
from hollama.evaluate.question import COUNT, LOGPROB, Answer, Item, Scoring, Values
from hollama.evaluate.task import Questions

VALUES = {"logprob": LOGPROB, "tokens": COUNT}


def windows_of(text: str, coder: Coder, most: int | None = None) -> Questions:
    """Raises EvaluationError for a text that does not fill one window."""
    windows = list(coder.windows(text))[:most]
    if not windows:
        raise EvaluationError(
            f"the text has {len(coder.encode(text))} tokens and does not fill one window of {coder.context}, "
            "the context; take a longer text or a smaller --context"
        )
    return Questions(windows, f"windows of {coder.context}")


def item(doc: Any, coder: Coder) -> Item:
    window = tuple(doc)

    def judge(answers: Sequence[Answer]) -> Values:
        return {"logprob": answers[0].logprob, "tokens": len(window) - 1}

    return Item((Scoring(window[:1], window[1:]),), judge)


def metrics(results: Sequence[Values]) -> list[Metric]:
    return [unit_perplexity("perplexity", "tokens", results)]
