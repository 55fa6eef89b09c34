"""The grid of 4-bit weights, and round to nearest on it: the floor that every other pass must beat.

A row stores one float32 scale, and each group of a row an integer in 1..18 beside it, so that a whole row accumulates
in integers. Of all scales around the one that just covers a group's largest magnitude, a group takes the one with the
least squared error: clipping the few large weights often costs less than a coarse grid for all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hollama.errors import CompileError
from hollama.kernels.golden import BLOCK, GROUP_SCALE_MAX, INPUTS_MAX, WEIGHT_MAX, PackedLinear, pack

F32 = NDArray[np.float32]
_TINY = np.float32(1e-30)
_NEAR = 1 << 17  # weights that stay in the second cache while they are rounded
_SHRINK = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)


@dataclass(frozen=True)
class Grid:
    """The scales of a matrix: `row` (outputs,) f32, `group` (outputs, groups) integers in 1..18, held in f32."""

    row: F32
    group: F32
    group_size: int  # inputs; as it is packed: 0 is a whole row
    inputs: int

    def steps(self) -> F32:
        """The distance of two neighbours of every weight, (inputs, outputs)."""
        size = self.group_size or self.inputs
        return np.repeat((self.row[:, None] * self.group).T, size, axis=0)[: self.inputs]

    def scaled(self, factor: F32) -> Grid:
        """Each row's scale times a factor (outputs,)."""
        return replace(self, row=(self.row * factor).astype(np.float32))

    def pack(self, integers: NDArray[np.int8], bias: F32 | None) -> PackedLinear:
        """Integers (outputs, inputs) in [-7, 7] that stand on this grid."""
        return pack(integers, self.group.astype(np.uint8), self.group_size, self.row, bias)


def joined(grids: Sequence[Grid]) -> Grid:
    """The grid of a matrix whose outputs have these, one after another."""
    row, group = (np.concatenate([getattr(grid, name) for grid in grids]) for name in ("row", "group"))
    return replace(grids[0], row=row, group=group)


def best_grid(weight: F32, group_size: int, importance: F32 | None = None) -> Grid:
    """Scales for a matrix (outputs, inputs) in groups of `group_size` inputs; 0 is one group a row (channel-wise).

    `importance` (inputs,) weighs the squared errors. Raises CompileError for a group size that cannot be packed, or too
    many inputs.
    """
    outputs, inputs = weight.shape
    if group_size < 0 or (group_size != 32 and group_size % BLOCK):
        raise CompileError(f"groups of {group_size} weights; expected 32, a multiple of {BLOCK}, or 0 for channel-wise")
    if inputs > INPUTS_MAX:
        raise CompileError(f"a linear layer of {inputs} inputs; the accumulators hold at most {INPUTS_MAX}")
    group_size = group_size if group_size < inputs else 0
    size = group_size or inputs
    groups = np.pad(weight, ((0, 0), (0, -inputs % size))).reshape(outputs, -1, size)
    counts = np.ones(inputs, np.float32) if importance is None else importance
    counts = np.pad(counts, (0, -inputs % size)).reshape(-1, size)
    covering = np.abs(groups).max(axis=2) / np.float32(WEIGHT_MAX)
    row = np.maximum(covering.max(axis=1) / np.float32(GROUP_SCALE_MAX), _TINY).astype(np.float32)
    return Grid(row, _best_scales(groups, covering, row, counts), group_size, inputs)


def round_linear(weight: F32, bias: F32 | None, group_size: int) -> PackedLinear:
    """Quantise a matrix (outputs, inputs) to nearest, on all cores. Raises CompileError as `best_grid` does."""
    rows = max(_NEAR // weight.shape[1], 1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = (weight[start : start + rows] for start in range(0, len(weight), rows))
        found = list(pool.map(lambda part: _nearest(part, group_size), parts))
    return joined([grid for _, grid in found]).pack(np.concatenate([integers for integers, _ in found]), bias)


def _nearest(weight: F32, group_size: int) -> tuple[NDArray[np.int8], Grid]:
    grid = best_grid(weight, group_size)
    return np.clip(np.rint(weight / grid.steps().T), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8), grid


def _best_scales(groups: F32, covering: F32, row: F32, counts: F32) -> F32:
    """The integer scale of each group, as float32."""
    best: F32 = np.clip(np.rint(covering / row[:, None]), 1, GROUP_SCALE_MAX)  # where no error is finite
    least = np.full(covering.shape, np.inf, np.float32)
    for shrink in _SHRINK:
        scale = np.clip(np.rint(covering / row[:, None] * np.float32(shrink)), 1, GROUP_SCALE_MAX)
        step = (row[:, None] * scale)[:, :, None]
        rounded = np.clip(np.rint(groups / step), -WEIGHT_MAX, WEIGHT_MAX) * step
        with np.errstate(over="ignore"):
            error = (np.square(rounded - groups) * counts).sum(axis=2)
        better = error < least
        best[better], least[better] = scale[better], error[better]
    return best
