"""The golden model's kernels: the definition of hollama's static W4A8KV8 arithmetic. Knows arrays, no graph, no model.

A second implementation that follows this page gives the same bits. Notation: `f32(x)` rounds to IEEE 754 binary32, to
nearest with ties to even; every `+ - * /` and `sqrt` between f32 (or f64) values is one IEEE operation in the order
written, so fused multiply-add must be off; `rint` rounds to an integer, ties to even; sums over a reduced axis are
sums of integers and therefore exact in any order. Values between operations are f32 and finite.

Quantisation. A quantised tensor has a static scale s (f32), zero point z and b bits (8 or 16), real = s * (q - z):

    q = clip(rint(x * f32(1 / s)), -z, 2^b - 1 - z) + z

Embedding. The table has 16 bits with one scale and zero point:  x = f32(q - z) * s.

Linear layer, K <= 66,000 inputs in groups of 32, of a multiple of 64, or all in one (channel-wise); the last group
may be cut short. Weights are w in [-7, 7] (4 bits) with an integer scale g in [1, 18] a group and an f32 scale r a row,
real = r * g * w. So w * g is in [-126, 126], an int8, and the whole row accumulates in integers:

    acc = sum over k of (q_k - z) * w_k * g_group(k)             |acc| < 2^31 for 8-bit inputs, < 2^40 for 16-bit ones
    y   = f32(acc) * f32(s * r)          and then  y = y + bias  where there is a bias

An encoder's weights, and an adapter's down to the rank, have 8 bits, w in [-127, 127], and no groups: as with g = 1.

RMS norm of n values. With m = max |x| and m = f * 2^e, f in [0.5, 1) (e = 0 where m = 0):

    t = rint(x * 2^(22 - e))    an integer of at most 23 bits;    v = f64(sum of t^2) * 2^(2e - 44) / n + eps   in f64
    y = x * f32(1 / sqrt(v)) * weight                            with v = 1 where it is 0

Layer norm, with e and t as above: the RMS norm of x - f32(f64(sum of t) * 2^(e - 22) / n), + bias where there is one.

Rotary embedding at position p, head of d values, signed frequencies theta (f32, the first half negative). With
a = f64(p) * f64(theta_i), c = f32(cos a), n = f32(sin a) as `cos_sin` defines them:   y_i = x_i * c_i + x_(i±d/2) * n_i

Attention of one query over the n keys up to its own position, in an encoder over all keys of its text. Queries have 16
bits and the zero point 2^15, keys and values 8 bits, all static:

    score_j = sum over d of (q_d - z_q) * (k_jd - z_k)           an integer; best = max over j
    u_j = f32(best - score_j) * f32(f32(s_q * s_k) * f32(log2(e) / sqrt(d)))
    p_j = rint(exp2(-u_j) * 32767)                               an integer in [0, 32767]
    y_d = f32(f64(sum over j of p_j * (v_jd - z_v)) / f64(sum over j of p_j)) * s_v

It sees all keys at once, so it cannot depend on how the prompt was cut into chunks.

Adapter. Beside a linear layer lie two more without biases, down to a rank and from there up to the layer's outputs, the
adapter's own scale in the latter; between them 8 bits with a static range:

    d = up(quantise(down(q)))          for the layer's own quantised input q;          and then   y = y + d

Where y goes into one sum x + y only, with an older x, d is added to that:   (x + y) + d

Functions. exp2(x) for x <= 0: n = rint(x), f = x - n, the polynomial of `EXP2` in f by Horner's rule in f32, times 2^n;
0 where x < -126. With t = exp2(-|u|) and f(u) = 1 / (1 + t) for u >= 0, t / (1 + t) below, the logistic function of
u / log2(e):  silu(x) = x * f(x * f32(log2 e)), and GELU by way of tanh, x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 *
x^3))) / 2, is exactly  gelu_tanh(x) = x * f(x * (A + B * (x * x)))  with A = f32(2 * sqrt(2 / pi) * log2(e)) and
B = f32(2 * sqrt(2 / pi) * log2(e) * 0.044715).  GELU itself is x * (1 - tail(x)) for x >= 0, x * tail(x) below, with
tail(x) = h * r * exp2(x * x * f32(-log2(e) / 2)), r = 1 / (1 + f32(0.3275911 / sqrt(2)) * |x|) and h the polynomial of
`ERFC` in r by Horner's rule: half of erfc(|x| / sqrt(2)) after Abramowitz and Stegun, 7.1.26; gelu is right to 5e-7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hollama.kernels.packing import BLOCK as BLOCK
from hollama.kernels.packing import BYTE_MAX as BYTE_MAX
from hollama.kernels.packing import GROUP_SCALE_MAX as GROUP_SCALE_MAX
from hollama.kernels.packing import INPUTS_MAX as INPUTS_MAX
from hollama.kernels.packing import PANEL as PANEL
from hollama.kernels.packing import WEIGHT_MAX as WEIGHT_MAX
from hollama.kernels.packing import PackedLinear as PackedLinear
from hollama.kernels.packing import integer_weights as integer_weights
from hollama.kernels.packing import pack as pack
from hollama.kernels.packing import pack_bytes as pack_bytes

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Integers = NDArray[np.integer]

LOG2_E = np.float32(math.log2(math.e))
ERFC = tuple(np.float32(a / 2) for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))
_ERFC_ROOT = np.float32(0.3275911 / math.sqrt(2))
_GELU_LINEAR = np.float32(2 * math.sqrt(2 / math.pi) * math.log2(math.e))
_GELU_CUBIC = np.float32(2 * math.sqrt(2 / math.pi) * math.log2(math.e) * 0.044715)
EXP2 = tuple(np.float32(math.log(2) ** k / math.factorial(k)) for k in range(6, -1, -1))
HEAD_MAX = 256  # values of a head, a multiple of 4
PROBABILITY_MAX = np.float32(32767)
_NORM_BITS = 22
_PART = 512  # inputs whose 8-bit products cannot sum to 2^24: float32 holds every integer below

# Cody and Waite's three-part pi/2, and the kernels of sin and cos on [-pi/4, pi/4], as in Sun's fdlibm.
_HALF_PI = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624871116645580e-21)
_TWO_OVER_PI = 6.36619772367581382433e-01
_SIN = (1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
        -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01)  # fmt: skip
_COS = (-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
        2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02)  # fmt: skip


@dataclass(frozen=True)
class Quantisation:
    """Scale (f32 value), zero point and bits of a quantised tensor."""

    scale: float
    zero_point: int
    bits: int = 8

    @property
    def top(self) -> int:
        return (1 << self.bits) - 1

    @property
    def low(self) -> float:
        """The least value it holds."""
        return -self.zero_point * self.scale

    @property
    def high(self) -> float:
        return (self.top - self.zero_point) * self.scale

    def clips(self, values: F32 | F64) -> NDArray[np.bool_]:
        """Which values lie further outside than rounding goes."""
        return (values < self.low - self.scale / 2) | (values > self.high + self.scale / 2)


@dataclass(frozen=True)
class Linear:
    """A linear layer ready to run: w * g as floats, cut along the inputs so that every product is exact.

    parts: (inputs of the part, outputs) float32 or float64; the parts' inputs follow each other.
    """

    parts: tuple[F32 | F64, ...]
    row_scale: F32
    bias: F32 | None

    @property
    def nbytes(self) -> int:
        return int(sum(part.nbytes for part in self.parts) + self.row_scale.nbytes)


def quantise(x: F32, to: Quantisation) -> F32:
    """Integers q - z of `x`, held in f32 (they are exact there)."""
    inverse = np.float32(1) / np.float32(to.scale)
    centred: F32 = np.rint(x * inverse)
    return np.clip(centred, np.float32(-to.zero_point), np.float32(to.top - to.zero_point))


def embed(table: NDArray[np.uint16], tokens: Integers, of: Quantisation) -> F32:
    """Rows of the embedding table as f32: (tokens, hidden)."""
    centred: F32 = (table[tokens].astype(np.int32) - np.int32(of.zero_point)).astype(np.float32)
    return centred * np.float32(of.scale)


def unpack(weights: PackedLinear, input_bits: int) -> Linear:
    """Integer weights w * g as floats. Raises BackendError for weights or scales outside their ranges.

    For 8-bit inputs the layer is cut into parts whose sums stay below 2^24: there float32 holds every integer, so BLAS
    is exact in any order, at half the bytes of float64 (which 16-bit inputs need). NumPy's own integer product is 30
    times slower.
    """
    integers = integer_weights(weights).T
    parts: list[F32 | F64]
    if input_bits == 8:
        starts = range(0, weights.inputs, _PART)
        parts = [integers[start : start + _PART].astype(np.float32, "C") for start in starts]
    else:
        parts = [integers.astype(np.float64, "C")]
    n = weights.outputs
    return Linear(tuple(parts), weights.row_scale[:n], None if weights.bias is None else weights.bias[:n])


def linear(centred: F32, layer: Linear, of: Quantisation) -> F32:
    """y = x W^T + b for quantised inputs `centred` (rows, inputs): (rows, outputs) f32."""
    accumulated: F32 | F64
    if len(layer.parts) == 1:
        accumulated = np.matmul(centred.astype(layer.parts[0].dtype, copy=False), layer.parts[0])
    else:
        accumulated, start = np.zeros((len(centred), len(layer.row_scale))), 0
        for part in layer.parts:
            accumulated += centred[:, start : start + len(part)] @ part
            start += len(part)
    y: F32 = accumulated.astype(np.float32, copy=False) * (np.float32(of.scale) * layer.row_scale)
    return y if layer.bias is None else y + layer.bias


def adapt(centred: F32, down: Linear, up: Linear, of: Quantisation, between: Quantisation) -> F32:
    """What an adapter adds to a linear layer, for the layer's quantised inputs `centred` (rows, inputs)."""
    return linear(quantise(linear(centred, down, of), between), up, between)


