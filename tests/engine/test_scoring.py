"""Log-probabilities of a prompt's own tokens: all of them, once, in order, and those of the very logits."""

from __future__ import annotations

import numpy as np
import pytest
from hollama_backends.null import NullModel, hashed
from hypothesis import given
from hypothesis import strategies as st

from hollama.engine import scheduler
from hollama.engine.job import End, Scored, Token
from hollama.errors import RequestError
from hollama.sampling.probabilities import log_softmax
from tests.engine.desk import VOCAB, Desk, null_model
from tests.engine.paged import PagedModel

PROMPT = [(7 * n + n // 3) % VOCAB for n in range(30)]


def expected(prompt: list[int], start: int) -> list[float]:
    logits = hashed(VOCAB)
    return [float(log_softmax(logits(prompt[:place]))[prompt[place]]) for place in range(start, len(prompt))]


def test_a_prompt_is_scored_before_it_is_answered(desk: Desk) -> None:
    box = desk.answer(PROMPT, scored_from=1, num_predict=3)
    assert box.scores == expected(PROMPT, 1)
    kinds = [type(event) for event in box.events]
    assert kinds == [Scored] * kinds.count(Scored) + [Token] * 3 + [End]
    assert box.tokens == desk.answer(PROMPT, num_predict=3).tokens


def test_a_score_alone_has_no_answer(desk: Desk) -> None:
    box = desk.answer(PROMPT, scored_from=1, answered=False)
    assert (box.scores, box.tokens) == (expected(PROMPT, 1), [])
    assert (box.end.reason, box.end.generated_tokens, box.end.prompt_tokens) == ("length", 0, 30)


@given(
    prompts=st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(1, 30)), max_size=6),
    chunk=st.integers(1, 9),
    parallel=st.integers(1, 3),
    forks=st.booleans(),
)
def test_no_score_depends_on_what_is_kept_or_shares_a_step(
    prompts: list[tuple[list[int], int]], chunk: int, parallel: int, forks: bool
) -> None:
    desk = Desk(null_model(chunk=chunk, fork=forks), parallel)
    asked = [(prompt, min(start, len(prompt))) for prompt, start in prompts]
    boxes = [desk.submit(prompt, scored_from=start, num_predict=2) for prompt, start in asked]
    desk.run()
    assert [box.scores for box in boxes] == [expected(*one) for one in asked]


def test_what_stands_before_is_taken_from_the_cache(desk: Desk) -> None:
    desk.answer(PROMPT, num_predict=1)
    box = desk.answer([*PROMPT[:20], 1, 2, 3], scored_from=20, answered=False)
    assert box.end.cached_tokens == 19  # the last one's logits say what comes at 20
    assert box.scores == expected([*PROMPT[:20], 1, 2, 3], 20)
    assert desk.answer(PROMPT, scored_from=1, answered=False).end.cached_tokens == 0


def test_logits_of_a_step_stay_within_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_LOGITS", 4 * VOCAB * 5)
    widest = 0

    class Watched(NullModel):
        def step(self, work):  # type: ignore[no-untyped-def]
            nonlocal widest
            widest = max(widest, sum(piece.wanted for piece in work))
            return super().step(work)

    desk = Desk(Watched(hashed(VOCAB), VOCAB, null_model(chunk=16).limits), 3)
    boxes = [desk.submit([n, *PROMPT], scored_from=12, answered=False) for n in range(3)]
    desk.run()
    assert [box.scores for box in boxes] == [expected([n, *PROMPT], 12) for n in range(3)]
    assert widest == 5


def test_a_job_that_had_to_wait_scores_nothing_twice() -> None:
    model = PagedModel(hashed(VOCAB), VOCAB, null_model(chunk=4).limits, pages=10)
    desk = Desk(model, 2)
    prompts = [[n, *PROMPT] for n in range(2)]
    boxes = [desk.submit(prompt, scored_from=1, num_predict=4) for prompt in prompts]
    desk.run()
    assert [box.scores for box in boxes] == [expected(prompt, 1) for prompt in prompts]
    assert model.shortages


def test_a_stop_token_is_told_where_scores_are_wanted(desk: Desk) -> None:
    (token,) = desk.answer(PROMPT, num_predict=1).tokens
    box = desk.answer(PROMPT, scored_from=1, stop_tokens=frozenset([token]), top_logprobs=1)
    said = next(event for event in box.events if isinstance(event, Token))
    assert (said.id, said.text, box.end.reason, box.end.tokens) == (token, "", "stop", ())
    assert said.logprob == float(log_softmax(hashed(VOCAB)(PROMPT))[token])


def test_rivals_come_with_the_scores(desk: Desk) -> None:
    (first, *_), *_ = [event.top for event in desk.answer(PROMPT, scored_from=1, top_logprobs=2).events[:1]]
    values = log_softmax(hashed(VOCAB)(PROMPT[:1]))
    assert first == tuple((int(token), float(values[token])) for token in np.argsort(-values)[:2])


@pytest.mark.parametrize("start", [0, -1, 31])
def test_a_score_without_sense_is_refused(desk: Desk, start: int) -> None:
    with pytest.raises(RequestError, match="scored_from"):
        desk.answer(PROMPT, scored_from=start)
