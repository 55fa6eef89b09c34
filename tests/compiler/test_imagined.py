"""Text that a model writes itself for its calibration."""

import numpy as np
import pytest

from hollama.compiler import CompileSettings
from hollama.compiler.float_weights import read_weights
from hollama.compiler.imagined import enough, imagine
from hollama.compiler.pipeline import open_checkpoint, optimise
from hollama.ir.floating import FloatArithmetic
from tests.checkpoints import random_checkpoint


def test_the_model_goes_on_with_pieces_of_the_text(tmp_path):
    checkpoint = open_checkpoint(random_checkpoint(tmp_path / "model"))
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    weights = read_weights(graph, sources, checkpoint)
    weights["logits"] = np.zeros_like(weights["logits"])
    weights["logits"][7:9] = 1000 * np.random.default_rng(1).standard_normal((2, 64))  # it says 7 or 8, or anything
    arithmetic = FloatArithmetic(graph, weights, checkpoint.shape.signed_theta)
    text = list(range(100, 140))
    one, same, other = (imagine(graph, arithmetic, [text, [9]], seed, lambda *_: None) for seed in (1, 1, 2))
    assert one == same != other
    assert {len(window) for window in one} == {40} and len(one) == 16
    assert all(window[:4] == list(range(window[0], window[0] + 4)) and window[0] >= 100 for window in one)
    said = [token for window in one for token in window[4:]]
    assert 0.5 < np.isin(said, [7, 8]).mean() < 1


def test_a_little_text_is_not_enough(tmp_path):
    checkpoint = open_checkpoint(random_checkpoint(tmp_path / "model"))
    graph, _ = checkpoint.architecture.build(checkpoint.shape)  # 128 inputs at most
    assert enough(graph, [list(range(256)), list(range(256))])
    assert not enough(graph, [list(range(256)), list(range(255))])


@pytest.mark.parametrize(("characters", "writes"), [(100, True), (600, False)])
def test_the_model_writes_where_the_text_given_is_short(tmp_path, characters, writes):
    steps = set()
    settings = CompileSettings(context=64, calibration=("The quick brown fox. " * 40)[:characters])
    optimise(open_checkpoint(random_checkpoint(tmp_path / "model")), settings, lambda status, *_: steps.add(status))
    assert ("writing calibration text" in steps) == writes
