"""What a job's answer is, whoever else runs."""

import numpy as np
import pytest
from hollama_backends.null import NullModel, hashed
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import BackendError, ContextOverflow, RequestError
from hollama.interfaces import Limits
from tests.engine.desk import VOCAB, Desk, null_model


def test_answer_is_what_the_history_says(desk):
    box = desk.answer([1, 2, 3], num_predict=5)
    assert len(box.tokens) == 5 and box.end.reason == "length"
    assert box.end.tokens == tuple(box.tokens)


def test_stop_token_ends_and_is_counted_but_not_shown(desk):
    tokens = desk.answer([1, 2, 3], num_predict=9).tokens
    box = desk.answer([1, 2, 3], num_predict=9, stop_tokens=frozenset({tokens[4]}))
    shown = tokens[: tokens.index(tokens[4])]
    assert box.tokens == shown
    assert (box.end.reason, box.end.generated_tokens) == ("stop", len(shown) + 1)


def test_prefill_goes_in_chunks_and_wants_logits_of_the_last_only(desk):
    desk.answer(range(20), num_predict=1)
    assert desk.model.steps == [(8,), (8,), (4,)]


def test_second_turn_evaluates_only_what_is_new(desk):
    prompt = list(range(20))
    answer = desk.answer(prompt, num_predict=4).tokens
    before = desk.model.evaluated
    box = desk.answer([*prompt, *answer, 5], num_predict=1)
    assert desk.model.evaluated - before == 2  # the last answer token was never fed, and the new one
    assert box.end.cached_tokens == 23 and box.end.prompt_tokens == 25


def test_same_prompt_again_evaluates_its_last_token(desk):
    first = desk.answer(range(20), num_predict=6)
    before = desk.model.evaluated
    second = desk.answer(range(20), num_predict=6)
    assert second.tokens == first.tokens
    assert desk.model.evaluated - before == 1 + 5


def test_running_answers_wait_at_most_one_chunk(make_desk):
    desk = make_desk(parallel=4)
    first = desk.submit([1], num_predict=30)
    desk.step()
    for start in (2, 3, 4):
        desk.submit([start] * 20, num_predict=1)
    for _ in range(6):
        before = len(first.tokens)
        desk.step()
        assert len(first.tokens) == before + 1
        assert sum(desk.model.steps[-1]) <= 1 + 8


def test_prompts_fill_a_step_where_no_answer_waits_for_it(make_desk):
    desk = make_desk(parallel=4, rows=20)
    boxes = [desk.submit([start] * 20, num_predict=9) for start in range(4)]
    desk.step()
    desk.step()
    assert desk.model.steps == [(8, 8, 4), (8, 8, 4)]
    while not boxes[0].tokens:
        desk.step()
    desk.step()
    assert sum(count for count in desk.model.steps[-1] if count > 1) == 8


@pytest.mark.parametrize(("bound", "most"), [(0, 1), (2, 3), (99, 17), (-1, 1)])
def test_guesses_keep_to_their_bound(bound, most):
    certain = np.arange(VOCAB, dtype=np.float32) * 100
    model = NullModel(lambda history: np.roll(certain, history[-1]), VOCAB, Limits(300, 64, 4))
    Desk(model).answer([1], num_predict=200, draft_num_predict=bound)
    assert max(sum(step) for step in model.steps) == most


def test_short_prompt_does_not_wait_for_all_of_a_long_one(desk):
    long, short = desk.submit([1] * 60, num_predict=1), desk.submit([2] * 5, num_predict=1)
    desk.step()
    desk.step()
    assert short.events and not long.events


def test_jobs_start_in_their_order(make_desk):
    desk = make_desk(parallel=1)
    boxes = [desk.submit([start], num_predict=2) for start in range(3)]
    desk.step()
    assert [len(box.tokens) for box in boxes] == [1, 0, 0]
    assert (desk.scheduler.busy, desk.scheduler.waiting) == (1, 2)


def test_no_more_slots_than_the_device_has_sessions(make_desk):
    desk = make_desk(parallel=5, sessions=2)
    boxes = [desk.submit([start], num_predict=3) for start in range(5)]
    desk.step()
    assert desk.scheduler.busy == 2
    desk.run()
    assert all(box.end.reason == "length" for box in boxes)


