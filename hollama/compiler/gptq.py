"""GPTQ (Frantar et al. 2022, arXiv 2210.17323): rounds a matrix so that its layer's outputs change least.

Given H = the sum of x x^T over the inputs x that a layer saw, the loss of a rounded matrix Q is

    tr (W - Q) H (W - Q)^T

The inputs x are those of the quantised model, whose earlier layers lost something already. To make up for that too, the
matrix aims at the outputs W x' that the float model has there (GPTAQ, Li et al. 2025, arXiv 2504.02692): the best
float matrix for it, W + W (sum of (x' - x) x^T) H^-1, is what gets rounded.

Inputs are rounded one after another, those that matter most first, and what is lost with one is made up for by those
that are still to come. Then each input in turn is rounded again in view of all others (coordinate descent, as in
QuantEase), which finds what the single pass could not know, and the rows' scales are fitted anew. Scales are chosen
before by `hollama.compiler.rounding`, for inputs weighted by the diagonal of H. Knows no graph.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hollama.compiler.moments import Moments
from hollama.compiler.rounding import Grid, best_grid, joined
from hollama.errors import CompileError
from hollama.kernels.golden import WEIGHT_MAX

F32 = NDArray[np.float32]
_BLOCK = 128  # inputs whose effect on all others is summed up
_FEWEST, _MOST = 448, 4096  # outputs that are rounded together
_NOT_FINITE = '"{}": its inputs are not finite for the calibration text; the checkpoint is damaged'


@dataclass(frozen=True)
class GptqSettings:
    damping: float = 0.01  # of the mean of the diagonal of H, added to it
    correction: float = 1.0  # how much of the earlier layers' loss to make up for
    correction_damping: float = 0.05  # as `damping`, while that is worked out
    act_order: bool = True
    sweeps: int = 4  # of coordinate descent after the first pass


def gptq(
    weight: F32, moments: Moments, group_size: int, settings: GptqSettings, name: str
) -> tuple[NDArray[np.int8], Grid]:
    """Integers (outputs, inputs) and the grid they stand on, for a matrix (outputs, inputs).

    Raises CompileError for inputs that are not finite, an H that has no inverse or weights that are too large, naming
    the layer.
    """
    hessian = moments.hessian
    damped = damp(hessian, settings.damping, name)
    importance = np.diagonal(damped).copy()
    order = np.argsort(-importance, kind="stable") if settings.act_order else np.arange(len(damped))
    damped = damped[np.ix_(order, order)]
    rounder = _Rounder(name, order, inverse_factor(damped, name), damped, importance, settings.sweeps)
    corrected = _correction(weight, hessian, moments.drift, settings, name)
    rows = min(max(len(weight) // 8, _FEWEST), _MOST)
    parts = [slice(start, start + rows) for start in range(0, len(weight), rows)]
    with ThreadPoolExecutor(os.cpu_count()) as pool, threadpool_limits(1, "blas"):
        found = list(pool.map(lambda part: rounder.rounded(corrected(part), group_size), parts))
    return np.concatenate([integers for integers, _ in found]), joined([grid for _, grid in found])


@dataclass(frozen=True)
class _Rounder:
    """What all outputs of a layer share: the order of the inputs, the rest in that order, but `importance`."""

    name: str
    order: NDArray[np.intp]
    factor: F32
    hessian: F32
    importance: F32
    sweeps: int

    def rounded(self, weight: F32, group_size: int) -> tuple[NDArray[np.int8], Grid]:
        """Some outputs, which do not depend on others. Raises CompileError."""
        grid = best_grid(weight, group_size, self.importance)
        target, step = weight.T[self.order], grid.steps()[self.order]  # (inputs, outputs)
        with np.errstate(all="ignore"):  # what is too large shows in the integers, or is no better factor
            integers = _one_pass(target, step, self.factor)
            for _ in range(self.sweeps):
                _descend(target, step, self.hessian, integers)
            refitted = _refit(target, integers * step, self.hessian)
        if not np.isfinite(integers).all():
            raise CompileError(f'"{self.name}": its weights or inputs are too large to be rounded; is it damaged?')
        rounded = np.empty(integers.shape, np.int8)
        rounded[self.order] = integers
        return np.ascontiguousarray(rounded.T), grid.scaled(refitted)


def _correction(weight: F32, hessian: F32, drift: F32, settings: GptqSettings, name: str) -> Callable[[slice], F32]:
    """Outputs of W + W (sum of (x' - x) x^T) H^-1, the smaller side of which is worked out first."""
    if not settings.correction:
        return lambda part: weight[part]
    if not np.isfinite(drift).all():
        raise CompileError(_NOT_FINITE.format(name))
    hessian = damp(hessian, settings.correction_damping, name)
    if len(weight) < len(hessian):
        change = (settings.correction * np.linalg.solve(hessian, drift.T @ weight.T).T).astype(np.float32, copy=False)
        return lambda part: weight[part] + change[part]
    turn = (settings.correction * np.linalg.solve(hessian, drift.T).T).astype(np.float32, copy=False)
    return lambda part: weight[part] + weight[part] @ turn


def damp(hessian: F32, share: float, name: str) -> F32:
    """H with its diagonal raised; inputs that were never anything but 0 get one too. Raises CompileError."""
    mean = float(np.diagonal(hessian).mean(dtype=np.float64))
    if not np.isfinite(mean):
        raise CompileError(_NOT_FINITE.format(name))
    damped = hessian.copy()
    np.fill_diagonal(damped, np.diagonal(damped) + (share * mean if mean > 0 else 1.0))
    return damped


def inverse_factor(hessian: F32, name: str) -> F32:
    """The upper triangular U with U^T U = H^-1. Raises CompileError where H is not positive definite."""
    try:
        # of the reversed H: its factor reversed is upper triangular
        inverse = _inverse_of_factor(np.ascontiguousarray(hessian[::-1, ::-1]))
    except np.linalg.LinAlgError:
        raise CompileError(
            f'"{name}": the Hessian of its inputs is singular; use more calibration text, or --no-gptq'
        ) from None
    return np.ascontiguousarray(inverse[::-1, ::-1], np.float32)


def _inverse_of_factor(matrix: F32) -> F32:
    """L^-1 for a matrix L L^T, by halves: nearly all of it are large products. Raises LinAlgError."""
    size = len(matrix)
    if size <= 128:
        inverse: F32 = np.linalg.inv(np.linalg.cholesky(matrix.astype(np.float64))).astype(matrix.dtype)
        return inverse
    half = size // 2
    first = _inverse_of_factor(matrix[:half, :half])
    below = matrix[half:, :half] @ first.T
    second = _inverse_of_factor(matrix[half:, half:] - below @ below.T)
    result = np.zeros_like(matrix)
    result[:half, :half], result[half:, half:] = first, second
    result[half:, :half] = -second @ (below @ first)
    return result


def _round(values: F32) -> F32:
    return np.clip(np.rint(values), -WEIGHT_MAX, WEIGHT_MAX)


def _one_pass(target: F32, step: F32, factor: F32) -> F32:
    """Integers (inputs, outputs): what each rounding loses goes to the inputs behind it."""
    left, integers = target.copy(), np.empty_like(target)
    for start in range(0, len(left), _BLOCK):
        end = min(start + _BLOCK, len(left))
        errors = np.empty_like(left[start:end])
        for row in range(start, end):
            at = row - start
            wanted = left[row] - factor[start:row, row] @ errors[:at]
            integers[row] = _round(wanted / step[row])
            errors[at] = (wanted - integers[row] * step[row]) / factor[row, row]
        left[end:] -= factor[start:end, end:].T @ errors
    return integers


def _descend(target: F32, step: F32, hessian: F32, integers: F32) -> None:
    """Round each input once more, the best for what all the others are now."""
    off = target - integers * step  # what is still missing
    for start in range(0, len(target), _BLOCK):
        end = min(start + _BLOCK, len(target))
        pull, changes = hessian[start:end] @ off, np.empty_like(off[start:end])
        for row in range(start, end):
            at = row - start
            pulled = (pull[at] + hessian[row, start:row] @ changes[:at]) / hessian[row, row]
            wanted = off[row] - pulled  # what this input should lack
            best = _round((target[row] - wanted) / step[row])
            changes[at] = (integers[row] - best) * step[row]
            integers[row] = best
        off[start:end] += changes


def _refit(target: F32, rounded: F32, hessian: F32) -> F32:
    """The factor of each output's scale that makes its loss least."""
    pulled = hessian @ rounded
    most: F32 = (target * pulled).sum(axis=0) / np.maximum((rounded * pulled).sum(axis=0), np.float32(1e-30))
    return np.where((most > 0.5) & (most < 2), most, np.float32(1))
