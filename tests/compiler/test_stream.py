"""Texts through a graph a few layers at a time: the same values as all at once, with little kept and in any order."""

import os
import resource

import numpy as np
import pytest

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.arithmetic import TextArithmetic
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint
from hollama.compiler.stream import Stream, in_order
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Segment, run
from hollama.kernels import products
from hollama.models.table import ARCHITECTURES
from tests.checkpoints import random_checkpoint

WINDOWS = [list(range(3, 40)), list(range(20, 31)), list(range(5, 69))]


def model(folder, architecture="qwen2", **sizes):
    checkpoint = open_checkpoint(random_checkpoint(folder, architecture, **sizes))
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    return graph, read_weights(graph, sources, checkpoint), checkpoint.shape.signed_theta


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_step_by_step_is_all_at_once(tmp_path, architecture, constant):
    graph, weights, theta = model(tmp_path / "checkpoint", architecture)
    exact, fast = FloatArithmetic(graph, weights, theta), TextArithmetic.of(graph, weights, theta, WINDOWS)
    expected = [{} for _ in WINDOWS]
    for window, seen in zip(WINDOWS, expected, strict=True):
        run(graph, exact, [Segment(exact.cache(len(window)), 0, window, range(len(window)))], seen.__setitem__)
    stream = Stream(graph, WINDOWS, constant)
    for place, node in enumerate(graph.nodes):
        if node.op == "linear":
            source = node.inputs[0]
            for found, wanted in zip(stream.advance(place, fast, {source}), expected, strict=True):
                error = np.square(found[source] - wanted[source]).mean() / np.square(wanted[source]).mean()
                assert error < 1e-3
            fast.forget()


@pytest.mark.parametrize("constant", [False, True])
def test_what_is_kept_of_a_token_is_narrow(tmp_path, constant):
    graph, _, _ = model(tmp_path / "checkpoint", intermediate_size=512, hidden_size=64)
    stream = Stream(graph, WINDOWS, constant)
    kept = stream._starts[-1] / sum(map(len, WINDOWS)) / 4
    assert kept <= 3 * 64


def test_results_come_in_order_and_an_error_ends_them():
    assert list(in_order(lambda number: number * 2, 20)) == list(range(0, 40, 2))

    def work(number):
        if number == 5:
            raise ValueError("five")
        return number

    seen = []
    with pytest.raises(ValueError, match="five"):
        seen.extend(in_order(work, 10))
    assert seen == list(range(len(seen))) and len(seen) <= 5


def test_a_full_disk_is_not_taken_for_what_was_written(tmp_path):
    graph, weights, theta = model(tmp_path / "checkpoint")
    fast = TextArithmetic.of(graph, weights, theta, WINDOWS)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    stream = Stream(graph, WINDOWS)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (stream._starts[-2] + 100, most[1]))
        with pytest.raises(OSError, match="temporary files"):
            list(stream.advance(len(graph.nodes) - 1, fast, ()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)


@pytest.mark.skipif(not products.available(), reason="BLAS may add in another order")
def test_the_number_of_threads_changes_nothing(tmp_path, monkeypatch):
    folder = random_checkpoint(tmp_path / "checkpoint")
    for count in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        compile_checkpoint(folder, tmp_path / str(count), CompileSettings(context=128), lambda *_: None)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()
