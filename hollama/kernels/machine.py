"""What this machine can do at most: bytes a second from memory, operations a second in registers. Knows no model.

Both are medians of a few runs on all threads together. The peak is that of the instruction by which the kernels of an
instruction set multiply (`c/measure.c`), a multiplication and an addition being two operations; for NumPy it is that of
a large float32 matrix product.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from hollama.errors import BackendError
from hollama.kernels import native

Words = NDArray[np.uint64]
NUMPY = "numpy"
_RUNS = 5
_SMALLEST = 1 << 20  # bytes; less is read too fast to be timed
_AT_LEAST = 1 << 29  # bytes read in one run
_SECONDS = 0.05  # that a run of the peak takes
_SIDE = 1024


@dataclass(frozen=True)
class Machine:
    """`bandwidth` in bytes a second, `peak` in operations a second, both on `threads` threads together."""

    kernels: str
    threads: int
    bandwidth: float
    peak: float


def measure_machine(kernels: str, threads: int, size: int) -> Machine:
    """Measure the instruction set `kernels`, or "numpy"; bandwidth is that of reading `size` bytes again and again.

    Raises BackendError for an instruction set that this machine or the native library lacks.
    """
    if kernels != NUMPY and kernels not in native.sets():  # asking for them is also what permits their use
        raise BackendError(f'"{kernels}" cannot be measured here; expected one of {", ".join((*native.sets(), NUMPY))}')
    words = np.ones(max(_SMALLEST, size) // 8, np.uint64)
    passes = max(1, _AT_LEAST // words.nbytes)
    with ThreadPoolExecutor(threads) as pool:
        parts = np.array_split(words, threads)
        read = _reader(kernels)
        seconds = [_timed(lambda: list(pool.map(lambda part: read(part, passes), parts))) for _ in range(_RUNS)]
        bandwidth = words.nbytes * passes / median(seconds)
        peak = _numpy_peak() if kernels == NUMPY else _native_peak(kernels, threads, pool)
    return Machine(kernels, threads, bandwidth, peak)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _reader(kernels: str) -> Callable[[Words, int], None]:
    """Reads an array of words so many times."""
    if kernels == NUMPY:
        return lambda words, passes: [words.sum() for _ in range(passes)].clear()
    function = _function(kernels, "measure_read", ctypes.c_void_p, ctypes.c_int64)

    def read(words: Words, passes: int) -> None:
        for _ in range(passes):
            function(words.ctypes.data, len(words))

    return read


def _native_peak(kernels: str, threads: int, pool: ThreadPoolExecutor) -> float:
    function = _function(kernels, "measure_dot", ctypes.c_int64)
    rounds = 10_000
    rounds = int(rounds * _SECONDS / _timed(lambda: function(rounds))) + 1
    speeds = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        operations = sum(pool.map(function, [rounds] * threads))
        speeds.append(operations / (time.perf_counter() - start))
    return median(speeds)


def _numpy_peak() -> float:
    square = np.ones((_SIDE, _SIDE), np.float32)
    return 2 * _SIDE**3 / median(_timed(lambda: square @ square) for _ in range(_RUNS))


def _function(kernels: str, name: str, *arguments: type) -> Callable[..., int]:
    function = getattr(native.library(), f"{name}_{kernels}")
    function.argtypes, function.restype = arguments, ctypes.c_int64
    return function  # type: ignore[no-any-return]
