"""How long `hollama compile` takes and how much memory, against what its operations take at this machine's peak.

    python tests/benchmarks/compile_time.py --shape qwen2-0.5b --windows 128 --json figures.json

Compiles random float16 weights of a real model's shapes, in a process of its own, calibrated with random words. The
floor counts the multiplications and additions of QuaRot and GPTQ as they are defined (`operations`), and divides them
by the speed of NumPy's large float32 products on all cores: `floor_numpy`. Where the machine has tiles of bfloat16,
`floor` divides what runs on them by their speed instead. Run it on a quiet machine: nothing is repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from versus.weights import SHAPES, Shape, words, write_gguf

from hollama.compiler.pipeline import open_checkpoint
from hollama.compiler.tokenizers import open_tokenizer
from hollama.kernels import products

WINDOW = 2048


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2-0.5b")
    parser.add_argument("--layers", type=int, metavar="N", help="fewer than the model has")
    parser.add_argument("--windows", type=int, default=128, metavar="N", help=f"of {WINDOW} tokens; 0: no text [128]")
    parser.add_argument("--effort", choices=("quick", "full"), default="full")
    parser.add_argument("--cache", type=Path, default=_cache(), help="for the checkpoints, some gigabytes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hollama-benchmarks"


def main() -> None:
    options = arguments()
    shape = SHAPES[options.shape]
    shape = replace(shape, layers=options.layers or shape.layers)
    checkpoint = prepared(options.cache / f"{options.shape}-{shape.layers}", shape)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text"
        command = ["compile", str(checkpoint), f"{folder}/model.hef", "--effort", options.effort]
        if options.windows:
            text.write_text(text_of(checkpoint, options.windows * WINDOW), "utf-8")
            command += ["--calibration", str(text)]
        seconds, peak = measured([sys.executable, "-m", "hollama", *command])
    found = {
        "shape": options.shape, "layers": shape.layers, "tokens": options.windows * WINDOW, "effort": options.effort,
        "cores": len(os.sched_getaffinity(0)), "seconds": seconds, "peak_rss": peak,
        "checkpoint": checkpoint.stat().st_size,
    }  # fmt: skip
    if options.windows and options.effort == "full":
        found |= floors(operations(shape, options.windows * WINDOW), seconds)
    print("\n".join(lines(found)))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def prepared(folder: Path, shape: Shape) -> Path:
    """The checkpoint, made once."""
    path = folder / "f16.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        write_gguf(part, shape)
        part.rename(path)
    return path


def text_of(checkpoint: Path, tokens: int) -> str:
    """Random words of so many tokens."""
    text = words(tokens, seed=0)
    ends = open_tokenizer(open_checkpoint(checkpoint).tokenizer).encode(text, add_special_tokens=False).offsets
    return text[: ends[tokens - 1][1]]


def measured(command: list[str]) -> tuple[float, int]:
    """Seconds, and bytes resident at most: of the program itself, not of the process that starts it."""
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]) * 1024)
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the compiler failed: {process.returncode}")
    return time.perf_counter() - start, peak


def operations(shape: Shape, tokens: int) -> dict[str, float]:
    """Multiplications and additions: of both models' passes, the Hessians, by halves, the drifts, and the rounding.

    Rounding a matrix (outputs n, inputs k) is a pass of k^2 n, four sweeps and a fit of 2 k^2 n each, beside 2 k^3 for
    the Hessian's factor, its inverse and the correction.
    """
    matrices = [
        (shape.hidden + 2 * shape.kv_width, shape.hidden), (shape.hidden, shape.hidden),
        (2 * shape.intermediate, shape.hidden), (shape.hidden, shape.intermediate),
    ] * shape.layers  # fmt: skip
    head = (shape.vocab, shape.hidden)
    squares = sum(k * k for _, k in [*matrices, head])
    return {
        "passes": 2 * 2.0 * tokens * sum(n * k for n, k in matrices),
        "attention": 2 * 2.0 * tokens * shape.layers * WINDOW * shape.hidden,  # two products of a half
        "hessians": 1.0 * tokens * squares,
        "drifts": 2.0 * tokens * squares,
        "rounding": sum(11.0 * k * k * n + 2.0 * k**3 for n, k in [*matrices, head]),
    }


def floors(work: dict[str, float], seconds: float) -> dict[str, object]:
    cores = len(os.sched_getaffinity(0))
    square, out = np.ones((2048, 2048), np.float32), np.empty((cores, 2048, 2048), np.float32)
    numpy = speed(cores, lambda core: np.matmul(square, square, out=out[core]))
    floor_numpy = sum(work.values()) / numpy
    found = {"operations": work, "numpy_peak": numpy, "floor_numpy": floor_numpy, "ratio_numpy": seconds / floor_numpy}
    if products.available():
        left, right = products.pack(square, right=False), products.pack(square, right=True)
        tiles = speed(cores, lambda core: products.multiply(left, right, out[core]))
        floor = work["rounding"] / numpy + (sum(work.values()) - work["rounding"]) / tiles
        found |= {"tiles_peak": tiles, "floor": floor, "ratio": seconds / floor}
    return found


def speed(cores: int, multiply: Callable[[int], object]) -> float:
    """Operations a second of products of squares of 2048, one on each core at once."""
    times = 8
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores) as pool:
        list(pool.map(multiply, range(cores)))
        start = time.perf_counter()
        list(pool.map(lambda core: [multiply(core) for _ in range(times)], range(cores)))
    return cores * times * 2 * 2048**3 / (time.perf_counter() - start)


def lines(found: dict[str, object]) -> list[str]:
    return [f"{key:12} {value}" for key, value in found.items()]


if __name__ == "__main__":
    main()
