"""What is not evaluated again: contexts that are taken over, forked, waited for, and forgotten."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.engine.pool import Context, ContextPool
from hollama.engine.tokens import Tokens
from hollama.errors import RequestError
from tests.engine.desk import Desk, null_model

SYSTEM = [7, 8, 9] * 12


def paid(desk: Desk, prompt: list[int], **options: object) -> int:
    """Tokens of the prompt that were evaluated."""
    end = desk.answer(prompt, **{"num_predict": 1, **options}).end
    return end.prompt_tokens - end.cached_tokens


ids = st.lists(st.integers(0, 2), max_size=40)


@given(ids, ids)
def test_common_beginning(one, other):
    expected = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    assert Tokens(one).common(Tokens(other)) == (min(len(one), len(other)) if expected is None else expected)


@given(st.lists(st.one_of(ids, st.integers(0, 50))))
def test_tokens_grow_and_are_cut_like_a_list(changes):
    tokens, model = Tokens(), []
    for change in changes:
        if isinstance(change, int):
            tokens.cut(change)
            del model[change:]
        else:
            tokens.extend(change)
            model += change
        assert tokens.ids.tolist() == model and len(tokens) == len(model)


def test_conversations_in_turn_pay_for_their_new_tokens_only(make_desk):
    desk = make_desk(parallel=1, sessions=8)
    prompts = [[*SYSTEM, start, start] for start in range(6)]
    assert [paid(desk, prompt) for prompt in prompts] == [38, 2, 2, 2, 2, 2]
    for _ in range(3):
        prompts = [[*prompt, 1, 2] for prompt in prompts]
        assert [paid(desk, prompt) for prompt in prompts] == [2] * 6


def test_what_one_adapter_has_evaluated_is_no_other_ones(make_desk):
    desk = make_desk(parallel=1, sessions=3, adapters=("a", "b"))
    costs = [paid(desk, SYSTEM, adapter=adapter) for adapter in ("", "a", "b", "", "a", "b")]
    assert costs == [36] * 3 + [1] * 3
    assert sorted(context.tokens.adapter for context in desk.scheduler._pool.free) == ["", "a", "b"]
    alone = [make_desk(adapters=("a", "b")).answer(SYSTEM, adapter=adapter).tokens for adapter in ("", "a", "b")]
    assert [desk.answer(SYSTEM, adapter=adapter).tokens for adapter in ("", "a", "b")] == alone
    assert len({*map(tuple, alone)}) == 3


def test_a_context_of_another_adapter_makes_room(make_desk):
    desk = make_desk(parallel=1, sessions=1, adapters=("a",))
    assert [paid(desk, SYSTEM, adapter=adapter) for adapter in ("", "a", "a", "")] == [36, 36, 1, 36]


def test_prompts_of_two_adapters_do_not_wait_for_each_other(make_desk):
    desk = make_desk(parallel=2, chunk=8, adapters=("a",))
    desk.submit([*SYSTEM, 1])
    desk.submit([*SYSTEM, 2], adapter="a")
    desk.step()
    assert desk.scheduler.busy == 2


def test_an_adapter_that_is_not_there_is_refused_with_those_that_are(make_desk):
    with pytest.raises(RequestError, match=r'no adapter "c"; there are: a, b'):
        make_desk(adapters=("a", "b")).submit(SYSTEM, adapter="c")


def test_the_same_prompt_again_takes_its_context(make_desk):
    desk = make_desk(parallel=1)
    assert [paid(desk, SYSTEM, num_predict=20) for _ in range(5)] == [36, 1, 1, 1, 1]
    assert len(desk.model.sessions) == 1


def test_without_fork_a_context_is_taken_where_it_spares_half_of_the_prompt(make_desk):
    desk = make_desk(fork=False)
    assert paid(desk, [7, 8, *[1] * 20]) == 22
    assert paid(desk, [7, 8, *[2] * 20]) == 22
    assert paid(desk, [7, 8, *[1] * 20]) == 1


def test_a_running_context_lends_its_beginning(make_desk):
    desk = make_desk(parallel=2)
    running = desk.submit([*SYSTEM, 1], num_predict=20)
    while not running.tokens:
        desk.step()
    assert paid(desk, [*SYSTEM, 2]) == 1
    assert running.end.reason == "length"


@pytest.mark.parametrize("parallel", [2, 8])
def test_a_shared_prefix_is_computed_once_for_all_who_arrive_together(make_desk, parallel):
    desk = make_desk(parallel=parallel)
    boxes = [desk.submit([*SYSTEM, start, start], num_predict=3) for start in range(8)]
    desk.run()
    assert [box.end.cached_tokens for box in boxes] == [0] + [36] * 7
    assert desk.model.evaluated == 36 + 8 * (2 + 2) + sum(box.end.drafted_tokens for box in boxes)


def test_who_waits_for_a_prefix_holds_up_nobody_else(make_desk):
    desk = make_desk(parallel=4, rows=16)
    desk.submit(SYSTEM, num_predict=1)
    desk.submit([*SYSTEM, 1], num_predict=1)
    other = desk.submit([3] * 4, num_predict=1)
    desk.step()
    desk.step()
    assert other.events


def test_who_waits_for_a_prefix_whose_job_is_cancelled_goes_on_alone(make_desk):
    desk = make_desk(parallel=2)
    first, second = (desk.submit([*SYSTEM, start], num_predict=1) for start in range(2))
    desk.step()
    first.cancelled = True
    desk.run()
    assert (second.end.cached_tokens, desk.model.evaluated) == (8, 37)


def test_a_cancelled_job_leaves_what_it_evaluated(make_desk):
    desk = make_desk(parallel=1)
    box = desk.submit([*SYSTEM, 1], num_predict=20)
    while len(box.tokens) < 5:
        desk.step()
    box.cancelled = True
    desk.run()
    assert paid(desk, [*SYSTEM, 1, *box.tokens]) == 1


def test_least_recently_used_context_goes_first(make_desk):
    desk = make_desk(parallel=1, sessions=2)
    for start in (0, 1, 2):
        paid(desk, [start] * 9)
    assert len(desk.model.sessions) == 2
    assert [paid(desk, [start] * 9) for start in (2, 1, 0)] == [1, 1, 9]


def test_the_only_context_is_reused_for_what_it_is_worth(make_desk):
    desk = make_desk(parallel=1, sessions=1)
    paid(desk, [*[1] * 4, *[2] * 20])
    assert paid(desk, [*[1] * 4, *[3] * 20]) == 20


def test_a_match_among_many_long_contexts_is_found_quickly():
    model = null_model(sessions=65)
    pool = ContextPool(model, 65)
    rows = [np.concatenate([np.zeros(4000 + n), np.ones(4000)]) for n in range(64)]
    pool.free = [Context(model.open(), Tokens(row)) for row in rows]
    window = Tokens(rows[5])
    start = time.process_time()
    assert pool.held(window, len(window), pool.free[5]) == 4005
    assert time.process_time() - start < 0.05  # a millisecond, as a rule
