"""Finetuning: its arithmetic is nearly the golden one, and the quantised model gets nearer to the float one."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.calibration import DEFAULT_TEXT
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint, optimise
from hollama.errors import CompileError
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Segment, Step, evaluate, run
from hollama.ir.quantised import QuantisedArithmetic
from hollama.kernels.golden import integer_weights
from tests.checkpoints import byte_tokenizer, random_checkpoint

torch = pytest.importorskip("torch", reason="needs torch: pip install 'hollama[finetune]'")
from hollama.compiler.differentiable import Differentiable  # noqa: E402
from hollama.compiler.finetune import finetune  # noqa: E402

SETTINGS = CompileSettings(context=128, group_size=32, rotates=False, gptq=False)
TOKENS = byte_tokenizer().encode(DEFAULT_TEXT[:600]).ids
WINDOWS = [TOKENS[start : start + 60] for start in range(0, 540, 60)]


def quiet(status, done, of):
    pass


def models(tmp_path, architecture, group_size=32, finetuning=0):
    """The graph, the float weights and the quantised ones."""
    folder = random_checkpoint(tmp_path / "checkpoint", architecture)
    settings = replace(SETTINGS, group_size=group_size, finetuning=finetuning)
    compile_checkpoint(folder, tmp_path / "model.hef", settings, quiet)
    checkpoint = open_checkpoint(folder)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    with Hef.open(tmp_path / "model.hef") as hef:
        return graph, read_weights(graph, sources, checkpoint), read_model(hef)[1]


def logits(graph, arithmetic, window):
    return run(graph, arithmetic, [Segment(arithmetic.cache(len(window)), 0, window, range(len(window)))])


def divergence(graph, exact, quantised):
    total = 0.0
    for window in WINDOWS:
        real, found = (logits(graph, one, window).astype(np.float64) for one in (exact, quantised))
        real, found = (x - np.log(np.exp(x).sum(axis=1, keepdims=True)) for x in (real, found))
        total += (np.exp(real) * (real - found)).sum()
    return total


def differentiable(graph, weights, ranges, theta):
    tensors = {name: torch.tensor(np.asarray(weights[name])) for name in weights}
    return Differentiable(graph, tensors.__getitem__, ranges, torch.tensor(theta))


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "gpt2"])
def test_its_arithmetic_is_that_of_the_model(tmp_path, architecture):
    graph, weights, quantised = models(tmp_path, architecture)
    expected = logits(graph, FloatArithmetic(graph, weights, quantised.theta), WINDOWS[0])
    found = differentiable(graph, weights, {}, quantised.theta).logits(np.array(WINDOWS[0])).numpy()
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()

    rounded = dict(weights)
    for name, packed in quantised.linears.items():
        rounded[name] = integer_weights(packed) * packed.row_scale[: packed.outputs, None]
    ranges = {name: of for name, of in quantised.ranges.items() if name != graph.nodes[0].name}
    golden, seen = QuantisedArithmetic(graph, quantised, 128), {}
    batch = [Segment(golden.cache(60), 0, WINDOWS[0], range(60))]
    run(graph, golden, batch, seen.__setitem__)
    arithmetic = differentiable(graph, rounded, ranges, quantised.theta)
    for node in graph.nodes[1:]:
        value = evaluate(arithmetic, node, [torch.tensor(seen[name]) for name in node.inputs], Step.of(batch)).numpy()
        assert np.abs(value - seen[node.name]).max() < 1e-3 * np.std(seen[node.name]), node.name


@pytest.mark.parametrize("group_size", [0, 32, 64])
def test_nothing_changes_without_a_step(tmp_path, group_size):
    graph, weights, quantised = models(tmp_path, "llama", group_size)
    found = finetune(graph, weights, quantised, WINDOWS, 0, 0, quiet)
    for name, packed in quantised.linears.items():
        assert np.array_equal(found.linears[name].packed, packed.packed)
        assert np.array_equal(found.linears[name].row_scale, packed.row_scale)


def test_it_comes_nearer_to_the_float_model_the_same_way_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr("hollama.compiler.finetune._BATCH", 600)
    graph, weights, quantised = models(tmp_path, "qwen2")
    windows = np.random.default_rng(0).integers(0, len(weights[graph.nodes[0].weight]), (200, 60)).tolist()
    exact = FloatArithmetic(graph, weights, quantised.theta)
    first, second = (finetune(graph, weights, quantised, windows, 60, 3, quiet) for _ in range(2))
    before, after = (divergence(graph, exact, QuantisedArithmetic(graph, one, 128)) for one in (quantised, first))
    assert after < 0.9 * before
    for name, packed in first.linears.items():
        assert np.array_equal(packed.packed, second.linears[name].packed)
        assert np.array_equal(packed.row_scale, second.linears[name].row_scale)
        assert np.array_equal(packed.group_scale, quantised.linears[name].group_scale)


@pytest.mark.parametrize("rate", [20.0, math.nan])
def test_what_brings_nothing_is_left_out(tmp_path, monkeypatch, rate, caplog):
    graph, weights, quantised = models(tmp_path, "llama")
    monkeypatch.setattr("hollama.compiler.finetune._RATE", rate)
    assert finetune(graph, weights, quantised, WINDOWS, 2, 0, quiet) is quantised
    assert "no nearer to the float one" in caplog.text


def test_without_torch_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "hollama.compiler.finetune")
    monkeypatch.delitem(sys.modules, "hollama.compiler.differentiable")
    checkpoint, steps = open_checkpoint(random_checkpoint(tmp_path / "base")), []
    with pytest.raises(CompileError, match=r"pip install 'hollama\[finetune\]'"):
        optimise(checkpoint, replace(SETTINGS, finetuning=1), lambda *step: steps.append(step))
    assert not steps, "before the long work"
