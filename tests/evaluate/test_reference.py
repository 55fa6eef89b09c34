"""The float reference as a device: however its tokens are cut, forked and mixed, its logits are the interpreter's."""

from __future__ import annotations

import numpy as np
import pytest

from hollama.errors import BackendError, OutOfPages
from hollama.evaluate.reference import load_reference
from hollama.interfaces import Work


@pytest.fixture
def model(checkpoint):
    return load_reference(checkpoint, 64, 3)


def near(rows, expected) -> None:
    np.testing.assert_allclose(rows, expected, atol=2e-4)


def test_pieces_forks_and_batches_give_the_same_logits(model, floating):
    tokens, other = [7 * n % 250 for n in range(20)], [3 * n % 250 for n in range(12)]
    first, second = model.open(), model.open()
    model.step([Work(first, tokens[:5], 0)])
    rows, mixed = model.step([Work(first, tokens[5:12], 2), Work(second, other, 3)])
    near(rows, floating.logits(tokens[:12])[-2:])
    near(mixed, floating.logits(other)[-3:])
    branch = first.fork(8)
    first.rewind(6)
    rows, forked = model.step([Work(first, tokens[6:], 1), Work(branch, other, 1)])
    near(rows[0], floating.logits(tokens)[-1])
    near(forked[0], floating.logits([*tokens[:8], *other])[-1])


def test_it_says_what_it_cannot_do(model):
    sessions = [model.open() for _ in range(3)]
    with pytest.raises(OutOfPages, match="3 contexts are open"):
        model.open()
    for refused in (sessions[0].save, lambda: sessions[0].load(b""), lambda: model.encode([])):
        with pytest.raises(BackendError, match="float reference"):
            refused()
    sessions[0].close()
    assert model.open().position == 0


def test_memory_counts_weights_and_contexts(model):
    weights = model.memory
    session = model.open()
    assert model.memory - weights == session.cache.nbytes == 2 * 2 * 2 * 16 * 64 * 4  # keys, values; layers, heads, ...
