"""How the weights of a linear layer lie in a package and in memory, for the kernels to read. Knows no arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hollama.errors import BackendError

F32 = NDArray[np.float32]

WEIGHT_MAX = 7
GROUP_SCALE_MAX = 18
BYTE_MAX = 127  # of weights of 8 bits
INPUTS_MAX = 66_000  # of a linear layer: 66,000 * 255 * 127 < 2^31
PANEL, BLOCK = 16, 64  # outputs and inputs that are packed together
_DAMAGED = "weights or group scales are out of range: the package is damaged; compile the model again"


@dataclass(frozen=True)
class PackedLinear:
    """Weights of a linear layer as stored and as kernels read them: P panels of 16 outputs, B blocks of 64 inputs.

    packed       (P, B, 8, 16, 4) uint8: byte [p, b, r, c, i] belongs to output 16p + c. Its low nibble is the w + 8 of
                 input 64b + 4r + i, its high nibble that of the input 32 further on.
                 (P, B, 16, 16, 4) for weights of 8 bits: the byte is the w + 128 of input 64b + 4r + i
    group_scale  (P, B, S, 16) uint8: S = 1, or 2 for groups of 32, [0] of the low nibbles and [1] of the high ones;
                 larger groups repeat theirs in every block. S = 0 for weights of 8 bits
    row_scale    (16P,) f32, bias likewise or None

    Outputs and inputs are filled up with w = 0, g = 1, r = 0.
    """

    inputs: int
    outputs: int
    packed: NDArray[np.uint8]
    group_scale: NDArray[np.uint8]
    row_scale: F32
    bias: F32 | None

    @property
    def bits(self) -> int:
        return 4 if self.group_scale.shape[2] else 8

    @staticmethod
    def shapes(inputs: int, outputs: int, scales: int) -> dict[str, tuple[int, ...]]:
        """The shape of each array; `scales` is S."""
        panels, blocks = -(-outputs // PANEL), -(-inputs // BLOCK)
        return {
            "packed": (panels, blocks, 8 if scales else 16, PANEL, 4),
            "group_scale": (panels, blocks, scales, PANEL),
            "row_scale": (panels * PANEL,),
            "bias": (panels * PANEL,),
        }


def pack(
    weights: NDArray[np.int8], group_scale: NDArray[np.uint8], group_size: int, row_scale: F32, bias: F32 | None
) -> PackedLinear:
    """Pack w (outputs, inputs) with the scales (outputs, groups) of groups of 32 or 64n weights; 0: one group."""
    outputs, inputs = weights.shape
    unit = group_size if group_size == 32 else BLOCK
    shapes = PackedLinear.shapes(inputs, outputs, BLOCK // unit)
    panels, blocks = shapes["packed"][:2]
    filling = ((0, panels * PANEL - outputs), (0, blocks * BLOCK - inputs))
    nibbles = (np.pad(weights, filling) + 8).astype(np.uint8).reshape(panels, PANEL, blocks, 2, 8, 4)
    packed = nibbles[:, :, :, 0] | nibbles[:, :, :, 1] << 4
    columns = blocks * BLOCK // unit
    scales = np.repeat(group_scale, (group_size or blocks * BLOCK) // unit, axis=1)[:, :columns]
    scales = np.pad(scales, (filling[0], (0, columns - scales.shape[1])), constant_values=1)
    return PackedLinear(
        inputs, outputs, np.ascontiguousarray(packed.transpose(0, 2, 3, 1, 4)),
        np.ascontiguousarray(scales.reshape(panels, PANEL, blocks, -1).transpose(0, 2, 3, 1)).astype(np.uint8),
        np.pad(row_scale, filling[0]), None if bias is None else np.pad(bias, filling[0]),
    )  # fmt: skip


def pack_bytes(weights: NDArray[np.int8], row_scale: F32, bias: F32 | None) -> PackedLinear:
    """Pack w (outputs, inputs) of 8 bits."""
    outputs, inputs = weights.shape
    shapes = PackedLinear.shapes(inputs, outputs, 0)
    panels, blocks = shapes["packed"][:2]
    filling = ((0, panels * PANEL - outputs), (0, blocks * BLOCK - inputs))
    packed = np.pad(weights.view(np.uint8) ^ np.uint8(128), filling, constant_values=128)
    return PackedLinear(
        inputs, outputs, np.ascontiguousarray(packed.reshape(panels, PANEL, blocks, 16, 4).transpose(0, 2, 3, 1, 4)),
        np.zeros(shapes["group_scale"], np.uint8),
        np.pad(row_scale, filling[0]), None if bias is None else np.pad(bias, filling[0]),
    )  # fmt: skip


def integer_weights(weights: PackedLinear) -> NDArray[np.int8]:
    """w * g as (outputs, inputs). Raises BackendError for weights or scales outside their ranges."""
    if weights.bits == 8:
        return _byte_weights(weights)
    nibbles = np.stack([weights.packed & 15, weights.packed >> 4], axis=2)  # (P, B, 2, 8, 16, 4)
    scales = weights.group_scale
    if not nibbles.all() or not 1 <= scales.min() <= scales.max() <= GROUP_SCALE_MAX:
        raise BackendError(_DAMAGED)
    integers = (nibbles.view(np.int8) - np.int8(8)) * scales.view(np.int8)[:, :, :, None, :, None]
    rows = integers.transpose(0, 4, 1, 2, 3, 5).reshape(len(weights.row_scale), -1)
    return rows[: weights.outputs, : weights.inputs]


def _byte_weights(weights: PackedLinear) -> NDArray[np.int8]:
    if not weights.packed.all():
        raise BackendError(_DAMAGED)
    integers = (weights.packed ^ np.uint8(128)).view(np.int8)
    rows = integers.transpose(0, 3, 1, 2, 4).reshape(len(weights.row_scale), -1)
    return rows[: weights.outputs, : weights.inputs]
