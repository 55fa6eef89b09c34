"""The native library in ctypes: where it is, which instruction sets it offers here, and programs for its executor.

`hollama_kernels` lies beside this file where a wheel was built with a C compiler; HOLLAMA_LIBRARY names another one.
The structs are those of `c/kernels.h` and `c/executor.h`, where their meaning is written. Knows no graph, no package.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_void_p
from enum import IntEnum
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import hollama.kernels
from hollama.errors import BackendError
from hollama.kernels.golden import PackedLinear

F32 = NDArray[np.float32]
_NAMES = ("libhollama_kernels.so", "libhollama_kernels.dylib")
_MOST_SETS = 16
PAGE_TOKENS = 64

SEGMENT = np.dtype({  # struct Segment
    "names": ["first_row", "rows", "start", "adapter", "pages"], "formats": ["<i4", "<i4", "<i4", "<i4", "<u8"],
    "offsets": [0, 4, 8, 12, 16], "itemsize": 24,
})  # fmt: skip


class Operation(IntEnum):
    EMBED, NORM, QUANTISE, LINEAR, ROPE, PREPARE, ATTEND, GATED, ADD, SELECT, GATED_LINEAR, ADAPT = range(12)
    LAYER_NORM, GELU, GELU_TANH, POSITION = range(12, 16)


class Kind(IntEnum):
    """What a buffer holds: f32, activations of 8 or 16 bits, queries."""

    FLOATS, BYTES, WORDS, QUERIES = range(4)


class KvShape(Structure):
    _fields_ = (("head_dim", c_int32), ("kv_heads", c_int32), ("caches", c_int32))


class Linear(Structure):
    _fields_ = (
        *((name, c_int32) for name in ("inputs", "outputs", "panels", "blocks", "scales")),
        *((name, c_void_p) for name in ("packed", "group_scale", "row_scale", "bias", "row_sum")),
    )


class Layer(Structure):
    _fields_ = (
        ("linear", Linear),
        *((name, c_int64) for name in ("packed", "group_scale", "row_scale", "bias", "row_sum")),
    )


class Buffer(Structure):
    _fields_ = (("kind", c_int32), ("width", c_int32), ("selected", c_int32))


class Operand(Structure):
    _fields_ = (("buffer", c_int32), ("column", c_int32))


class Instruction(Structure):
    _fields_ = (
        *((name, c_int32) for name in ("operation", "width", "heads", "index", "rotate", "site", "bidirectional")),
        *((name, Operand) for name in ("a", "b", "c", "output", "quantised")),
        ("weights", c_void_p * 2),
        ("weight_counts", c_int64 * 2),
        ("eps", c_double * 2),
        ("scale", c_float * 3),
        ("zero_point", c_int32 * 3),
    )


class Pair(Structure):
    _fields_ = (("down", c_int32), ("up", c_int32), ("scale", c_float), ("zero_point", c_int32))


class Spec(Structure):
    _fields_ = (
        ("kernels", c_char_p),
        *((name, c_int32) for name in ("threads", "rows", "context")),
        ("shape", KvShape),
        *((name, c_int32) for name in ("buffers", "layers", "instructions", "adapters", "sites", "logits")),
        ("buffer", POINTER(Buffer)),
        ("layer", POINTER(Layer)),
        ("instruction", POINTER(Instruction)),
        ("pair", POINTER(Pair)),
        ("table", c_void_p),
        ("table_count", c_int64),
        ("vocabulary", c_int64),
        ("cosine", c_void_p),
        ("sine", c_void_p),
        ("angles", c_int64),
    )


class Failure(Structure):
    _fields_ = (("message", c_char_p), ("instruction", c_int32))


@cache
def library() -> ctypes.CDLL:
    """The library. Raises BackendError where there is none, or none that can be loaded."""
    chosen = os.environ.get("HOLLAMA_LIBRARY", "")
    places = [Path(folder) / name for folder in hollama.kernels.__path__ for name in _NAMES]
    found = Path(chosen) if chosen else next((path for path in places if path.is_file()), None)
    if found is None:
        raise BackendError("the native library was not built: installing hollama found no C compiler")
    try:
        loaded = ctypes.CDLL(str(found))
        _declare(loaded)
    except (OSError, AttributeError) as error:
        raise BackendError(f"the native library cannot be loaded: {error}") from None
    return loaded


def _declare(loaded: ctypes.CDLL) -> None:
    loaded.kernels_sets.argtypes = [POINTER(c_char_p), c_int32]
    loaded.inspect_linear.argtypes = [POINTER(Linear), c_void_p, c_int32, c_int32]
    loaded.program_size.argtypes = [POINTER(Spec)]
    loaded.program_size.restype = c_int64
    loaded.program_new.argtypes = [POINTER(Spec), POINTER(Failure)]
    loaded.program_new.restype = c_void_p
    loaded.program_threads.argtypes = [c_void_p]
    loaded.program_step.argtypes = [
        c_void_p, c_void_p, c_int32, c_void_p, c_int32, c_void_p, c_int32, c_void_p, c_int64,
    ]  # fmt: skip
    loaded.program_step.restype = c_char_p
    loaded.program_free.argtypes = [c_void_p]
    loaded.program_free.restype = None


def sets() -> tuple[str, ...]:
    """Names of the instruction sets that this machine can run, the best first. Raises BackendError as `library`."""
    names = (c_char_p * _MOST_SETS)()
    count = library().kernels_sets(names, _MOST_SETS)
    return tuple(name.decode() for name in names[:count] if name)


def address(array: NDArray[np.generic]) -> int:
    return array.ctypes.data


def inspect(weights: PackedLinear, threads: int) -> NDArray[np.int32]:
    """The sums of w * g of every row, reading all weights once. Raises BackendError for weights outside their range."""
    rows = np.zeros(len(weights.row_scale), np.int32)
    linear, panels = layer(weights, rows).linear, len(weights.packed)
    bounds = np.linspace(0, panels, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        work = [
            pool.submit(library().inspect_linear, byref(linear), address(rows), first, last)
            for first, last in pairwise(bounds)
        ]
        if any(part.result() for part in work):
            raise BackendError("weights or group scales are out of range: the package is damaged; compile it again")
    return rows


def layer(weights: PackedLinear, row_sum: NDArray[np.int32]) -> Layer:
    """A layer that points into its arrays, which the caller keeps."""
    panels, blocks, scales = weights.group_scale.shape[:3]
    bias = weights.bias
    return Layer(
        Linear(
            weights.inputs, weights.outputs, panels, blocks, scales,
            address(weights.packed), address(weights.group_scale), address(weights.row_scale),
            None if bias is None else address(bias), address(row_sum),
        ),
        weights.packed.size, weights.group_scale.size, weights.row_scale.size,
        0 if bias is None else bias.size, row_sum.size,
    )  # fmt: skip


class Program:
    """A program on its threads. `kept` is what the spec points to; it lives as long as the program."""

    def __init__(self, spec: Spec, kept: Sequence[object], memory: int) -> None:
        """Raises BackendError for a spec that leaves its own bounds, or whose values take more than `memory` bytes."""
        self._library, self._kept = library(), (spec, *kept)
        self._width = spec.buffer[spec.logits].width if 0 <= spec.logits < spec.buffers else 0
        failure = Failure()
        self._handle: int | None = None
        self.nbytes: int = self._library.program_size(byref(spec))
        if self.nbytes > memory:
            raise BackendError(f"the values of a step need {self.nbytes >> 20} MiB, {memory >> 20} MiB are free")
        self._handle = self._library.program_new(byref(spec), byref(failure))
        if self._handle is None:
            what = failure.message.decode() if failure.message else "unknown"
            raise BackendError(f"the native engine refuses the program (instruction {failure.instruction}): {what}")

    @property
    def threads(self) -> int:
        return int(self._library.program_threads(self._handle))

    def step(self, tokens: NDArray[np.int32], segments: NDArray[np.void], wanted: NDArray[np.int32]) -> F32:
        """Logits (wanted, vocabulary) of one step.

        segments: of dtype SEGMENT, in order of their rows; `pages` is the address of the context's table of pages.
        The GIL is released meanwhile; one caller at a time. Raises BackendError for a step that makes no sense.
        """
        if self._handle is None:
            raise BackendError("the program was closed")
        logits = np.empty((len(wanted), self._width), np.float32)
        failed = self._library.program_step(
            self._handle, address(tokens), len(tokens), address(segments), len(segments),
            address(wanted), len(wanted), address(logits), self._width,
        )  # fmt: skip
        if failed is not None:
            raise BackendError(f"the native engine refuses the step: {failed.decode()}")
        return logits

    def close(self) -> None:
        """Let the threads end and the memory go. Idempotent."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._library.program_free(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()