def rms_norm(x: F32, weight: F32, eps: float) -> F32:
    """RMS norm over the last axis."""
    exponent, t = _integers(x)
    mean = np.ldexp((t * t).sum(axis=-1).astype(np.float64), 2 * exponent - 2 * _NORM_BITS) / x.shape[-1] + eps
    inverse: F32 = (1.0 / np.sqrt(np.where(mean == 0, 1.0, mean))).astype(np.float32)
    return x * inverse[..., None] * weight


def layer_norm(x: F32, weight: F32, bias: F32 | None, eps: float) -> F32:
    """Layer norm over the last axis."""
    exponent, t = _integers(x)
    mean: F32 = (np.ldexp(t.sum(axis=-1).astype(np.float64), exponent - _NORM_BITS) / x.shape[-1]).astype(np.float32)
    y = rms_norm(x - mean[..., None], weight, eps)
    return y if bias is None else y + bias


def cos_sin(positions: Integers, theta: F32) -> tuple[F32, F32]:
    """cos and sin of position * theta: two arrays (positions, head_dim)."""
    angle = positions.astype(np.float64)[:, None] * theta.astype(np.float64)
    quadrant = np.rint(angle * _TWO_OVER_PI)
    r = angle
    for part in _HALF_PI:
        r = r - quadrant * part
    square = r * r
    sin = r + r * square * _horner(_SIN, square)
    cos = 1.0 - 0.5 * square + square * square * _horner(_COS, square)
    turn = quadrant.astype(np.int64) & 3
    cosine: F64 = np.choose(turn, [cos, -sin, -cos, sin])
    sine: F64 = np.choose(turn, [sin, cos, -sin, -cos])
    return cosine.astype(np.float32), sine.astype(np.float32)


