"""GPTQ against round to nearest on the same grid: what a layer's outputs lose."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hollama.compiler.gptq import GptqSettings, damp, gptq, inverse_factor
from hollama.compiler.moments import Moments, seen
from hollama.compiler.rounding import round_linear
from hollama.errors import CompileError
from hollama.kernels.golden import GROUP_SCALE_MAX, integer_weights


def correlated(rows, inputs, seed=0):
    """Inputs of which a few directions matter most, as those of language models."""
    chance = np.random.default_rng(seed)
    mixed = chance.standard_normal((inputs, inputs)) * np.geomspace(1, 0.01, inputs)[:, None]
    return (chance.standard_normal((rows, inputs)) @ mixed).astype(np.float32)


def matrix(outputs, inputs, seed=1):
    return np.random.default_rng(seed).standard_normal((outputs, inputs)).astype(np.float32)


def moments_of(x, exact=None):
    moments = Moments.empty(x.shape[1])
    with ThreadPoolExecutor(2) as pool:
        moments.add(seen(x, x if exact is None else exact), pool)
    return moments


def loss(packed, weight, x, exact=None):
    rounded = integer_weights(packed) * packed.row_scale[: packed.outputs, None]
    return np.square(x @ rounded.T - (x if exact is None else exact) @ weight.T).mean()


@pytest.mark.parametrize("group_size", [0, 32, 64])
@pytest.mark.parametrize("settings", [GptqSettings(act_order=False, sweeps=0), GptqSettings(sweeps=0), GptqSettings()])
def test_it_loses_less_than_half_of_what_rounding_loses(group_size, settings):
    x, weight = correlated(600, 150), matrix(40, 150)
    integers, grid = gptq(weight, moments_of(x), group_size, settings, "w")
    assert np.abs(integers).max() <= 7 and grid.group.max() <= GROUP_SCALE_MAX
    unseen = correlated(1200, 150)[600:]
    rounded = loss(round_linear(weight, None, group_size), weight, unseen)
    assert loss(grid.pack(integers, None), weight, unseen) < 0.5 * rounded


def test_every_step_of_it_gains():
    x, weight = correlated(600, 128), matrix(64, 128)
    steps = [GptqSettings(act_order=False, sweeps=0), GptqSettings(sweeps=0), GptqSettings(sweeps=4)]
    losses = []
    for settings in steps:
        integers, grid = gptq(weight, moments_of(x), 64, settings, "w")
        losses.append(loss(grid.pack(integers, None), weight, x))
    assert losses == sorted(losses, reverse=True)


def test_it_makes_up_for_what_earlier_layers_lost():
    exact, weight = correlated(600, 128), matrix(64, 128)
    x = exact + 0.1 * exact.std() * np.random.default_rng(5).standard_normal(exact.shape).astype(np.float32)
    x *= np.float32(1.1)
    losses = []
    for correction in (0.0, 1.0):
        integers, grid = gptq(weight, moments_of(x, exact), 64, GptqSettings(correction=correction), "w")
        losses.append(loss(grid.pack(integers, None), weight, x, exact))
    assert losses[1] < 0.8 * losses[0]


def test_inputs_that_never_were_anything_are_no_matter():
    x, weight = correlated(300, 64), matrix(16, 64)
    x[:, 10:20] = 0
    integers, grid = gptq(weight, moments_of(x), 64, GptqSettings(), "w")
    assert loss(grid.pack(integers, None), weight, x) < loss(round_linear(weight, None, 64), weight, x)


def test_the_factor_is_that_of_the_inverse():
    x = correlated(300, 150).astype(np.float64)
    hessian = damp(x.T @ x, 0.01, "w")
    factor = inverse_factor(hessian, "w").astype(np.float64)
    assert np.allclose(factor, np.triu(factor))
    assert np.allclose(factor.T @ factor @ hessian, np.eye(150), atol=1e-3)


def test_a_singular_hessian_names_its_layer():
    moments = moments_of(np.ones((2, 64), np.float32))
    with pytest.raises(CompileError, match=r'"3\.down": the Hessian of its inputs is singular'):
        gptq(matrix(16, 64), moments, 64, GptqSettings(damping=0.0, correction=0.0), "3.down")


@pytest.mark.filterwarnings("error")
def test_what_overflows_is_rounded_or_refused_in_silence():
    moments, weight = moments_of(correlated(300, 64) * np.float32(1e15)), matrix(16, 64)
    weight[0, 0] = 9e5
    _, grid = gptq(weight, moments, 64, GptqSettings(), "3.down")
    assert np.isfinite(grid.row).all()
    with pytest.raises(CompileError, match=r'"3\.down": its weights or inputs are too large'):
        gptq(9e5 * matrix(16, 64), moments, 64, GptqSettings(), "3.down")


def test_inputs_that_are_not_finite_name_their_layer():
    wrong, right = np.full((2, 64), np.nan, np.float32), np.ones((2, 64), np.float32)
    for moments in (moments_of(wrong), moments_of(right, wrong)):
        with pytest.raises(CompileError, match=r'"3\.down": its inputs are not finite'):
            gptq(matrix(16, 64), moments, 64, GptqSettings(), "3.down")
