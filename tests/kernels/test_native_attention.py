"""Attention of every instruction set this machine can run: golden's bits, from pages as the native engine has them."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kernels.cases import in_pages, random_case
from tests.kernels.native import Attention, KvShape, Matrix, Segment, aligned, same_bits

f32 = np.float32
everywhere = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attend(library, kernels, case, split=None, caches=1, cache=0, first_row=0):
    """What the kernels give for all rows, `split` at a time; `first_row` rows of others come before them."""
    rows, heads, d = case.query.shape
    kv_heads, total, _ = case.keys.shape
    pages = in_pages(case, caches, cache)
    pointers = (ctypes.c_void_p * len(pages))(*(page.ctypes.data for page in pages))
    query = np.full((first_row + rows, heads * d + 16), 12345, np.int16)
    query[first_row:, : heads * d] = case.query.reshape(rows, -1)
    out = np.full((first_row + rows, heads * d + 3), 7, f32)
    segment = Segment(first_row, rows, case.start, ctypes.cast(pointers, ctypes.c_void_p))
    attention = Attention(
        ctypes.pointer(segment), cache, heads, not case.causal, KvShape(d, kv_heads, caches), query.ctypes.data,
        query.shape[1], case.of[2].zero_point, case.of[2].scale, case.step(),
        Matrix(out.ctypes.data, out.shape[1]),
    )  # fmt: skip
    size = library.attention_scratch(total, heads // kv_heads, d)
    scratch = aligned(size + 64, np.uint8, fill=0xAA)
    for kv_head in range(kv_heads):
        for row in range(0, rows, split or rows):
            count = min(split or rows, rows - row)
            kernels.attend(ctypes.byref(attention), kv_head, row, count, scratch.ctypes.data)
    assert (scratch[size:] == 0xAA).all()
    assert (out[:first_row] == 7).all()
    assert (out[:, heads * d :] == 7).all()
    return out[first_row:, : heads * d].copy()


@everywhere
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 200), st.integers(1, 40), st.integers(1, 2),
    st.sampled_from([1, 2, 3, 5, 6, 7, 8, 17]), st.sampled_from([4, 8, 16, 20, 48, 64, 80, 128, 192, 256]),
    st.sampled_from([0.01, 1.0, 4.0, 300.0]), st.booleans(),
)  # fmt: skip
def test_attention(library, kernels, seed, start, rows, kv_heads, group, d, spread, causal):
    rng = np.random.default_rng(seed)
    case = replace(random_case(rng, start, rows, kv_heads, group, d, spread), causal=causal)
    split, first_row = int(rng.integers(1, rows + 1)), int(rng.integers(3))
    found = attend(library, kernels, case, split, caches=2, cache=int(rng.integers(2)), first_row=first_row)
    same_bits(found, case.golden())


@pytest.mark.parametrize("d", [64, 128])
def test_a_long_context(library, kernels, d):
    case = random_case(np.random.default_rng(1), 1990, 20, 1, 7, d, 3.0)
    same_bits(attend(library, kernels, case), case.golden())


@pytest.mark.parametrize("rows", [1, 20])
def test_sums_beyond_32_bits(library, kernels, rows):
    """Equal weights of the lowest value, over more tokens than an int32 can sum."""
    case = random_case(np.random.default_rng(2), 2000, rows, 1, 6, 64, 1e-6)
    case.values[:] = 0
    same_bits(attend(library, kernels, case), case.golden())


def test_more_tokens_than_are_summed_at_once(library, kernels):
    """Beyond 65,536 tokens sums of weights, and of weight times value by bytes, pass 2^31."""
    case = random_case(np.random.default_rng(5), 66_000, 1, 1, 9, 16, 1e-6)
    case.values[:] = 0
    same_bits(attend(library, kernels, case), case.golden())


@pytest.mark.parametrize("query", [-32768, 32767])
@pytest.mark.parametrize("key", [0, 255])
@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("d", [8, 64, 256])
def test_ends_of_the_range(library, kernels, query, key, value, d):
    """Scores as far apart as they can be, sums as large as they can be."""
    case = random_case(np.random.default_rng(3), 130, 20, 1, 2, d)
    case.query[:], case.keys[:], case.values[:] = query, key, value
    case.keys[:, ::3] = 255 - key
    case.values[:, ::5] = 255 - value
    same_bits(attend(library, kernels, case), case.golden())


def test_every_query_value(library, kernels):
    """All 65,536 values of a query against both ends and the middle of the keys."""
    case = random_case(np.random.default_rng(4), 2, 64, 1, 16, 64, 0.5)
    case.query[:] = np.arange(-32768, 32768).reshape(case.query.shape)
    case.keys[:] = np.array([0, 128, 255], np.uint8)[np.arange(66) % 3, None]
    same_bits(attend(library, kernels, case), case.golden())
