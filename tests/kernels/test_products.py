"""Products in bfloat16 against NumPy's in float32, at all edges of their tiles."""

import numpy as np
import pytest

from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph, Node
from hollama.kernels import products

pytestmark = pytest.mark.skipif(not products.available(), reason="this machine or this build has no tiles of bfloat16")
chance = np.random.default_rng(0)


def matrix(rows, depth):
    return chance.standard_normal((rows, depth)).astype(np.float32)


def rounded(x):
    """To bfloat16, ties to even."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


@pytest.mark.parametrize(("rows", "columns", "depth"), [(1, 1, 1), (33, 50, 70), (32, 64, 1030), (100, 31, 33)])
@pytest.mark.parametrize("order", ["CC", "CF", "FC", "FF"])
def test_a_product_is_that_of_the_rounded_operands(rows, columns, depth, order):
    x, y = matrix(rows, depth), matrix(columns, depth)
    left, right = np.array(x, order=order[0]), np.array(y, order=order[1])
    out = matrix(rows, columns)
    expected = out + rounded(x) @ rounded(y).T
    products.multiply(products.pack(left, right=False), products.pack(right, right=True), out, add=True)
    np.testing.assert_allclose(out, expected, atol=1e-5 * depth**0.5 + 1e-5, rtol=1e-5)


@pytest.mark.parametrize("rows", [slice(0, 90), slice(32, 64), slice(64, 90)])
def test_the_lower_half_is_that_of_the_whole(rows):
    x = matrix(90, 100)
    left, right = products.pack(x, right=False), products.pack(x, right=True)
    whole, lower = (np.zeros((90, 90), np.float32) for _ in range(2))
    products.multiply(left, right, whole)
    products.multiply(left.part(rows.start, rows.stop), right.part(0, rows.stop), lower[rows, : rows.stop], lower=True)
    np.testing.assert_array_equal(np.tril(whole)[rows], np.tril(lower)[rows])


@pytest.mark.parametrize("tokens", [1, 31, 32, 100])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("size", [16, 64, 80])
def test_attention_is_that_of_the_float_model(tokens, causal, size):
    q, k, v = matrix(tokens, 6 * size), matrix(tokens, 2 * size), matrix(tokens, 2 * size)
    node = Node("attention", "mixed", ("q", "k", "v"), 6 * size, heads=6, kv_heads=2, causal=causal)
    linears = [Node("linear", name, ("x",), x.shape[1]) for name, x in zip("qkv", (q, k, v), strict=True)]
    graph = Graph((Node("embed", "x", (), 8), *linears, node), size, 2, 1)
    exact = FloatArithmetic(graph, {}, np.zeros(size, np.float32))
    expected = exact.attention(node, q, k, v, exact.cache(tokens), 0)
    found = products.attend(q, k, v, size, causal)
    assert np.sqrt(np.square(found - expected).mean() / np.square(expected).mean()) < 0.01


@pytest.mark.parametrize("wrong", [np.nan, -np.nan, np.inf, 0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF], ids=str)
def test_what_is_not_finite_does_not_get_lost(wrong):
    x = matrix(40, 48)
    x.view(np.uint32)[33, 5] = wrong if isinstance(wrong, int) else np.float32(wrong).view(np.uint32)
    out = np.empty((40, 40), np.float32)
    products.multiply(products.pack(x, right=False), products.pack(matrix(40, 48), right=True), out)
    assert not np.isfinite(out[33]).any() and np.isfinite(np.delete(out, 33, 0)).all()
    for place in range(3):
        parts = [np.abs(matrix(40, 48)) for _ in range(3)]  # a score of -inf would be a weight of 0
        parts[place] = x
        assert not np.isfinite(products.attend(*parts, 48, causal=True)[33]).all()
