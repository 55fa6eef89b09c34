"""Adapters on the emulator: side by side in one step, without a reload, and contexts that remember theirs."""

import numpy as np
import pytest
from hollama_adapters import hollama_adapters
from hollama_backends.emulator import load

from hollama.compiler import CompileSettings, compile_package, read_adapter
from hollama.errors import BackendError
from hollama.interfaces import Work
from tests.backends.test_emulator import kernel_sets
from tests.checkpoints import random_checkpoint
from tests.loras import random_lora

NAMES = ("", "one", "two")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    source = random_checkpoint(folder / "checkpoint")
    loras = [(name, random_lora(folder / name, source, seed=seed)) for seed, name in enumerate(NAMES[1:])]
    adapters = tuple(read_adapter(name, path, hollama_adapters()) for name, path in loras)
    compile_package(source, folder / "m.hef", CompileSettings(context=128, adapters=adapters), lambda *_: None)
    return folder / "m.hef"


@pytest.fixture(params=kernel_sets())
def model(package, request, monkeypatch):
    monkeypatch.setenv("HOLLAMA_KERNELS", request.param)
    model = load(package, 0)
    yield model
    model.close()
    model.check()


def logits(model, *chats: tuple[str, list[int]]) -> list[np.ndarray]:
    sessions = [model.open(adapter) for adapter, _ in chats]
    rows = model.step([Work(session, tokens) for session, (_, tokens) in zip(sessions, chats, strict=True)])
    for session in sessions:
        session.close()
    return rows


def test_the_limits_name_the_adapters(model):
    assert model.limits.adapters == ("one", "two")
    with pytest.raises(BackendError, match='no adapter "three"; there are: one, two'):
        model.open("three")


def test_chats_on_different_adapters_are_what_each_is_alone(model):
    rng = np.random.default_rng(0)
    chats = [(NAMES[n % 3], rng.integers(0, 259, 1 + 7 * n % 20).tolist()) for n in range(10)]
    alone = [logits(model, chat)[0] for chat in chats]
    assert [rows.tobytes() for rows in logits(model, *chats)] == [rows.tobytes() for rows in alone]


def test_adapters_differ(model):
    plain, one, two = logits(model, *((name, [1, 2, 3]) for name in NAMES))
    assert min(np.abs(plain - one).max(), np.abs(plain - two).max(), np.abs(one - two).max()) > 0.1


def test_without_an_adapter_the_package_is_its_base(package, model, tmp_path):
    compile_package(package.parent / "checkpoint", tmp_path / "base.hef", CompileSettings(context=128), lambda *_: None)
    base = load(tmp_path / "base.hef", 0)
    assert logits(base, ("", [5, 6, 7]))[0].tobytes() == logits(model, ("", [5, 6, 7]))[0].tobytes()
    base.close()


def test_hidden_states_have_the_adapter_too(model):
    plain, one = (model.open(name) for name in NAMES[:2])
    states = model.encode([Work(plain, [1, 2, 3]), Work(one, [1, 2, 3])])
    assert np.abs(states[0] - states[1]).max() > 0.01


def test_a_fork_keeps_the_adapter(model):
    session = model.open("one")
    model.step([Work(session, [1, 2, 3], wanted=0)])
    ((found,),) = model.step([Work(session.fork(3), [4])])
    assert found.tobytes() == logits(model, ("one", [1, 2, 3, 4]))[0].tobytes()


@pytest.mark.parametrize("other", ["", "two"])
def test_a_saved_context_is_refused_under_another_adapter(model, other):
    session, same, different = model.open("one"), model.open("one"), model.open(other)
    model.step([Work(session, [1, 2, 3], wanted=0)])
    saved = session.save()
    same.load(saved)
    assert same.position == 3
    with pytest.raises(BackendError, match="another adapter"):
        different.load(saved)
    assert different.position == 0
