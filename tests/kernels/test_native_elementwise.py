"""The elementwise kernels of every instruction set this machine can run: golden's bits."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hollama.kernels import golden
from hollama.kernels.golden import Quantisation
from tests.kernels.native import KvShape, same_bits

f32 = np.float32
seeds = st.integers(0, 2**32 - 1)
lengths = st.one_of(st.integers(1, 200), st.sampled_from([256, 896, 1536, 8960]))
everywhere = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EXTREMES = np.array(
    [0, -0.0, 1e-45, -1e-45, 1.17549435e-38, -1.1754942e-38, 3e38, -3e38, 1, -1, 0.5, -0.5, 1.5, 2.5, 2**24, 1e-20], f32
)  # fmt: skip


def values(rng, n, magnitude=1.0):
    """Floats of one magnitude, some of them extreme in every third array."""
    x = rng.standard_normal(n, f32) * f32(magnitude)
    if rng.integers(3) == 0:
        x[rng.integers(0, n, n // 4 + 1)] = rng.choice(EXTREMES, n // 4 + 1)
    return x


def finite(x, limit=1e15):
    return np.clip(x, f32(-limit), f32(limit))


@everywhere
@given(seeds, lengths, st.integers(-149, 120), st.sampled_from([0.0, 1e-6, 1e-5]))
def test_norm(kernels, seed, n, magnitude, eps):
    rng = np.random.default_rng(seed)
    x = np.ldexp(rng.uniform(-1, 1, n).astype(f32), magnitude)
    weight, out = rng.standard_normal(n, f32), np.empty(n, f32)
    with np.errstate(all="ignore"):
        expected = golden.rms_norm(x, weight, eps)
    kernels.norm(x.ctypes.data, weight.ctypes.data, out.ctypes.data, n, eps)
    same = out.view(np.uint32) == expected.view(np.uint32)
    assert np.all(same | np.isnan(expected))


@pytest.mark.parametrize("x", [np.zeros(70, f32), np.full(70, -0.0, f32), EXTREMES, EXTREMES[:6], EXTREMES[8:]])
def test_norm_of_extremes(kernels, x):
    weight = np.linspace(-2, 2, len(x)).astype(f32)
    expected = golden.rms_norm(x, weight, 1e-6)
    out = x.copy()
    kernels.norm(out.ctypes.data, weight.ctypes.data, out.ctypes.data, len(x), 1e-6)
    same_bits(out, expected)


@everywhere
@given(seeds, lengths, st.integers(-149, 120), st.floats(-9, 9), st.sampled_from([0.0, 1e-12, 1e-5]), st.booleans())
def test_layer_norm(kernels, seed, n, magnitude, middle, eps, biased):
    rng = np.random.default_rng(seed)
    x = np.ldexp(rng.uniform(middle - 1, middle + 1, n).astype(f32), magnitude)
    weight, bias = rng.standard_normal((2, n), f32)
    out = np.empty(n, f32)
    with np.errstate(all="ignore"):
        expected = golden.layer_norm(x, weight, bias if biased else None, eps)
    address = bias.ctypes.data if biased else None
    kernels.layer_norm(x.ctypes.data, weight.ctypes.data, address, out.ctypes.data, n, eps)
    same = out.view(np.uint32) == expected.view(np.uint32)
    assert np.all(same | np.isnan(expected))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_norms_of_what_is_no_number_end(kernels, value):
    """Packages may lie so; sanitizers watch this too."""
    x, out = np.linspace(-1, 1, 70).astype(f32), np.zeros(70, f32)
    x[::9] = value
    kernels.norm(x.ctypes.data, x.ctypes.data, out.ctypes.data, 70, 1e-6)
    kernels.layer_norm(x.ctypes.data, x.ctypes.data, None, out.ctypes.data, 70, 1e-6)
    assert not np.isfinite(out[::9]).any()


def quantised(kernels, x, of):
    """q, and the sums that come with it, as the native engine stores them."""
    n, filled = len(x), -len(x) % 64 + len(x)
    inverse = f32(1) / f32(of.scale)
    low, high = np.full((2, filled + 1), 99, np.int8)
    sums = np.full((2, filled // 32 + 1), 99, np.int32)
    if of.bits == 8:
        kernels.quantise8(x.ctypes.data, low.ctypes.data, sums[0].ctypes.data, n, inverse, of.zero_point)
        parts = low[None]
    else:
        kernels.quantise16(
            x.ctypes.data, low.ctypes.data, high.ctypes.data, sums[0].ctypes.data, sums[1].ctypes.data,
            n, inverse, of.zero_point,
        )  # fmt: skip
        parts = np.stack([low, high])
    for part, part_sums in zip(parts, sums, strict=False):
        assert part[-1] == part_sums[-1] == 99
        assert not part[n:filled].any()
        assert part_sums[:-1].tolist() == part[:-1].reshape(-1, 32).sum(axis=1, dtype=np.int32).tolist()
    unsigned = parts[:, :n].astype(np.int32) + 128
    return unsigned[0] if of.bits == 8 else unsigned[0] | unsigned[1] << 8


@everywhere
@given(seeds, lengths, st.sampled_from([8, 16]), st.floats(2.0**-126, 2.0**100, width=32))
def test_quantise(kernels, seed, n, bits, scale):
    rng, top = np.random.default_rng(seed), (1 << bits) - 1
    of = Quantisation(scale, int(rng.choice([0, top // 2 + 1, top, rng.integers(top)])), bits)
    x = values(rng, n, min(scale * 2 ** (bits - 1), 1e37))
    with np.errstate(over="ignore"):
        expected = golden.quantise(x, of)
    assert quantised(kernels, x, of).tolist() == (expected + of.zero_point).astype(int).tolist()


def test_ties_round_to_even(kernels):
    x = np.arange(-200, 200, dtype=f32) / 2
    expected = golden.quantise(x, Quantisation(1.0, 100)) + 100
    assert quantised(kernels, x, Quantisation(1.0, 100)).tolist() == expected.astype(int).tolist()


@everywhere
@given(seeds, lengths)
def test_quantise_query(kernels, seed, n):
    x = values(np.random.default_rng(seed), n, 300)
    of = Quantisation(0.01, 32768, 16)
    out = np.empty(n, np.int16)
    kernels.quantise_query(x.ctypes.data, out.ctypes.data, n, f32(1) / f32(of.scale))
    with np.errstate(over="ignore"):
        assert out.tolist() == golden.quantise(x, of).astype(int).tolist()


@everywhere
@given(seeds, st.integers(1, 5), st.sampled_from([4, 8, 12, 64, 80, 128, 256]))
def test_rope(kernels, seed, heads, d):
    rng = np.random.default_rng(seed)
    x = finite(values(rng, heads * d))
    cosine, sine = golden.cos_sin(np.array([seed % 40000]), rng.standard_normal(d, f32))
    out = np.empty_like(x)
    kernels.rope(x.ctypes.data, cosine.ctypes.data, sine.ctypes.data, out.ctypes.data, heads, d)
    same_bits(out, golden.rope(x.reshape(1, heads, d), cosine, sine).ravel())


@everywhere
@given(seeds, lengths, st.sampled_from([0.01, 1, 30, 100]), st.booleans())
def test_gated(kernels, seed, n, magnitude, in_place):
    rng = np.random.default_rng(seed)
    gate, up = values(rng, n, magnitude), finite(values(rng, n))
    with np.errstate(over="ignore"):
        expected = golden.silu(gate) * up
    out = gate if in_place else np.empty(n, f32)
    kernels.gated(gate.ctypes.data, up.ctypes.data, out.ctypes.data, n)
    same_bits(out, expected)


def test_gate_around_the_end_of_exp2(kernels):
    """Where exp2's argument passes -126: subnormal results, and the step to 0."""
    gate = np.concatenate([np.linspace(-88, -86, 4001), np.linspace(-1, 1, 4001)]).astype(f32)
    out, up = np.empty_like(gate), np.ones_like(gate)
    kernels.gated(gate.ctypes.data, up.ctypes.data, out.ctypes.data, len(gate))
    same_bits(out, golden.silu(gate))


