"""Sums over a layer's inputs against NumPy's in float64, on tiles and without."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hollama.compiler.moments import Moments, seen
from hollama.kernels import products

TILES = pytest.param(True, marks=pytest.mark.skipif(not products.available(), reason="no tiles of bfloat16 here"))


@pytest.fixture(params=[False, TILES], ids=["numpy", "tiles"])
def tiles(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(products, "available", lambda: False)
    return request.param


def windows(inputs):
    chance = np.random.default_rng(inputs)
    return [chance.standard_normal((2, rows, inputs)).astype(np.float32) for rows in (90, 33, 1)]


def summed(inputs, threads):
    moments = Moments.empty(inputs)
    with ThreadPoolExecutor(threads) as pool:
        for quantised, exact in windows(inputs):
            moments.add(seen(quantised, exact), pool)
    return moments


@pytest.mark.parametrize("inputs", [1, 70, 256, 700])
def test_they_are_the_sums_of_all_windows(tiles, inputs):
    moments = summed(inputs, 3)
    x, exact = np.concatenate(windows(inputs), axis=1).astype(np.float64)
    near = {"rtol": 0, "atol": 0.3 if tiles else 1e-4}  # of sums of 124 products of magnitude 1
    np.testing.assert_allclose(moments.drift, (exact - x).T @ x, **near)
    np.testing.assert_allclose(moments.hessian, x.T @ x, **near)


def test_the_number_of_threads_changes_no_bit(tiles):
    one, many = summed(700, 1), summed(700, 4)
    np.testing.assert_array_equal(one.drift, many.drift)
    np.testing.assert_array_equal(one.hessian, many.hessian)
