"""The null backend keeps a backend's promises; the engine's tests rest on it."""

import numpy as np
import pytest
from hollama_backends.null import SPEC, NullModel, hashed, scripted
from hollama_tokenizers.byte import END, VOCAB_SIZE, ByteTokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import BackendError
from hollama.interfaces import Limits, Work

LIMITS = Limits(context=32, prefill_chunk=4, sessions=3)
tokens = st.lists(st.integers(0, 19), min_size=1, max_size=20)


def noise(limits=LIMITS):
    return NullModel(hashed(20), 20, limits, "noise")


def feed(model, session, tokens, chunk=4):
    for start in range(0, len(tokens), chunk):
        ((row,),) = model.step([Work(session, tokens[start : start + chunk])])
    return row


@settings(deadline=None)
@given(tokens, st.integers(1, 4))
def test_chunks_make_no_difference(history, chunk):
    model = noise()
    assert (feed(model, model.open(), history, chunk) == feed(model, model.open(), history, 4)).all()


@settings(deadline=None)
@given(tokens, tokens)
def test_history_makes_all_the_difference(one, other):
    model = noise()
    same = (feed(model, model.open(), one) == feed(model, model.open(), other)).all()
    assert same == (one == other)


@settings(deadline=None)
@given(tokens, tokens.map(lambda tokens: tokens[:10]), st.data())
def test_rewound_session_is_as_if_it_had_never_gone_on(history, tail, data):
    position = data.draw(st.integers(0, len(history)))
    model = noise()
    session = model.open()
    feed(model, session, history)
    session.rewind(position)
    assert session.position == position
    assert (feed(model, session, tail) == feed(model, model.open(), history[:position] + tail)).all()


@settings(deadline=None)
@given(tokens, tokens.map(lambda tokens: tokens[:10]))
def test_saved_session_goes_on_elsewhere(history, tail):
    here, there = noise(), noise()
    session, copy = here.open(), there.open()
    feed(here, session, history)
    copy.load(session.save())
    assert (feed(here, session, tail) == feed(there, copy, tail)).all()


@settings(deadline=None)
@given(tokens, st.integers(0), st.integers(0, 255), st.booleans())
def test_damaged_save_is_a_backend_error(history, place, value, cut):
    model = noise()
    session = model.open()
    feed(model, session, history)
    saved = session.save()
    place %= len(saved)
    damaged = saved[:place] if cut else saved[:place] + bytes([value]) + saved[place + 1 :]
    if damaged == saved:
        return
    with pytest.raises(BackendError, match="damaged"):
        session.load(damaged)
    assert session.tokens == history


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_backend_error(data):
    with pytest.raises(BackendError):
        noise().open().load(data)


@settings(deadline=None)
@given(tokens, tokens.map(lambda tokens: tokens[:10]), st.data())
def test_fork_is_a_session_of_its_own(history, tail, data):
    position = data.draw(st.integers(0, len(history)))
    model = noise()
    session = model.open()
    feed(model, session, history)
    other = session.fork(position)
    assert (feed(model, other, tail) == feed(model, model.open(), history[:position] + tail)).all()
    assert session.tokens == history


def test_many_rows_are_what_each_token_gives():
    model = noise()
    (rows,) = model.step([Work(model.open(), [1, 2, 3], wanted=2)])
    assert (rows == [feed(model, model.open(), [1, 2]), feed(model, model.open(), [1, 2, 3])]).all()
    with pytest.raises(BackendError, match="2 rows are wanted"):
        model.step([Work(model.sessions[0], [1], wanted=2)])


def test_save_of_another_package_is_refused():
    with pytest.raises(BackendError, match="another package"):
        noise().open().load(NullModel(hashed(20), 20, LIMITS, "other").open().save())


def test_logits_only_where_wanted_and_counts_are_true():
    model = noise()
    one, two = model.open(), model.open()
    rows = model.step([Work(one, [1, 2], wanted=0), Work(two, [3])])
    assert (rows[0].shape, rows[1].shape, rows[1].dtype) == ((0, 20), (1, 20), np.float32)
    assert (model.steps, model.evaluated) == ([(2, 1)], 3)


@pytest.mark.parametrize(
    ("work", "message"),
    [([1] * 5, "1 to 4 fit"), ([], "1 to 4 fit"), ([20], "vocabulary"), ([-1], "vocabulary")],
)
def test_work_no_device_could_do(work, message):
    model = noise()
    with pytest.raises(BackendError, match=message):
        model.step([Work(model.open(), work)])


def test_context_sessions_and_closed_ones_are_guarded():
    model = noise()
    session, *_ = [model.open() for _ in range(3)]
    feed(model, session, [1] * 32)
    with pytest.raises(BackendError, match="full"):
        model.step([Work(session, [1])])
    with pytest.raises(BackendError, match="all 3 sessions"):
        model.open()
    with pytest.raises(BackendError, match="same session"):
        model.step([Work(session, [1]), Work(session, [1])])
    with pytest.raises(BackendError, match="cannot rewind to 33"):
        session.rewind(33)
    session.close()
    with pytest.raises(BackendError, match="closed"):
        model.step([Work(session, [1])])
    with pytest.raises(BackendError, match="no adapter"):
        model.open("poet")


def test_script_is_said_after_any_prompt():
    answer = scripted([5, 6, 5, 7], 20)
    history = [1, 2, 3]
    for _ in range(6):
        history.append(int(answer(history).argmax()))
    assert history[3:] == [5, 6, 5, 7, 5, 6]


def test_file_that_is_no_package_is_a_script(tmp_path):
    path = tmp_path / "hello.txt"
    path.write_text("Hi!")
    model = SPEC.load(path, 100)
    history = ByteTokenizer().encode("Say hi", begin=True)
    session = model.open()
    row = feed(model, session, history)
    said = []
    while (token := int(row.argmax())) != END:
        said.append(token)
        ((row,),) = model.step([Work(session, [token])])
    assert bytes(said) == b"Hi!"
    assert (model.vocab_size, model.limits.context) == (VOCAB_SIZE, 100)


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(BackendError, match="cannot read"):
        SPEC.load(tmp_path / "nothing.hef", 100)


def test_probe_says_it_needs_nothing():
    assert SPEC.probe().available


@settings(deadline=None)
@given(tokens, st.integers(1, 4))
def test_hidden_states_too_are_a_function_of_the_history(history, chunk):
    model = NullModel(hashed(20), 20, Limits(context=32, prefill_chunk=4, sessions=3, hidden=6))

    def states(chunk):
        session, rows = model.open(), []
        for start in range(0, len(history), chunk):
            piece = history[start : start + chunk]
            rows += model.encode([Work(session, piece, wanted=len(piece))])
        session.close()
        return np.concatenate(rows)

    assert states(chunk).shape == (len(history), 6)
    assert states(chunk).tobytes() == states(4).tobytes()


def test_a_device_without_hidden_states_says_so():
    with pytest.raises(BackendError, match="no hidden states"):
        noise().encode([])
