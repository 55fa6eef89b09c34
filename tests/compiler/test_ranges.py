"""Histograms hold what streamed by, and each search clips what it says."""

import numpy as np
import pytest

from hollama.compiler.ranges import METHODS, Histogram, search
from hollama.errors import CompileError
from hollama.kernels.golden import quantise

CHANCE = np.random.default_rng(1)
NORMAL = CHANCE.standard_normal(100_000).astype(np.float32)
TAILED = (NORMAL * np.exp(CHANCE.standard_normal(100_000))).astype(np.float32)


def histogram(values, parts=1):
    seen = Histogram()
    for part in np.array_split(values, parts):
        seen.add(part)
    return seen


@pytest.mark.parametrize("values", [np.abs(TAILED), np.float32([0, 0, 1, 2.5]), np.float32([0, 1, 2])],
                         ids=["tailed", "zeros", "powers of two"])  # fmt: skip
def test_a_histogram_does_not_depend_on_how_the_values_came(values):
    rising = np.sort(values)
    whole, parts = histogram(rising[::-1]), histogram(rising, 50)
    assert (whole.limit, whole.low, whole.high) == (parts.limit, parts.low, parts.high)
    assert whole.counts.sum() == parts.counts.sum() == len(rising)
    assert np.array_equal(whole.counts, parts.counts)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused(wrong):
    with pytest.raises(CompileError, match="not finite"):
        histogram(np.float32([1, wrong, 2]))


def error(values, of):
    return float(np.square(quantise(values, of) * np.float32(of.scale) - values).mean())


@pytest.mark.parametrize("values", [NORMAL, TAILED, np.abs(TAILED)], ids=["normal", "tailed", "positive"])
def test_least_squares_finds_the_least_error(values):
    seen = histogram(values)
    errors = {name: error(values, search(seen, 8, name)) for name in METHODS}
    assert errors["mse"] == min(errors.values())


@pytest.mark.parametrize("method", METHODS)
def test_what_is_clipped_is_told(method):
    seen = histogram(TAILED)
    of = search(seen, 8, method)
    low, high = -of.zero_point * of.scale, (of.top - of.zero_point) * of.scale
    outside = np.mean(np.clip(TAILED, low, high) != TAILED)
    assert seen.clipped(of) == pytest.approx(outside, abs=2e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [np.zeros(5, np.float32), np.full(5, 3, np.float32), np.full(5, -1e-20, np.float32)])
def test_values_that_are_all_alike_have_a_range(method, values):
    of = search(histogram(values), 8, method)
    assert of.scale > 0 and 0 <= of.zero_point <= 255
    assert error(values, of) <= 0.01 * max(1e-30, float(np.square(values).max()))


def test_sixteen_bits_hold_everything():
    assert histogram(TAILED).clipped(search(histogram(TAILED), 16, "mse")) == 0
