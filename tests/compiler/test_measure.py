"""What is said of a quantised model, against its real arithmetic and against models whose noise is known."""

from dataclasses import replace

import numpy as np
import pytest

from hollama.compiler import CompileSettings, compile_package
from hollama.compiler.float_weights import read_weights
from hollama.compiler.measure import SOURCES, decibels, measure, parts_of
from hollama.compiler.pipeline import open_checkpoint
from hollama.compiler.report import report
from hollama.compiler.stages import optimise_stage
from hollama.errors import CompileError, HarError
from hollama.formats.har import Har, write_har
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Segment, run
from hollama.ir.quantised import QuantisedArithmetic
from hollama.kernels import golden
from hollama.models.table import ARCHITECTURES
from tests.checkpoints import random_checkpoint

WINDOWS = [[int(token) for token in np.random.default_rng(seed).integers(0, 250, 48)] for seed in range(2)]
QUICK = CompileSettings(context=64, rotates=False, gptq=False)


def nothing(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measure")
    random_checkpoint(folder / "base")
    optimise_stage(folder / "base", folder / "q.har", QUICK, nothing)
    return folder


def opened(folder, package="q.har"):
    """Graph, float weights, quantised ones."""
    checkpoint = open_checkpoint(folder / "base")
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    with Har.open(folder / package) as har:
        return graph, read_weights(graph, sources, checkpoint), read_model(har)[1]


def logits(graph, arithmetic):
    batch = [Segment(arithmetic.cache(48), 0, window, range(48)) for window in WINDOWS]
    found = run(graph, arithmetic, batch)
    return found - found.mean(axis=1, keepdims=True)


def test_the_whole_loss_is_that_of_the_real_arithmetic(folder):
    graph, weights, quantised = opened(folder)
    exact = logits(graph, FloatArithmetic(graph, weights, quantised.theta))
    real = decibels(exact, logits(graph, QuantisedArithmetic(graph, quantised, 64)))
    found = measure(graph, weights, quantised, WINDOWS, nothing)
    assert found.whole.snr == pytest.approx(real, abs=0.3)
    assert found.stream[-1] == ("head", found.whole.snr) and 0 < found.whole.kl < 1
    assert sum(loss.share for loss in found.sources) == pytest.approx(1) == sum(loss.share for loss in found.parts)


def test_a_source_without_noise_has_none(folder):
    graph, weights, quantised = opened(folder)
    for node in graph.linears():
        packed = quantised.linears[node.weight]
        weights[node.weight] = golden.integer_weights(packed) * packed.row_scale[: packed.outputs, None]
    found = measure(graph, weights, quantised, WINDOWS, nothing)
    by_name = {loss.name: loss for loss in found.sources}
    assert (by_name["weights"].snr, by_name["weights"].share, by_name["weights"].kl) == (None, 0, 0)
    assert by_name["inputs"].snr < 60 and by_name.keys() == set(SOURCES)
    assert all(layer.weights is None and layer.by_weights is None for layer in found.layers)


def test_a_spoilt_layer_stands_out(folder):
    graph, weights, quantised = opened(folder)
    packed = quantised.linears["1.down"]
    spoilt = {**quantised.linears, "1.down": replace(packed, row_scale=packed.row_scale * np.float32(1.5))}
    sound, found = (
        measure(graph, weights, given, WINDOWS, nothing) for given in (quantised, replace(quantised, linears=spoilt))
    )
    worst = min(found.layers, key=lambda layer: layer.output)
    assert worst.name == "1.down" and worst.output == pytest.approx(6, abs=0.5)
    assert [loss.name for loss in found.parts][2] == "block 1"
    assert found.parts[2].share > 1.5 * sound.parts[2].share


def test_what_a_range_does_not_hold_is_counted(folder):
    graph, weights, quantised = opened(folder)
    seen = {}

    def watch(name, value):
        seen.setdefault(name, []).append(value)

    arithmetic = FloatArithmetic(graph, weights, quantised.theta)
    run(graph, arithmetic, [Segment(arithmetic.cache(48), 0, window) for window in WINDOWS], watch)
    narrow = golden.Quantisation(0.01, 128)
    ranges = {**quantised.ranges, "0.gated": narrow}
    found = measure(graph, weights, replace(quantised, ranges=ranges), WINDOWS, nothing)
    value = next(value for value in found.values if value.name == "0.gated")
    gated = np.concatenate(seen["0.gated"])
    assert value.clipped == pytest.approx(np.mean((gated < -1.285) | (gated > 1.275)), abs=1e-4) and value.clipped > 0.1
    assert (value.low, value.high) == pytest.approx((-1.28, 1.27))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_can_be_reported(tmp_path, architecture):
    source = random_checkpoint(tmp_path / "c", architecture)
    compile_package(source, tmp_path / "m.hef", CompileSettings(context=64, gptq=False), nothing)
    found = report(tmp_path / "m.hef", source, "", nothing)
    assert found.measured.whole.snr > 3  # random weights are hard
    assert len(found.measured.layers) >= 8 and found.sizes["hollama-weights.safetensors"] > 1000
    with Hef.open(tmp_path / "m.hef") as hef:
        graph, _ = read_model(hef)
    names = [name for name, _, _ in parts_of(graph)]
    assert names[:3] == ["embedding", "block 0", "block 1"]
    assert [start for _, start, _ in parts_of(graph)][1:] == [stop for _, _, stop in parts_of(graph)][:-1]


def test_what_a_har_remembers_needs_no_checkpoint(folder):
    found = report(folder / "q.har", None, "", nothing)
    assert found.measured is None and [step["stage"] for step in found.history] == ["parse", "optimize"]
    assert {value.name for value in found.values} > {"0.attention_norm", "1.gated"}


def test_another_checkpoint_is_refused(folder, tmp_path):
    optimise_stage(folder / "base", tmp_path / "q.har", CompileSettings(context=64, gptq=False), nothing)
    random_checkpoint(tmp_path / "longer", num_hidden_layers=3)
    with pytest.raises(CompileError, match=r"q\.har was made of another model"):
        report(tmp_path / "q.har", tmp_path / "longer", "", nothing)
    random_checkpoint(tmp_path / "other", seed=5)
    with pytest.raises(CompileError, match=r"q\.har was made of other weights"):
        report(tmp_path / "q.har", tmp_path / "other", "", nothing)


@pytest.mark.parametrize("nonsense", [b"[]", b'{"a": 3}', b'{"a": {"bits": "x"}}', b'{"a": {"bits": 1e999}}'])
def test_statistics_that_are_none_are_refused(folder, tmp_path, nonsense):
    with Har.open(folder / "q.har") as har:
        members = {**har.resources, "statistics.json": nonsense}
        write_har(tmp_path / "x.har", stage=har.stage, members=members, groups=har.groups, history=[])
    with pytest.raises(HarError, match="holds no statistics"):
        report(tmp_path / "x.har", None, "", nothing)
