"""Embeddings beside answers, on devices small and odd: each text gets what it gets alone, each answer too."""

import asyncio

import numpy as np
import pytest
from hollama_backends.null import NullModel, hashed
from hollama_samplers import hollama_samplers
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from hollama.engine import Engine, Job, Texts
from hollama.engine.embedder import Embedder
from hollama.errors import BackendError, BackendLost, ContextOverflow, OutOfPages, RequestError
from hollama.interfaces import Limits, Work
from tests.engine.desk import VOCAB, Desk, Ears, echoing, null_model
from tests.engine.paged import PAGE, PagedModel

CONTEXT, HIDDEN = 48, 6
texts = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=CONTEXT).map(tuple)
batches = st.lists(texts, min_size=1, max_size=8).map(tuple)
poolings = st.sampled_from(["mean", "cls", "last"])


class Box:
    """A receiver that keeps what it gets."""

    def __init__(self):
        self.cancelled = False
        self.results = []

    def put(self, result):
        self.results.append(result)

    @property
    def vectors(self):
        (vectors,) = self.results
        return [vector.tobytes() for vector in vectors]


class Both(Desk):
    """A scheduler and an embedder, checked after every step."""

    def __init__(self, model, parallel=2, samplers=()):
        super().__init__(model, parallel, samplers)
        self.embedder = Embedder(model, self.scheduler.pool)

    def embed(self, texts, pooling="mean"):
        box = Box()
        self.embedder.submit(Texts(tuple(map(tuple, texts)), pooling), box)
        return box

    def step(self):
        super().step()
        self.embedder.step(shared=self.scheduler.busy > 0)
        self.check()

    def check(self):
        self.scheduler.check()
        self.embedder.check()

    def run(self):
        while self.scheduler.busy or self.scheduler.waiting or self.embedder.busy:
            self.step()


def pooled(text, pooling):
    """The definition: states of the whole text in one piece, pooled."""
    model = NullModel(hashed(VOCAB), VOCAB, Limits(CONTEXT + 9, 64, 1, hidden=HIDDEN))
    (states,) = model.encode([Work(model.open(), text, wanted=len(text))])
    if pooling != "mean":
        return states[0 if pooling == "cls" else -1].tobytes()
    total = np.zeros(HIDDEN)
    for state in states:
        total = total + state
    return (total / len(text)).astype(np.float32).tobytes()


class Jobs(RuleBasedStateMachine):
    """Answers and embeddings that come, go and fail to fit."""

    boxes = Bundle("boxes")

    @initialize(
        parallel=st.integers(1, 4),
        chunk=st.integers(1, 20),
        sessions=st.integers(1, 7),
        more=st.integers(0, 40),
        pages=st.integers(0, 40),
        rewind=st.booleans(),
        fork=st.booleans(),
    )
    def begin(self, parallel, chunk, sessions, more, pages, rewind, fork):
        limits = Limits(CONTEXT + 9, chunk, sessions, rows=sessions + more, rewind=rewind, fork=fork, hidden=HIDDEN)
        model = PagedModel(echoing(VOCAB), VOCAB, limits, (CONTEXT + 9) // PAGE + 1 + pages)
        self.desk = Both(model, parallel, hollama_samplers())
        self.answers, self.embeddings = [], []

    @rule(target=boxes, prompt=texts, count=st.integers(1, 30))
    def ask(self, prompt, count):
        box = self.desk.submit(prompt, num_predict=count, temperature=0)
        self.answers.append((box, prompt, count))
        return box

    @rule(target=boxes, texts=batches, pooling=poolings)
    def embed(self, texts, pooling):
        box = self.desk.embed(texts, pooling)
        self.embeddings.append((box, texts, pooling))
        return box

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
            self.desk.check()

    def teardown(self):
        if not hasattr(self, "desk"):
            return
        self.desk.run()
        for box, texts, pooling in self.embeddings:
            if not box.cancelled:
                assert box.vectors == [pooled(text, pooling) for text in texts]
        for box, prompt, count in self.answers:
            if not box.cancelled:
                alone = Desk(NullModel(echoing(VOCAB), VOCAB, Limits(CONTEXT + 9, 64, 1)), 1, hollama_samplers())
                assert box.end.tokens == alone.answer(prompt, num_predict=count, temperature=0).end.tokens
        assert len(self.desk.model.sessions) == len(self.desk.scheduler.pool.free)


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=30, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_short_texts_share_a_step():
    desk = Both(null_model(hidden=HIDDEN))
    desk.embed([[1, 2, 3]] * 10)
    desk.run()
    assert desk.model.steps == [(3,) * 10]


def test_answers_wait_for_a_chunk_of_a_long_text_at_most():
    desk = Both(null_model(context=600, chunk=500, rows=500, hidden=HIDDEN))
    answer = desk.submit([1, 2], num_predict=20)
    desk.step()
    embedding = desk.embed([[3] * 400])
    while not embedding.results:
        said, before = len(answer.tokens), len(desk.model.steps)
        desk.step()
        assert sum(map(sum, desk.model.steps[before + 1 :])) <= 64
        assert len(answer.tokens) > said


def test_requests_take_turns():
    desk = Both(null_model(context=64, chunk=64, rows=64, hidden=HIDDEN))
    long, short = desk.embed([[1] * 60] * 40), desk.embed([[2] * 60])
    for _ in range(4):
        desk.step()
    assert short.results
    assert not long.results


def test_an_encoders_texts_are_not_cut():
    desk = Both(null_model(context=40, chunk=40, rows=50, generates=False, hidden=HIDDEN))
    desk.embed([[1] * 30, [2] * 40, [3] * 20])
    desk.run()
    assert sorted(count for step in desk.model.steps for count in step) == [20, 30, 40]


def test_a_cancelled_embedding_frees_its_contexts_at_once():
    desk = Both(null_model(rows=8, hidden=HIDDEN))
    box = desk.embed([[1] * 40] * 5)
    desk.step()
    box.cancelled = True
    desk.step()
    assert not desk.model.sessions
    assert not box.results


def test_a_text_without_room_for_it_alone_fails_its_request_and_no_other():
    model = PagedModel(hashed(VOCAB), VOCAB, Limits(64, 8, 8, hidden=HIDDEN), pages=5)
    desk = Both(model)
    long, short = desk.embed([[1, 2], [1] * 30]), desk.embed([[2] * 15])
    desk.run()
    assert isinstance(long.results[0], BackendError)
    assert short.vectors == [pooled([2] * 15, "mean")]


@pytest.mark.parametrize("fault", [RuntimeError("odd"), OutOfPages("none"), BackendError("no")])
def test_a_backend_that_fails_is_told_and_others_go_on(fault, monkeypatch):
    desk = Both(null_model(hidden=HIDDEN))
    answer, embedding = desk.submit([1], num_predict=4), desk.embed([[1, 2]])
    with monkeypatch.context() as patch:
        patch.setattr(desk.model, "encode", lambda work: (_ for _ in ()).throw(fault))
        desk.run()
    assert isinstance(embedding.results[0], BackendError)
    assert answer.end.reason == "length"
    assert desk.embed([[1, 2]]) and not desk.run()


def test_a_backend_that_gives_other_states_is_blamed(monkeypatch):
    desk = Both(null_model(hidden=HIDDEN))
    monkeypatch.setattr(desk.model, "encode", lambda work: [np.zeros((1, HIDDEN), np.float32)] * len(work))
    box = desk.embed([[1, 2]])
    desk.run()
    assert "report it to its author" in str(box.results[0])


def made(**more):
    return Engine(null_model(**{"hidden": HIDDEN, **more}), [], parallel=2, context=64)


async def test_an_engine_embeds_many_requests_at_once():
    engine = made()
    try:
        asked = [tuple((number, other) for other in range(5)) for number in range(20)]
        found = await asyncio.gather(*(engine.embed(Texts(texts, "last")) for texts in asked))
        expected = [[pooled(text, "last") for text in texts] for texts in asked]
        assert [[vector.tobytes() for vector in vectors] for vectors in found] == expected
        assert await engine.embed(Texts((), "mean")) == []
        assert not engine.busy
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("text", "error"),
    [((), RequestError), ((VOCAB,), RequestError), ((-1,), RequestError), ((1,) * 65, ContextOverflow)],
)
async def test_texts_without_sense_are_refused(text, error):
    engine = made()
    try:
        with pytest.raises(error):
            await engine.embed(Texts(((1, 2), text), "mean"))
    finally:
        engine.close()


