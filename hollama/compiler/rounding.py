"""Round to nearest: the plainest way to 4-bit weights, and the floor that every other pass must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hollama.errors import CompileError
from hollama.kernels.golden import GROUP_SCALE_MAX, WEIGHT_MAX, PackedLinear

F32 = NDArray[np.float32]
_TINY = np.float32(1e-30)


def round_linear(weight: F32, bias: F32 | None, group_size: int) -> PackedLinear:
    """Quantise a matrix (outputs, inputs) in groups of `group_size` inputs; 0 is one group a row (channel-wise).

    Rows are filled up with zeros to whole groups.

    A group's own scale is its largest magnitude / 7; a row stores the largest of these / 63 in float32 and each group
    an integer in 1..63 beside it, so that a whole row accumulates in integers.
    Raises CompileError for an odd group size.
    """
    outputs, inputs = weight.shape
    size = group_size or inputs + inputs % 2
    if size < 0 or size % 2:
        raise CompileError(f"a group of {size} weights cannot be packed; the group size is even, or 0 for channel-wise")
    filled = np.pad(weight, ((0, 0), (0, -inputs % size)))
    groups = filled.reshape(outputs, -1, size)
    wanted = np.abs(groups).max(axis=2) / np.float32(WEIGHT_MAX)
    most = 1 if groups.shape[1] == 1 else GROUP_SCALE_MAX
    row_scale = np.maximum(wanted.max(axis=1) / np.float32(most), _TINY)
    group_scale = np.clip(np.rint(wanted / row_scale[:, None]), 1, most)
    step = (row_scale[:, None] * group_scale)[:, :, None]
    integers = np.clip(np.rint(groups / step), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8).reshape(outputs, -1)
    return PackedLinear(inputs, pack(integers), group_scale.astype(np.uint8), row_scale.astype(np.float32), bias)


def pack(integers: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Two weights a byte: the even input in the low nibble, both + 8."""
    nibbles = (integers + 8).astype(np.uint8)
    return np.ascontiguousarray(nibbles[:, 0::2] | nibbles[:, 1::2] << 4)
