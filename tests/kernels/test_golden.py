"""The golden kernels against a second, scalar implementation written from the docstring alone: the same bits."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import BackendError
from hollama.kernels import golden
from hollama.kernels.golden import Quantisation

f32 = np.float32
seeds = st.integers(0, 2**32 - 1)


def rint(x):
    return float(round(float(x)))  # Python rounds ties to even


def scalar_quantise(x, of):
    inverse = f32(1) / f32(of.scale)
    return int(min(max(rint(f32(x) * inverse), -of.zero_point), 2**of.bits - 1 - of.zero_point))


def scalar_exp2(x):
    if x < -126:
        return f32(0)
    n = rint(x)
    f, y = f32(x) - f32(n), f32(math.log(2) ** 6 / 720)
    for k in range(5, -1, -1):
        y = f32(y * f) + f32(math.log(2) ** k / math.factorial(k))
    return f32(math.ldexp(float(y), int(n)))


def random_linear(rng, inputs, outputs, group):
    """The packed layer, its w and its g."""
    weights = rng.integers(-7, 8, (outputs, inputs), np.int8)
    scales = rng.integers(1, 19, (outputs, -(-inputs // (group or inputs))), np.uint8)
    row_scale = rng.random(outputs, f32) * f32(0.01) + f32(1e-6)
    packed = golden.pack(weights, scales, group, row_scale, rng.standard_normal(outputs, f32))
    return packed, weights, scales


def scalar_weight(packed, out, k):
    """w * g of one weight, from the packed layout."""
    panel, c, block, r, i = out // 16, out % 16, k // 64, k % 32 // 4, k % 4
    high = k % 64 >= 32
    nibble = int(packed.packed[panel, block, r, c, i]) >> (4 * high) & 15
    return (nibble - 8) * int(packed.group_scale[panel, block, high * (packed.group_scale.shape[2] - 1), c])


sizes = st.sampled_from([(64, 32), (64, 64), (6, 0), (43, 32), (97, 32), (172, 64), (200, 128), (1500, 0)])


@settings(max_examples=40, deadline=None)
@given(seeds, sizes, st.sampled_from([1, 3, 16, 17]))
def test_packed_weights_are_where_the_layout_says(seed, size, outputs):
    rng = np.random.default_rng(seed)
    inputs, group = size
    packed, weights, scales = random_linear(rng, inputs, outputs, group)
    assert packed.packed.shape == (-(-outputs // 16), -(-inputs // 64), 8, 16, 4)
    integers = golden.integer_weights(packed)
    for out in range(outputs):
        for k in range(inputs):
            expected = int(weights[out, k]) * int(scales[out, k // (group or inputs)])
            assert expected == integers[out, k] == scalar_weight(packed, out, k)
    sums = golden.integer_weights(replace(packed, inputs=64 * packed.packed.shape[1], outputs=len(packed.row_scale)))
    assert np.abs(sums, dtype=int).sum() == np.abs(integers, dtype=int).sum()  # the filling is 0


OUT_OF_RANGE = [("packed", 0x70), ("packed", 0x07), ("group_scale", 0), ("group_scale", 19)]


@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
def test_weights_out_of_range_are_refused(field, value):
    packed, _, _ = random_linear(np.random.default_rng(0), 64, 16, 64)
    getattr(packed, field).reshape(-1)[5] = value
    with pytest.raises(BackendError, match="out of range"):
        golden.unpack(packed, 8)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from([8, 16]), sizes)
def test_linear(seed, bits, size):
    rng = np.random.default_rng(seed)
    inputs, group = size
    packed, _, _ = random_linear(rng, inputs, 3, group)
    of = Quantisation(float(f32(rng.random() + 0.01)), int(rng.integers(0, 2**bits)), bits)
    x = rng.standard_normal((2, inputs), f32) * f32(2 ** (bits - 1))
    found = golden.linear(golden.quantise(x, of), golden.unpack(packed, bits), of)
    for row in range(2):
        for out in range(3):
            total = 0
            for k in range(inputs):
                total += scalar_quantise(x[row, k], of) * scalar_weight(packed, out, k)
            y = f32(f32(total) * f32(f32(of.scale) * packed.row_scale[out])) + packed.bias[out]
            assert found[row, out].tobytes() == f32(y).tobytes()


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 70), st.floats(1e-30, 1e30), st.sampled_from([1e-6, 1e-5, 0.0]))
def test_rms_norm(seed, size, magnitude, eps):
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal(size, f32) * f32(magnitude), rng.standard_normal(size, f32)
    exponent = math.frexp(float(np.abs(x).max()))[1]
    total = sum(int(rint(math.ldexp(float(value), 22 - exponent))) ** 2 for value in x)
    inverse = f32(1.0 / math.sqrt(math.ldexp(float(total), 2 * exponent - 44) / size + eps))
    expected = np.array([f32(f32(value * inverse) * w) for value, w in zip(x, weight, strict=True)], f32)
    assert golden.rms_norm(x[None], weight, eps)[0].tobytes() == expected.tobytes()


def test_rms_norm_of_zeros_is_zero():
    assert not golden.rms_norm(np.zeros((2, 8), f32), np.ones(8, f32), 1e-6).any()
    assert not golden.rms_norm(np.zeros((2, 8), f32), np.ones(8, f32), 0.0).any()


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(0, 20), st.integers(1, 5), st.sampled_from([(2, 1), (4, 2), (3, 3)]))
def test_attention(seed, start, rows, heads):
    rng = np.random.default_rng(seed)
    count, kv_heads = heads
    size, total = 8, start + rows
    of = (Quantisation(3e-4, 32768, 16), Quantisation(0.02, 100), Quantisation(0.03, 140))
    query = rng.integers(-32768, 32768, (rows, count, size)).astype(f32)
    keys = rng.integers(0, 256, (kv_heads, total, size), np.uint8)
    values = rng.integers(0, 256, (kv_heads, total, size), np.uint8)
    found = golden.attention(query, keys, values, start, of).reshape(rows, count, size)
    step = f32(f32(of[0].scale) * f32(of[1].scale)) * f32(math.log2(math.e) / math.sqrt(size))
    for row in range(rows):
        for head in range(count):
            k, v = keys[head * kv_heads // count].astype(int), values[head * kv_heads // count].astype(int)
            seen = range(start + row + 1)
            score = [sum(int(query[row, head, d]) * (int(k[j, d]) - 100) for d in range(size)) for j in seen]
            weight = [int(rint(scalar_exp2(-f32(f32(max(score) - s) * step)) * f32(32767))) for s in score]
            for d in range(size):
                mixed = sum(w * (int(v[j, d]) - 140) for j, w in enumerate(weight))
                expected = f32(f32(float(mixed) / float(sum(weight))) * f32(of[2].scale))
                assert found[row, head, d].tobytes() == expected.tobytes()


@given(st.lists(st.floats(-130, 0, width=32), min_size=1))
def test_exp2(values):
    found = golden.exp2(np.array(values, f32))
    assert found.tobytes() == np.array([scalar_exp2(f32(x)) for x in values], f32).tobytes()
    assert np.allclose(found, np.exp2(np.array(values)), rtol=1e-6, atol=1e-37)


def test_exp2_of_minus_infinity_is_zero():
    assert golden.exp2(np.array([-np.inf], f32))[0] == 0


@given(st.lists(st.floats(-80, 80, width=32), min_size=1))
def test_silu(values):
    x = np.array(values, f32)
    for value, found in zip(x, golden.silu(x), strict=True):
        t = scalar_exp2(-f32(abs(value) * f32(math.log2(math.e))))
        expected = value * (f32(1) / (f32(1) + t) if value >= 0 else t / (f32(1) + t))
        assert found.tobytes() == f32(expected).tobytes()
    assert np.allclose(golden.silu(x), x / (1 + np.exp(-x.astype(float))), rtol=1e-5, atol=1e-30)


def test_gelu_is_that_of_the_library():
    x = np.linspace(-14, 14, 20_001).astype(f32)
    exact = np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x.tolist()])
    assert np.abs(golden.gelu(x) - exact).max() < 5e-7
    by_tanh = [v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) / 2 for v in x.tolist()]
    assert np.abs(golden.gelu_tanh(x) - by_tanh).max() < 1e-6


@given(st.integers(0, 2**32 - 1), st.integers(16, 900), st.floats(0.0, 1000.0))
def test_layer_norm_in_any_order(seed, n, middle):
    rng = np.random.default_rng(seed)
    x, weight, bias = rng.standard_normal((3, n), f32)
    x += f32(middle)
    exact = (x - x.mean(dtype=float)) / np.sqrt(x.var(dtype=float) + 1e-5) * weight + bias
    found = golden.layer_norm(x, weight, bias, 1e-5)
    assert np.abs(found - exact).max() < 1e-5 * (3 + middle)
    order = rng.permutation(n)
    assert golden.layer_norm(x[order], weight[order], bias[order], 1e-5).tobytes() == found[order].tobytes()


def test_an_encoders_token_sees_the_whole_text():
    rng = np.random.default_rng(0)
    of = (Quantisation(3e-4, 32768, 16), Quantisation(0.02, 100), Quantisation(0.03, 140))
    query = rng.integers(-32768, 32768, (9, 4, 8)).astype(f32)
    keys, values = rng.integers(0, 256, (2, 2, 9, 8), np.uint8)
    whole = golden.attention(query, keys, values, 0, of, causal=False)
    for row in range(9):
        last = golden.attention(query[row : row + 1], keys, values, 8, of)  # sees all the others
        assert last.tobytes() == whole[row : row + 1].tobytes()


@pytest.mark.parametrize("base", [10000.0, 1e6])
def test_cos_sin_are_those_of_the_library_to_a_last_digit(base):
    theta = (base ** (-np.arange(0, 64, 2) / 64)).astype(f32)
    positions = np.concatenate([np.arange(3000), [32767, 131071]])
    cosine, sine = golden.cos_sin(positions, np.concatenate([-theta, theta]))
    angle = positions[:, None] * np.concatenate([-theta, theta]).astype(float)
    assert np.abs(cosine - np.cos(angle)).max() < 1e-7
    assert np.abs(sine - np.sin(angle)).max() < 1e-7


def test_one_row_of_attention_equals_the_same_row_of_many():
    rng = np.random.default_rng(0)
    of = (Quantisation(3e-4, 32768, 16), Quantisation(0.02, 100), Quantisation(0.03, 140))
    query = rng.integers(-32768, 32768, (9, 4, 8)).astype(f32)
    keys, values = rng.integers(0, 256, (2, 2, 12, 8), np.uint8)
    whole = golden.attention(query, keys, values, 3, of)
    for row in range(9):
        alone = golden.attention(query[row : row + 1], keys[:, : 4 + row], values[:, : 4 + row], 3 + row, of)
        assert alone.tobytes() == whole[row : row + 1].tobytes()
