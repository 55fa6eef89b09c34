"""Jobs on a device that is short of memory: they wait for each other, and none fails that would fit alone."""

import pytest
from hollama_backends.null import hashed

from hollama.errors import BackendError, BackendLost
from hollama.interfaces import Limits
from tests.engine.desk import VOCAB, Desk, null_model
from tests.engine.paged import PAGE, PagedModel

CONTEXT = 32
ALONE = CONTEXT // PAGE  # pages of one full context


def paged_desk(pages, parallel=4, **limits):
    return Desk(PagedModel(hashed(VOCAB), VOCAB, Limits(CONTEXT, 8, 16, **limits), pages), parallel)


def expected(prompt, **options):
    return Desk(null_model(CONTEXT)).answer(prompt, **options).tokens


def test_free_contexts_make_room_for_running_ones():
    desk = paged_desk(4 * ALONE)
    for start in range(20):
        desk.answer([start] * 20, num_predict=2)
    boxes = [desk.submit([start] * 25, num_predict=40) for start in range(4)]
    desk.step()
    assert desk.scheduler.busy == 4
    for _ in range(100):
        desk.step()
        assert desk.scheduler.waiting == 0
    assert [box.tokens for box in boxes] == [expected([start] * 25, num_predict=40) for start in range(4)]


@pytest.mark.parametrize("pages", [ALONE, ALONE + 1, 2 * ALONE, 2 * ALONE + 3])
def test_the_youngest_wait_where_not_all_fit(pages):
    desk = paged_desk(pages)
    boxes = [desk.submit([start] * 10, num_predict=40) for start in range(8)]
    desk.run()
    assert desk.model.shortages
    for start, box in enumerate(boxes):
        assert box.tokens == expected([start] * 10, num_predict=40)
        assert box.end.prompt_tokens == 10


def test_a_job_that_never_fits_fails_and_no_other():
    desk = paged_desk(ALONE // 2)
    small, large, last = (desk.submit([length] * length, num_predict=2) for length in (5, 30, 6))
    desk.run()
    assert small.end.reason == last.end.reason == "length"
    assert isinstance(large.events[-1], BackendError) and "the memory holds" in str(large.events[-1])


def test_a_fork_without_memory_waits_or_takes_over():
    desk = paged_desk(ALONE, parallel=2)
    first = desk.submit([1] * 25, num_predict=4)
    desk.step()
    second = desk.submit([*[1] * 24, 2], num_predict=2)
    desk.run()
    assert first.tokens == expected([1] * 25, num_predict=4)
    assert second.tokens == expected([*[1] * 24, 2], num_predict=2)


def test_guesses_are_given_up_before_anybody_waits():
    desk = paged_desk(2, parallel=1)
    box = desk.submit([1, 2, 3] * 2, num_predict=2)
    desk.scheduler._plan = lambda plan=desk.scheduler._plan: [_guessing(piece) for piece in plan()]
    desk.run()
    assert desk.model.shortages and box.tokens == expected([1, 2, 3] * 2, num_predict=2)


def _guessing(piece):
    return type(piece)(piece.slot, piece.count, (1, 2, 3)) if piece.count == piece.slot.left else piece


def test_a_lost_backend_ends_the_step(desk):
    box = desk.submit([1], num_predict=3)
    desk.model.step = lambda work: (_ for _ in ()).throw(BackendLost("unplugged"))
    with pytest.raises(BackendLost):
        desk.step()
    desk.scheduler.close("unplugged")
    assert str(box.events[-1]) == "unplugged"