def rope(x: F32, cosine: F32, sine: F32) -> F32:
    """Rotate heads: x (rows, heads, head_dim), cosine and sine (rows, head_dim) of signed frequencies."""
    half = x.shape[-1] // 2
    swapped: F32 = np.concatenate([x[..., half:], x[..., :half]], axis=-1)
    return x * cosine[:, None] + swapped * sine[:, None]


def attention(
    query: F32, keys: NDArray[np.generic], values: NDArray[np.generic], start: int,
    of: tuple[Quantisation, Quantisation, Quantisation], causal: bool = True,
) -> F32:  # fmt: skip
    """Grouped-query attention; a row sees the keys up to its own position, or all of them.

    query: centred integers (rows, heads, head_dim); keys, values: (kv_heads, start + rows, head_dim) as cached;
    `start` is the position of the first row; `of` are the quantisations of query, keys and values.
    Returns (rows, heads * head_dim) f32.
    """
    q, k, v = of
    rows, heads, size = query.shape
    kv_heads, total, _ = keys.shape
    split = query.astype(np.float64).reshape(rows, kv_heads, heads // kv_heads, size)
    grouped = split.transpose(1, 2, 0, 3).reshape(kv_heads, -1, size)  # (kv_heads, group * rows, head_dim)
    centred_keys = keys.astype(np.float64) - k.zero_point
    score: F64 = np.matmul(grouped, centred_keys.transpose(0, 2, 1)).reshape(kv_heads, -1, rows, total)
    visible = np.arange(total) <= start + np.arange(rows)[:, None]
    if causal and rows > 1:
        score = np.where(visible, score, -np.inf)
    below = (score.max(axis=-1, keepdims=True) - score).astype(np.float32)
    step = np.float32(q.scale) * np.float32(k.scale) * np.float32(math.log2(math.e) / math.sqrt(size))
    weight: F64 = np.rint(exp2(-(below * step)) * PROBABILITY_MAX).astype(np.float64)
    centred_values = values.astype(np.float64) - v.zero_point
    sums: F64 = np.matmul(weight.reshape(kv_heads, -1, total), centred_values).reshape(*weight.shape[:3], size)
    mixed: F32 = (sums / weight.sum(axis=-1, keepdims=True)).astype(np.float32) * np.float32(v.scale)
    return np.ascontiguousarray(mixed.transpose(2, 0, 1, 3)).reshape(rows, heads * size)


def exp2(x: F32) -> F32:
    """2^x for x <= 0, `-inf` included."""
    clipped = np.maximum(x, np.float32(-127))
    n = np.rint(clipped)
    f = clipped - n
    y = np.full_like(f, EXP2[0])
    for coefficient in EXP2[1:]:
        y = y * f + coefficient
    return np.where(x < -126, np.float32(0), np.ldexp(y, n.astype(np.int32)))


def exp(x: F32) -> F32:
    """e^x for x <= 0 by way of `exp2`: what samplers use, so that a token is the same on every machine."""
    return exp2(x * LOG2_E)


def silu(x: F32) -> F32:
    """x times the logistic function of x."""
    return x * _logistic(x * LOG2_E)


def gelu(x: F32) -> F32:
    """x times the normal distribution's share below x."""
    one = np.float32(1)
    r = one / (one + _ERFC_ROOT * np.abs(x))
    h = np.full_like(r, ERFC[0])
    for coefficient in ERFC[1:]:
        h = h * r + coefficient
    tail = h * r * exp2(x * x * (LOG2_E / np.float32(-2)))
    y: F32 = x * np.where(x >= 0, one - tail, tail)
    return y


def gelu_tanh(x: F32) -> F32:
    """GELU by way of tanh, "gelu_new"."""
    return x * _logistic(x * (_GELU_LINEAR + _GELU_CUBIC * (x * x)))


def _logistic(u: F32) -> F32:
    """The logistic function of u / log2(e)."""
    t, one = exp2(-np.abs(u)), np.float32(1)
    return np.where(u >= 0, one / (one + t), t / (one + t))


def _integers(x: F32) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The exponent e of a norm's largest value (...), and all values as integers t (..., n)."""
    exponent = np.frexp(np.abs(x).max(axis=-1))[1].astype(np.int32)
    return exponent, np.rint(np.ldexp(x, (_NORM_BITS - exponent)[..., None])).astype(np.int64)


def _horner(coefficients: tuple[float, ...], x: F64) -> F64:
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y = y * x + coefficient
    return y