def test_cancelled_job_frees_its_slot_at_the_next_step(make_desk):
    desk = make_desk(parallel=1)
    first, second = desk.submit([1], num_predict=50), desk.submit([2], num_predict=1)
    desk.step()
    first.cancelled = True
    desk.step()
    assert len(first.tokens) == 1 and len(second.tokens) == 1


def test_cancelled_while_waiting_never_runs(make_desk):
    desk = make_desk(parallel=1)
    desk.submit([1], num_predict=2)
    waiting = desk.submit([2], num_predict=2)
    waiting.cancelled = True
    desk.run()
    assert not waiting.events


@pytest.mark.parametrize(("num_predict", "expected"), [(-1, 640), (0, 640), (5, 5), (10**9, 640), (3.9, 3)])
def test_answer_is_bounded_by_ten_contexts(desk, num_predict, expected):
    assert desk.answer([1, 2], num_predict=num_predict).end.generated_tokens == expected


def test_without_shift_a_full_context_ends_the_answer(make_desk):
    box = make_desk(context=16).answer([1, 2], shift=False)
    assert (box.end.reason, box.end.generated_tokens) == ("length", 14)


def test_num_ctx_is_the_context_of_the_job(desk):
    assert desk.answer([1, 2], num_ctx=10, shift=False).end.generated_tokens == 8