@everywhere
@given(seeds, lengths, st.sampled_from([0.01, 1, 5, 30]), st.sampled_from(["gelu", "gelu_tanh"]), st.booleans())
def test_gelu(kernels, seed, n, magnitude, name, in_place):
    x = values(np.random.default_rng(seed), n, magnitude)
    with np.errstate(over="ignore"):
        expected = getattr(golden, name)(x)
    out = x if in_place else np.empty(n, f32)
    getattr(kernels, name)(x.ctypes.data, out.ctypes.data, n)
    same_bits(out, expected)


@everywhere
@given(seeds, lengths)
def test_add(kernels, seed, n):
    rng = np.random.default_rng(seed)
    x, y = finite(values(rng, n), 1e38), finite(values(rng, n), 1e38)
    expected = x + y
    kernels.add(x.ctypes.data, y.ctypes.data, x.ctypes.data, n)
    same_bits(x, expected)


@everywhere
@given(seeds, lengths, st.integers(0, 65535))
def test_embed(kernels, seed, n, zero_point):
    table = np.random.default_rng(seed).integers(0, 65536, (1, n), np.uint16)
    of, out = Quantisation(float(f32(0.001)), zero_point, 16), np.empty(n, f32)
    kernels.embed(table.ctypes.data, out.ctypes.data, n, of.scale, zero_point)
    same_bits(out, golden.embed(table, np.array([0]), of)[0])


@everywhere
@given(seeds, st.integers(0, 63), st.integers(1, 3), st.sampled_from([4, 20, 64, 128, 256]), st.integers(0, 1))
def test_store(kernels, seed, token, heads, d, cache):
    rng = np.random.default_rng(seed)
    k, v = rng.standard_normal((2, heads, d), f32)
    of_k, of_v = Quantisation(0.02, 120), Quantisation(0.01, 3)
    page = np.full((2, 2, heads, 64 * d), 77, np.int8)  # cache, part, head
    kernels.store(
        k.ctypes.data, v.ctypes.data, page.ctypes.data, token, cache, KvShape(d, heads, 2),
        f32(1) / f32(of_k.scale), of_k.zero_point, f32(1) / f32(of_v.scale), of_v.zero_point,
    )  # fmt: skip
    expected = np.full_like(page, 77)
    for head in range(heads):
        keys, vals = expected[cache, 0, head].reshape(d // 4, 64, 4), expected[cache, 1, head].reshape(16, d, 4)
        keys[:, token] = (golden.quantise(k[head], of_k) + of_k.zero_point - 128).reshape(d // 4, 4)
        vals[token // 4, :, token % 4] = golden.quantise(v[head], of_v) + of_v.zero_point - 128
    np.testing.assert_array_equal(page, expected)
