"""What multiple-choice tasks share: the choice that is most probable behind the question wins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hollama.evaluate.coder import Coder
from hollama.evaluate.question import SHARE, Answer, Item, Values

VALUES = {"acc": SHARE, "acc_norm": SHARE}


def choose(context: str, choices: Sequence[str], label: int, coder: Coder) -> Item:
    """`acc`: whether the most probable choice is the right one. `acc_norm`: the most probable a character.

    As lm-evaluation-harness: each choice follows a space, which its length does not count; of equals the first wins.
    """
    lengths = np.array([len(choice) for choice in choices], np.float64)

    def judge(answers: Sequence[Answer]) -> Values:
        sums = np.array([answer.logprob for answer in answers])
        return {"acc": float(sums.argmax() == label), "acc_norm": float((sums / lengths).argmax() == label)}

    return Item(tuple(coder.pair(context, f" {choice}") for choice in choices), judge)