@pytest.mark.parametrize(("num_keep", "kept"), [(4, 4), (0, 0), (-1, 6), (1000, 28)])
def test_shift_forgets_the_older_half_after_num_keep(num_keep, kept):
    prompt, histories, answer = [1, 2, 3, 4, 5, 6], [], hashed(VOCAB)

    def spy(history):
        histories.append(list(history))
        return answer(history)

    box = Desk(NullModel(spy, VOCAB, Limits(32, 8, 4))).answer(
        prompt, num_predict=30, num_keep=num_keep, draft_num_predict=0
    )
    window = prompt + box.tokens[:26]
    assert len(window) == 32
    assert histories[26] == window[:kept] + window[kept + (32 - kept) // 2 :]


def test_backend_failure_fails_the_jobs_of_the_step_and_no_other(make_desk):
    desk = make_desk(parallel=2)
    step = desk.model.step
    failing, late = desk.submit([1], num_predict=3), desk.submit([2], num_predict=3)
    desk.step()
    waiting = desk.submit([3], num_predict=3)
    desk.model.step = lambda work: 1 / 0
    desk.step()
    desk.model.step = step
    desk.run()
    for box in (failing, late):
        assert isinstance(box.events[-1], BackendError) and "ZeroDivisionError" in str(box.events[-1])
    assert failing.events[-1] is not late.events[-1]
    assert waiting.end.reason == "length"


@pytest.mark.parametrize("rows", [[], [None], [1, 2]])
def test_backend_with_wrong_rows_fails_its_jobs_only(desk, rows):
    step, desk.model.step = desk.model.step, lambda work: rows
    box = desk.answer([1], num_predict=3)
    assert "other logits" in str(box.events[-1])
    desk.model.step = step
    assert desk.answer([1], num_predict=3).end.reason == "length"


def test_no_session_to_open_fails_only_its_job(desk):
    others = [desk.model.open() for _ in range(16)]
    assert "all 16 sessions" in str(desk.answer([1], num_predict=1).events[-1])
    others[0].close()
    assert desk.answer([1], num_predict=1).end.reason == "length"


class Deaf:
    def accept(self, token):
        raise ValueError("cannot hear")

    def flush(self):
        return ""


def test_listener_that_raises_fails_only_its_job(desk):
    good, bad = desk.submit([1], num_predict=4), desk.submit([2], Deaf(), num_predict=4)
    desk.run()
    assert good.end.reason == "length"
    assert isinstance(bad.events[-1], ValueError)


def test_listener_ends_the_answer(desk, model):
    tokens = desk.answer([1], num_predict=9).tokens

    class Stopping:
        def accept(self, token):
            return "", token == tokens[3]

        def flush(self):
            return "rest"

    box = desk.answer([1], listener=Stopping(), num_predict=9)
    assert box.tokens == tokens[: tokens.index(tokens[3]) + 1]
    assert (box.end.reason, box.end.text) == ("stop", "rest")


def test_device_that_cannot_rewind_gives_the_same(make_desk):
    jobs = [([1] * 20, 5), ([1] * 20, 5), ([1] * 10 + [2], 5), ([3] * 3, 100)]
    able, unable = make_desk(context=32), make_desk(context=32, rewind=False)

    def refuse(position):
        raise BackendError("cannot rewind")

    opened = unable.model.open

    def opening(adapter=""):
        session = opened(adapter)
        session.rewind = refuse
        return session

    unable.model.open = opening
    for prompt, count in jobs:
        assert able.answer(prompt, num_predict=count).tokens == unable.answer(prompt, num_predict=count).tokens


@pytest.mark.parametrize(
    ("prompt", "options", "error"),
    [
        ([], {}, RequestError),
        ([1] * 65, {}, ContextOverflow),
        ([1] * 11, {"num_ctx": 10}, ContextOverflow),
        ([1, 40], {}, RequestError),
        ([-1], {}, RequestError),
        ([1], {"seed": float("nan")}, RequestError),
        ([1], {"num_ctx": "many"}, RequestError),
    ],
)
def test_jobs_without_sense_are_refused_at_the_door(desk, prompt, options, error):
    with pytest.raises(error):
        desk.submit(prompt, **options)


def test_closing_ends_every_job(make_desk):
    desk = make_desk(parallel=1)
    boxes = [desk.submit([1]), desk.submit([2])]
    desk.step()
    desk.scheduler.close("unloaded")
    assert [str(box.events[-1]) for box in boxes] == ["unloaded", "unloaded"]
    assert not desk.model.sessions


def test_statistics_are_true(make_desk):
    """The clock stands still but for the model's steps, a millisecond each."""
    desk = make_desk(parallel=1)
    now = [0]
    step = desk.model.step

    def timed(work):
        now[0] += 1_000_000
        return step(work)

    desk.model.step = timed
    desk.scheduler = type(desk.scheduler)(desk.model, 1, clock=lambda: now[0])
    first, second = desk.submit(range(20), num_predict=5), desk.submit(range(20), num_predict=5)
    desk.run()
    assert (first.end.prompt_ns, first.end.generation_ns) == (3_000_000, 4_000_000)
    assert (second.end.prompt_ns, second.end.generation_ns) == (1_000_000, 4_000_000)  # waiting is not in it
    assert (second.end.prompt_tokens, second.end.cached_tokens, second.end.generated_tokens) == (20, 19, 5)


heads = st.sampled_from([[], [7], [7, 8, 9, 7, 8], list(range(18))])
jobs = st.lists(
    st.tuples(
        st.builds(list.__add__, heads, st.lists(st.integers(0, 3), min_size=1, max_size=12)),
        st.fixed_dictionaries(
            {
                "num_predict": st.integers(1, 40),
                "num_keep": st.sampled_from([-1, 0, 4]),
                "shift": st.booleans(),
                "num_ctx": st.sampled_from([31, 40]),
            }
        ),
        st.integers(0, 12),  # steps until the next is submitted
        st.one_of(st.none(), st.none(), st.integers(0, 20)),  # tokens after which it is cancelled
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(jobs, st.integers(1, 4), st.integers(1, 9), st.integers(1, 6), st.booleans())
def test_every_job_gets_what_it_gets_alone(plan, parallel, chunk, sessions, rewind):
    desk = Desk(null_model(40, chunk, sessions, rewind=rewind), parallel)
    boxes = []
    for prompt, options, steps, cancel in plan:
        boxes.append((desk.submit(prompt, **options), cancel))
        for _ in range(steps):
            desk.step()
            for box, after in boxes:
                box.cancelled = after is not None and len(box.tokens) >= after
    desk.run()
    for (box, _), (prompt, options, _, _) in zip(boxes, plan, strict=True):
        alone = Desk(null_model(40, 64, 1), 1).answer(prompt, **options)
        assert box.tokens == alone.tokens[: len(box.tokens)]
        if not box.cancelled:
            assert box.end.tokens == alone.end.tokens and box.end.reason == alone.end.reason
