"""Jobs that come and go as they like, on devices small and odd: each gets what it gets alone."""

from collections.abc import Sequence

import pytest
from hollama_backends.null import NullModel
from hollama_samplers import hollama_samplers
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from hollama.engine import End
from hollama.interfaces import Limits
from tests.engine.desk import VOCAB, Box, Desk, Ears, echoing
from tests.engine.paged import PAGE, PagedModel

CONTEXT = 48
HEADS = ([], [7] * 33, [*range(10)] * 4, [7] * 33 + [8] * 5)
SAMPLERS = (
    {"temperature": 0},
    {"temperature": 0.3},
    {"temperature": 1.5, "top_k": 5},
    {"top_p": 0.5, "min_p": 0.1},
    {"typical_p": 0.6},
    {"temperature": 0, "repeat_penalty": 1.2, "repeat_last_n": 8},
    {"temperature": 0.2, "presence_penalty": 0.4, "frequency_penalty": 0.1, "repeat_last_n": -1},
    {"mirostat": 1, "mirostat_tau": 1.0},
    {"mirostat": 2, "mirostat_tau": 1.0},
)

prompts = st.builds(list.__add__, st.sampled_from(HEADS), st.lists(st.integers(0, 2), min_size=1, max_size=7))
options = st.builds(
    dict,
    st.sampled_from(SAMPLERS),
    num_predict=st.integers(1, 60),
    num_keep=st.sampled_from([-1, 0, 4]),
    num_ctx=st.sampled_from([CONTEXT, CONTEXT + 9]),
    shift=st.booleans(),
    seed=st.integers(0, 3),
    draft_num_predict=st.sampled_from([0, 1, 16]),
    top_logprobs=st.sampled_from([None, 1]),
    stop_tokens=st.sampled_from([frozenset(), frozenset(range(5))]),
    listener=st.sampled_from([Ears(), Ears(frozenset(range(7, 12)))]),
)


def alone(prompt: Sequence[int], options: dict) -> Box:
    """What the job says on a device of its own, token by token."""
    model = NullModel(echoing(VOCAB), VOCAB, Limits(CONTEXT + 9, 64, 1, fork=False))
    return Desk(model, 1, hollama_samplers()).answer(prompt, **{**options, "draft_num_predict": 0})


class Jobs(RuleBasedStateMachine):
    boxes = Bundle("boxes")

    @initialize(
        parallel=st.integers(1, 5),
        chunk=st.integers(1, 20),
        sessions=st.integers(1, 7),
        more=st.integers(0, 20),
        pages=st.integers(0, 40),
        rewind=st.booleans(),
        fork=st.booleans(),
    )
    def begin(self, parallel, chunk, sessions, more, pages, rewind, fork):
        limits = Limits(CONTEXT + 9, chunk, sessions, rows=sessions + more, rewind=rewind, fork=fork)
        model = PagedModel(echoing(VOCAB), VOCAB, limits, (CONTEXT + 9) // PAGE + 1 + pages)
        self.desk = Desk(model, parallel, hollama_samplers())
        self.jobs: list[tuple[Box, list[int], dict]] = []

    @rule(target=boxes, prompt=prompts, options=options)
    def submit(self, prompt, options):
        box = self.desk.submit(prompt, **options)
        self.jobs.append((box, prompt, options))
        return box

    @rule(target=boxes, head=prompts, options=options, data=st.data())
    def submit_next_turn(self, head, options, data):
        """A prompt that begins with what another job has said."""
        known = [[*prompt, *box.tokens][: CONTEXT - 12] for box, prompt, _ in self.jobs]
        return self.submit([*data.draw(st.sampled_from(known or [[]])), *head[-10:]], options)

    @rule(box=boxes)
    def cancel(self, box):
        box.cancelled = True

    @rule(steps=st.integers(1, 30))
    def run_on(self, steps):
        for _ in range(steps):
            self.desk.step()

    @invariant()
    def sound(self):
        if hasattr(self, "desk"):
            self.desk.scheduler.check()

    def teardown(self):
        if hasattr(self, "desk"):
            self.desk.run()
            for box, prompt, options in self.jobs:
                expected = alone(prompt, options)
                said = [event for event in box.events if not isinstance(event, End)]
                assert said == expected.events[: len(said)]
                if not box.cancelled:
                    assert (box.end.tokens, box.end.reason) == (expected.end.tokens, expected.end.reason)


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_guessing_changes_nothing_and_saves_steps(sampler):
    options = {**sampler, "num_predict": 200}
    model = NullModel(echoing(VOCAB), VOCAB, Limits(400, 64, 4))
    box = Desk(model, 1, hollama_samplers()).answer([1, 2], **options, top_logprobs=2)
    slow = NullModel(echoing(VOCAB), VOCAB, Limits(400, 64, 1))
    without = Desk(slow, 1, hollama_samplers()).answer([1, 2], **options, top_logprobs=2, draft_num_predict=0)
    assert box.events[:-1] == without.events[:-1]
    assert without.end.drafted_tokens == 0
    assert len(model.steps) == len(slow.steps) - box.end.accepted_tokens
    assert model.evaluated == slow.evaluated + box.end.drafted_tokens - box.end.accepted_tokens
    if sampler == {"temperature": 0}:
        assert box.end.accepted_tokens > 50