async def test_a_device_without_hidden_states_is_said():
    engine = made(hidden=0)
    try:
        with pytest.raises(RequestError, match="no hidden states"):
            await engine.embed(Texts(((1,),), "mean"))
    finally:
        engine.close()


async def test_an_encoder_says_nothing():
    engine = made(generates=False)
    try:
        with pytest.raises(RequestError, match="encoder"):
            engine.submit(Job((1,), Ears(), {}))
        assert len(await engine.embed(Texts(((1, 2), (3,)), "mean"))) == 2
    finally:
        engine.close()


async def test_adapters_are_the_models():
    engine = made(adapters=("one",))
    try:
        (adapted,), (plain,) = [await engine.embed(Texts(((1, 2),), "mean", name)) for name in ("one", "")]
        assert (adapted != plain).all()
        with pytest.raises(RequestError, match='no adapter "two"; there are: one'):
            await engine.embed(Texts(((1, 2),), "mean", "two"))
    finally:
        engine.close()


async def test_an_encoder_refuses_a_text_that_no_step_can_take_whole():
    for limits in ({"rows": 10, "chunk": 64}, {"rows": 64, "chunk": 10}):
        engine = made(generates=False, **limits)
        try:
            assert len(await engine.embed(Texts(((1,) * 10,), "mean"))) == 1
            with pytest.raises(ContextOverflow):
                await asyncio.wait_for(engine.embed(Texts(((1,) * 11,), "mean")), 5)
        finally:
            engine.close()


async def test_a_cancelled_wait_stops_the_work():
    engine = made(rows=4)
    try:
        waiting = asyncio.ensure_future(engine.embed(Texts(((1,) * 60,) * 500, "mean")))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for _ in range(200):
            await asyncio.sleep(0.01)
            if not engine.busy:
                return
        raise AssertionError("it goes on")
    finally:
        engine.close()


async def test_a_closing_or_lost_engine_tells_who_waits(monkeypatch):
    for end in ("close", "lost"):
        engine = made(rows=4)
        waiting = asyncio.ensure_future(engine.embed(Texts(((1,) * 60,) * 500, "mean")))
        await asyncio.sleep(0.01)
        if end == "lost":
            monkeypatch.setattr(engine._model, "encode", lambda work: (_ for _ in ()).throw(BackendLost("gone")))
        else:
            await asyncio.to_thread(engine.close)
        with pytest.raises(BackendError):
            await waiting
        with pytest.raises(BackendError, match="unloaded"):
            await engine.embed(Texts(((1,),), "mean"))
