"""The emulator: the same bits whatever the chunking and whoever shares the step; contexts that rewind and load."""

import numpy as np
import pytest
from hollama_backends.emulator import load, probe
from hollama_backends.emulator_settings import EmulatorSettings
from hollama_backends.late_check import LateCheck
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.errors import BackendError, BackendLost, ConfigError, HefError, OutOfPages
from hollama.formats.hef import EMBEDDINGS, Hef
from hollama.formats.package_weights import read_model
from hollama.interfaces import Work
from hollama.ir.interpreter import Segment, run
from hollama.ir.quantised import QuantisedArithmetic
from hollama.kernels import native
from tests.checkpoints import random_checkpoint


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    random_checkpoint(folder / "checkpoint")
    settings = CompileSettings(context=64, group_size=32)
    compile_checkpoint(folder / "checkpoint", folder / "m.hef", settings, lambda *_: None)
    return folder / "m.hef"


def kernel_sets():
    try:
        return ["numpy", native.sets()[0]]
    except BackendError:
        return ["numpy"]


@pytest.fixture(scope="module", params=kernel_sets())
def model(package, request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLLAMA_KERNELS", request.param)
        return load(package, 0)


@pytest.fixture(autouse=True)
def no_session_is_left_open(model):
    yield
    model.check()
    for session in list(model.sessions):
        session.close()
    model.check()
    assert len(model.pool.free) == model.pool.capacity


def feed(model, session, tokens, chunk=96):
    for start in range(0, len(tokens), chunk):
        ((logits,),) = model.step([Work(session, tokens[start : start + chunk])])
    return logits


tokens_lists = st.lists(st.integers(0, 258), min_size=1, max_size=40)


@settings(max_examples=15, deadline=None)
@given(tokens_lists, st.integers(1, 40))
def test_chunking_does_not_matter(model, tokens, chunk):
    first, second = model.open(), model.open()
    assert feed(model, first, tokens).tobytes() == feed(model, second, tokens, chunk).tobytes()
    assert first.position == second.position == len(tokens)
    first.close()
    second.close()


@settings(max_examples=15, deadline=None)
@given(st.lists(tokens_lists, min_size=2, max_size=5))
def test_company_does_not_matter(model, prompts):
    alone = []
    for tokens in prompts:
        session = model.open()
        alone.append(feed(model, session, tokens))
        session.close()
    sessions = [model.open() for _ in prompts]
    together = model.step([Work(session, tokens) for session, tokens in zip(sessions, prompts, strict=True)])
    for session in sessions:
        session.close()
    assert [logits.tobytes() for logits in together] == [logits.tobytes() for logits in alone]


@settings(max_examples=15, deadline=None)
@given(tokens_lists, tokens_lists, st.data())
def test_rewind_save_and_load(model, tokens, others, data):
    kept = data.draw(st.integers(0, len(tokens) - 1))
    session, fresh = model.open(), model.open()
    expected = feed(model, session, tokens)
    session.rewind(kept)
    saved = session.save()
    feed(model, session, others[: 64 - kept])
    session.rewind(kept)
    assert feed(model, session, tokens[kept:]).tobytes() == expected.tobytes()
    fresh.load(saved)
    assert fresh.position == kept
    assert feed(model, fresh, tokens[kept:]).tobytes() == expected.tobytes()
    session.close()
    fresh.close()


@settings(max_examples=15, deadline=None)
@given(tokens_lists, tokens_lists.map(lambda tokens: tokens[:24]), st.data())
def test_fork_is_a_context_of_its_own(model, tokens, others, data):
    kept = data.draw(st.integers(0, len(tokens)))
    session, fresh = model.open(), model.open()
    feed(model, session, tokens)
    fork = session.fork(kept)
    feed(model, session, others[: 64 - len(tokens)])
    assert feed(model, fork, others).tobytes() == feed(model, fresh, tokens[:kept] + others).tobytes()
    for each in (session, fork, fresh):
        each.close()


def test_rows_are_what_each_token_gives(model):
    together, alone = model.open(), model.open()
    (rows,) = model.step([Work(together, [1, 2, 3, 4], wanted=3)])
    feed(model, alone, [1])
    assert [row.tobytes() for row in rows] == [feed(model, alone, [token]).tobytes() for token in (2, 3, 4)]
    with pytest.raises(BackendError, match="2 rows are wanted"):
        model.step([Work(alone, [1], wanted=2)])


def test_only_wanted_logits_are_computed(model):
    first, second = model.open(), model.open()
    results = model.step([Work(first, [1, 2], wanted=0), Work(second, [1, 2])])
    assert (results[0].shape, results[1].shape) == ((0, 259), (1, 259))
    assert results[1].dtype == np.float32
    first.close()
    second.close()


def test_a_chunk_without_logits_only_fills_the_context(model):
    whole, pieces = model.open(), model.open()
    expected = feed(model, whole, [1, 2, 3, 4])
    assert model.step([Work(pieces, [1, 2, 3], wanted=0)])[0].shape == (0, 259)
    assert feed(model, pieces, [4]).tobytes() == expected.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_context_is_refused(model, data):
    session = model.open()
    feed(model, session, [1, 2, 3])
    saved = bytearray(session.save())
    if data.draw(st.booleans()):
        del saved[data.draw(st.integers(0, len(saved) - 1)) :]
    else:
        saved[data.draw(st.integers(0, len(saved) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BackendError):
        session.load(bytes(saved))
    assert session.position == 3
    session.close()


@settings(max_examples=15, deadline=None)
@given(tokens_lists, st.integers(1, 40))
def test_hidden_states_are_those_of_the_golden_model(model, package, tokens, chunk):
    with Hef.open(package) as hef:
        graph, weights = read_model(hef)
        arithmetic = QuantisedArithmetic(graph, weights, 64)
        segment = Segment(arithmetic.cache(64), 0, tokens, range(len(tokens)))
        expected = run(graph.without_head(), arithmetic, [segment])
    session = model.open()
    pieces = [tokens[start : start + chunk] for start in range(0, len(tokens), chunk)]
    rows = [row for piece in pieces for row in model.encode([Work(session, piece, wanted=len(piece))])]
    assert np.concatenate(rows).tobytes() == expected.tobytes()
    assert expected.shape == (len(tokens), model.limits.hidden)
    session.close()


def test_a_context_takes_hidden_states_and_logits_in_turns(model):
    mixed, plain = model.open(), model.open()
    model.encode([Work(mixed, [1, 2, 3])])
    assert feed(model, mixed, [4, 5]).tobytes() == feed(model, plain, [1, 2, 3, 4, 5]).tobytes()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [([], "0 tokens"), ([1] * 65, "65 (tokens|more)"), ([-1], "vocabulary"), ([259], "vocabulary")],
)
def test_bad_work_is_refused(model, tokens, message):
    session = model.open()
    with pytest.raises(BackendError, match=message):
        model.step([Work(session, tokens)])
    assert session.position == 0
    session.close()


def test_a_full_context_is_refused(model):
    session = model.open()
    feed(model, session, [1] * 64)
    with pytest.raises(BackendError, match="64-token context"):
        model.step([Work(session, [1])])
    session.close()


def test_a_closed_or_doubled_context_is_refused(model):
    session = model.open()
    with pytest.raises(BackendError, match="twice"):
        model.step([Work(session, [1]), Work(session, [2])])
    session.close()
    with pytest.raises(BackendError, match="closed"):
        model.step([Work(session, [1])])


def test_more_context_than_compiled_is_refused(package):
    with pytest.raises(BackendError, match="compiled for a 64-token context"):
        load(package, 65)


def test_saved_contexts_are_the_same_bytes_whichever_kernels_ran(package, monkeypatch):
    saved = []
    for kernels in kernel_sets():
        monkeypatch.setenv("HOLLAMA_KERNELS", kernels)
        other = load(package, 0)
        session = other.open()
        feed(other, session, [1, 2, 3, 4], 3)
        saved.append(session.save())
        other.close()
    assert len(set(saved)) == 1


@pytest.fixture
def narrow(package, monkeypatch):
    """Two pages: a context of 64 tokens, and one to share with others."""
    monkeypatch.setenv("HOLLAMA_KV_CACHE", str(2 * 2 * 2 * 2 * 64 * 16))
    model = load(package, 0)
    assert model.pool.capacity == 2
    yield model
    model.check()
    model.close()


@pytest.mark.parametrize("large", [True, False])
def test_a_damaged_table_is_found_at_once_or_later(package, tmp_path, monkeypatch, large):
    """A large one is checked while the model answers already."""
    path, data = tmp_path / "damaged.hef", bytearray(package.read_bytes())
    with Hef.open(package) as hef:
        table = bytes(hef.resources[EMBEDDINGS])
    data[data.index(table) + len(table) // 2] ^= 1
    path.write_bytes(data)
    if not large:
        with pytest.raises(HefError, match="damaged"):
            load(path, 0)
        return
    monkeypatch.setattr("hollama_backends.late_check.LARGE", 0)
    with Hef.open(path) as hef:
        late = LateCheck.of(hef, EMBEDDINGS, "absent")
    late.require()
    late.start().join()
    with pytest.raises(BackendLost, match="damaged"):
        late.require()
    model = load(path, 0)  # says nothing
    model.late_check = late
    with pytest.raises(BackendLost, match="damaged"):
        model.step([Work(model.open(), [1])])


def test_a_step_without_pages_changes_nothing(narrow):
    first, second, third = (narrow.open() for _ in range(3))
    narrow.step([Work(first, [1])])
    with pytest.raises(OutOfPages, match="close a context, or raise HOLLAMA_KV_CACHE"):
        narrow.step([Work(first, [2]), Work(second, [1]), Work(third, [1])])
    narrow.check()
    assert [session.position for session in (first, second, third)] == [1, 0, 0]
    expected = feed(narrow, second, [1, 2, 3])
    second.close()
    assert feed(narrow, third, [1, 2, 3]).tobytes() == expected.tobytes()


def test_a_fork_shares_pages_until_one_of_both_writes(narrow):
    session = narrow.open()
    feed(narrow, session, list(range(40)))
    fork = session.fork(30)
    assert len(narrow.pool.free) == 1
    alone = feed(narrow, fork, [7, 8])
    assert len(narrow.pool.free) == 0
    third = session.fork(0)
    with pytest.raises(OutOfPages):
        narrow.step([Work(third, [1])])
    session.close()
    fresh = narrow.open()
    assert feed(narrow, fresh, [*range(30), 7, 8]).tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("THREADS", "0", ConfigError, "expected 1 to"),
        ("THREADS", "two", ConfigError, "expected 1 to"),
        ("KV_CACHE", "much", ConfigError, "write bytes"),
        ("KV_CACHE", "1k", BackendError, "a context of 64 tokens needs"),
        ("KV_CACHE", "99999GiB", BackendError, "MiB that are free"),
        ("KERNELS", "sse9", BackendError, r"sse9|native library"),
        ("LIBRARY", "/does/not/exist.so", BackendError, "cannot be loaded"),
    ],
)
def test_settings_without_sense_are_refused(package, monkeypatch, name, value, error, message):
    if name == "LIBRARY":
        native.library.cache_clear()
        monkeypatch.setenv("HOLLAMA_KERNELS", "portable")
    monkeypatch.setenv(f"HOLLAMA_{name}", value)
    with pytest.raises(error, match=message):
        load(package, 0)
    native.library.cache_clear()


@pytest.mark.parametrize(("text", "count"), [("4096", 4096), ("512MB", 512 * 10**6), ("2GiB", 2 << 30), ("3 k", 3000)])
def test_sizes_are_read(text, count):
    assert EmulatorSettings.read({"HOLLAMA_KV_CACHE": text}).kv_cache == count


def test_the_probe_says_what_would_run(monkeypatch):
    monkeypatch.setenv("HOLLAMA_KERNELS", kernel_sets()[-1])
    monkeypatch.setenv("HOLLAMA_THREADS", "3")
    assert probe().available
    assert ("NumPy" if kernel_sets() == ["numpy"] else f"{kernel_sets()[1]} kernels on 3 threads") in probe().detail
    monkeypatch.setenv("HOLLAMA_KERNELS", "sse9")
    assert not probe().available
