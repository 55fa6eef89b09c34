"""Large matrix products in bfloat16, attention, and elementwise rows, by the native library. For the compiler.

Operands are rounded to 8 bits of mantissa, sums are float32, in an order that only the shapes decide: the same inputs
give the same bits, whatever the number of threads. A machine without AMX has none of this; see `available`.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_double, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hollama.errors import BackendError
from hollama.kernels import native

F32 = NDArray[np.float32]
_WIDE, _STEP = 32, 1024  # rows of a panel; values of a step of one


class _Source(Structure):
    _fields_ = (
        ("data", c_void_p), ("row_stride", c_int64), ("depth_stride", c_int64), ("rows", c_int64), ("depth", c_int64),
    )  # fmt: skip


@dataclass(frozen=True)
class Operand:
    """A matrix (rows, depth), packed for one side of a product."""

    packed: NDArray[np.uint16]  # (panels, steps, values)
    rows: int
    depth: int

    def part(self, start: int, end: int) -> Operand:
        """Some of its rows; `start` is a multiple of 32."""
        assert start % _WIDE == 0
        return Operand(self.packed[start // _WIDE : -(-end // _WIDE)], end - start, self.depth)


@cache
def available() -> bool:
    """Whether this machine and the native library can do it."""
    try:
        _library()
    except BackendError:
        return False
    return True


@cache
def _library() -> ctypes.CDLL:
    """Raises BackendError where there is none that can do it."""
    loaded = native.library()
    try:
        loaded.products_run.restype = ctypes.c_bool
        if not loaded.products_run():
            raise BackendError("this machine has no tiles of bfloat16")
        _declare(loaded)
    except AttributeError as error:
        raise BackendError(f"the native library is an older one: {error}") from None
    return loaded


def _declare(loaded: ctypes.CDLL) -> None:
    loaded.product_pack_amxbf16.argtypes = [POINTER(_Source), c_int32, c_void_p]
    loaded.product_amxbf16.argtypes = [c_void_p, c_void_p, c_int64, c_void_p, *[c_int64] * 3, c_int32, c_int32]
    loaded.product_attend_scratch_amxbf16.argtypes = [c_int64, c_int64]
    loaded.product_attend_scratch_amxbf16.restype = c_int64
    loaded.product_attend_amxbf16.argtypes = [*[POINTER(_Source)] * 3, c_void_p, c_int64, c_int64, c_int32, c_void_p]
    loaded.rows_norm.argtypes = [c_void_p, c_int64, c_void_p, c_void_p, c_int64, c_int32, c_double]
    loaded.rows_rope.argtypes = [c_void_p, c_int64, c_void_p, c_void_p, c_void_p, c_int64, c_int32, c_int32]
    loaded.rows_gated.argtypes = [c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int64, c_int32]
    for name in ("product_pack_amxbf16", "product_amxbf16", "product_attend_amxbf16", "rows_norm", "rows_rope"):
        getattr(loaded, name).restype = None
    loaded.rows_gated.restype = None


def pack(matrix: F32, right: bool) -> Operand:
    """A matrix (rows, depth) for the left or the right side; rows or columns are contiguous."""
    rows, depth = matrix.shape
    packed = np.empty((-(-rows // _WIDE), -(-depth // _WIDE), _STEP), np.uint16)
    _library().product_pack_amxbf16(byref(_source(matrix)), right, native.address(packed))
    return Operand(packed, rows, depth)


def multiply(left: Operand, right: Operand, out: F32, *, add: bool = False, lower: bool = False) -> None:
    """out (left's rows, right's rows) = left @ right.T, or += that.

    With `lower` only what is not above the diagonal that ends in the last corner is sure; right has as many rows, or
    more by a multiple of 32.
    """
    assert left.depth == right.depth > 0 and out.shape == (left.rows, right.rows)
    assert not lower or (right.rows >= left.rows and (right.rows - left.rows) % _WIDE == 0)
    places = (native.address(x) for x in (left.packed, right.packed))
    address, stride = _rows(out)
    _library().product_amxbf16(*places, left.packed.shape[1], address, stride, *out.shape, add, lower)


def attend(q: F32, k: F32, v: F32, head_dim: int, causal: bool) -> F32:
    """Attention of one text: q (rows, heads * head_dim), k and v (rows, kv heads * head_dim)."""
    (rows, width), group = q.shape, q.shape[1] // k.shape[1]
    out = np.empty((rows, width), np.float32)
    function, size = _library().product_attend_amxbf16, _library().product_attend_scratch_amxbf16
    scratch = np.empty(size(rows, head_dim) + 64, np.uint8)
    place = native.address(scratch) + -native.address(scratch) % 64
    for head in range(k.shape[1] // head_dim):
        part = slice(head * head_dim, (head + 1) * head_dim)
        asked = slice(part.start * group, part.stop * group)
        sources = [byref(_source(x)) for x in (q[:, asked], k[:, part], v[:, part])]
        function(*sources, native.address(out[:, asked]), width, group, causal, place)
    return out


def norm(x: F32, weight: F32, heads: int, eps: float) -> F32:
    """RMS norm of each of `heads` equal parts of every row."""
    x, width = np.ascontiguousarray(x), x.shape[1] // heads
    out = np.empty_like(x)
    _library().rows_norm(
        native.address(x), width, native.address(weight), native.address(out), len(x) * heads, width, eps
    )
    return out


def rope(x: F32, cosine: F32, sine: F32, heads: int) -> F32:
    """Rotary embedding by angles (rows, head_dim)."""
    rows, out = _rows(x), np.empty(x.shape, np.float32)
    angles = [native.address(cosine), native.address(sine)]
    _library().rows_rope(*rows, *angles, native.address(out), len(x), heads, x.shape[1] // heads)
    return out


def gated(gate: F32, up: F32) -> F32:
    """silu(gate) * up."""
    rows, width = gate.shape
    out = np.empty((rows, width), np.float32)
    _library().rows_gated(*_rows(gate), *_rows(up), native.address(out), rows, width)
    return out


def _rows(x: F32) -> tuple[int, int]:
    """Address and stride of rows, each of which is contiguous."""
    assert x.dtype == np.float32 and x.strides[1] == x.itemsize
    return native.address(x), x.strides[0] // x.itemsize


def _source(x: F32) -> _Source:
    row, depth = (stride // x.itemsize for stride in x.strides)
    assert x.dtype == np.float32 and 1 in (row, depth)
    return _Source(native.address(x), row, depth, *x.shape)
