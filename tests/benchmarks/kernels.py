"""Speed of the native linear layers, next to what the machine can do.

    python tests/benchmarks/kernels.py [--sets amx,avx2] [--shapes 8960x1536,1536x8960] [--rows 1,8,96,512]
                                       [--threads 1] [--cpu-time]

One row is measured in GB/s of packed weights, against a plain read of as much memory; more rows in GMAC/s, against the
same instruction over registers alone. Layers follow each other through more memory than a cache holds, as in a model.
`--cpu-time` counts what the thread itself used, for a machine that others use too (one thread only). Needs a C compiler
on x86-64. HOLLAMA_LIBRARY names the library to measure, if it is not the installed one.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_float, c_int32, c_int64, c_void_p
from itertools import pairwise
from pathlib import Path

import numpy as np

from hollama.kernels.native import Linear, library, sets

POOL = 1 << 30  # bytes of weights
SECONDS = 0.6  # a measurement; the best of REPEATS counts
REPEATS = 3


class Matrix(Structure):
    _fields_ = (("data", c_void_p), ("stride", c_int64))


class Activations(Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("low", "high", "low_sums", "high_sums")),
        *((name, c_int32) for name in ("rows", "stride", "zero_point")),
        ("scale", c_float),
    )


class Kernels(Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("linear", CFUNCTYPE(None, POINTER(Linear), POINTER(Activations), Matrix, Matrix, c_int32, c_int32, c_void_p)),
    )


class Layers:
    """As many layers of one shape as fill the pool, and the call of one of them on rows of random activations."""

    def __init__(self, pool: np.ndarray, outputs: int, inputs: int, rows: int, threads: int) -> None:
        self.panels, blocks = -(-outputs // 16), -(-inputs // 64)
        self.size = self.panels * blocks * 512
        rng = np.random.default_rng(0)
        q = rng.integers(-128, 128, (rows, blocks * 64), np.int8)
        sums = q.reshape(rows, -1, 32).sum(axis=2, dtype=np.int32)
        scales = np.full(self.panels * blocks * 16, 9, np.uint8)
        floats, row_sum = np.full(self.panels * 16, 0.01, np.float32), np.zeros(self.panels * 16, np.int32)
        out = np.zeros((rows, outputs), np.float32)
        starts = range(0, pool.size - self.size + 1, self.size)
        pointers = (scales.ctypes.data, floats.ctypes.data, None, row_sum.ctypes.data)
        shape = (inputs, outputs, self.panels, blocks, 1)
        self.layers = [Linear(*shape, pool.ctypes.data + start, *pointers) for start in starts]
        self.x = Activations(q.ctypes.data, None, sums.ctypes.data, None, rows, blocks * 64, 117, 0.02)
        self.out = Matrix(out.ctypes.data, outputs)
        library().linear_scratch.restype = ctypes.c_size_t
        size = library().linear_scratch(blocks)
        self.scratch = [np.zeros(size + 64, np.uint8) for _ in range(threads)]
        self.kept = (q, sums, scales, floats, row_sum, out)

    def run(self, linear: Callable[..., None], index: int, pool: ThreadPoolExecutor) -> None:
        """One layer, its panels shared out among the threads."""
        layer = self.layers[index % len(self.layers)]
        bounds = np.linspace(0, self.panels, len(self.scratch) + 1).astype(int).tolist()
        none = Matrix(None, 0)
        work = [
            (byref(layer), byref(self.x), self.out, none, first, last, (scratch.ctypes.data + 63) // 64 * 64)
            for (first, last), scratch in zip(pairwise(bounds), self.scratch, strict=True)
        ]
        if len(work) == 1:
            linear(*work[0])
        else:
            list(pool.map(lambda arguments: linear(*arguments), work))


def best(clock: Callable[[], float], step: Callable[[int], float]) -> float:
    """The best rate of some; step(index) does a piece and says how much it was."""
    found = 0.0
    index = 0
    for _ in range(REPEATS):
        start, done = clock(), 0.0
        while (elapsed := clock() - start) < SECONDS or not done:
            done += step(index)
            index += 1
        found = max(found, done / elapsed)
    return found


def peaks(folder: Path) -> ctypes.CDLL:
    source, target = Path(__file__).parent / "c" / "peak.c", folder / "peak.so"
    subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", target], check=True)
    loaded = ctypes.CDLL(str(target))
    loaded.read_all.argtypes = [c_void_p, c_int64]
    for name in ("avx2", "avxvnni", "avx512vnni", "amx"):
        function = getattr(loaded, f"peak_{name}")
        function.argtypes, function.restype = [c_int64], c_int64
    return loaded


def measure(clock: Callable[[], float], name: str, layers: Layers, rows: int, pool: ThreadPoolExecutor) -> float:
    """GB/s of packed weights for one row, GMAC/s for more."""
    library().kernels_named.restype = POINTER(Kernels)
    kernels = library().kernels_named(name.encode()).contents
    amount = layers.size / 1e9 * (1 if rows == 1 else 2 * rows)

    def step(index: int) -> float:
        layers.run(kernels.linear, index, pool)
        return amount

    return best(clock, step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(sets()))
    parser.add_argument("--shapes", default="8960x1536,1536x8960,1536x1536")
    parser.add_argument("--rows", default="1,8,96,512")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    clock = time.thread_time if options.cpu_time else time.perf_counter
    weights = np.full(POOL, 0x99, np.uint8)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.threads) as pool:
        machine = peaks(Path(folder))
        reading = best(clock, lambda _: (machine.read_all(weights.ctypes.data, POOL), POOL / 1e9)[1])
        print(f"one thread reads {reading:.1f} GB/s; {options.threads} measured below")
        for name in options.sets.split(","):
            peak = getattr(machine, f"peak_{name}", None)
            most = best(clock, lambda _, peak=peak: peak(20_000) / 1e9) if peak else 0
            print(f"{name}: {most:.0f} GMAC/s at most")
            for shape in options.shapes.split(","):
                outputs, inputs = map(int, shape.split("x"))
                for rows in map(int, options.rows.split(",")):
                    rate = measure(clock, name, Layers(weights, outputs, inputs, rows, options.threads), rows, pool)
                    unit, limit = ("GB/s", reading) if rows == 1 else ("GMAC/s", most)
                    share = f"{rate / limit / options.threads:5.0%}" if limit else ""
                    print(f"    {shape:>10} {rows:4} rows {rate:8.1f} {unit:6} {share}", flush=True)


if __name__ == "__main__":
    main()
