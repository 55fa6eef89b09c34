"""Round to nearest in 8 bits, as encoders have it. At this width nothing cleverer is needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hollama.errors import CompileError
from hollama.kernels.packing import BYTE_MAX, INPUTS_MAX, PackedLinear, pack_bytes

F32 = NDArray[np.float32]
_TINY = np.float32(1e-30)


def round_bytes(weight: F32, bias: F32 | None) -> PackedLinear:
    """Quantise a matrix (outputs, inputs), with one scale a row that covers its largest magnitude.

    Raises CompileError for too many inputs.
    """
    if weight.shape[1] > INPUTS_MAX:
        raise CompileError(f"a linear layer of {weight.shape[1]} inputs; the accumulators hold at most {INPUTS_MAX}")
    scale = np.maximum(np.abs(weight).max(axis=1) / np.float32(BYTE_MAX), _TINY)
    integers = np.clip(np.rint(weight / scale[:, None]), -BYTE_MAX, BYTE_MAX)
    return pack_bytes(integers.astype(np.int8), scale.astype(np.float32), bias)
