"""How long `hollama compile` takes and how much memory, against what its operations take at this machine's peak.

    python tests/benchmarks/compile_time.py --shape qwen2-0.5b --windows 128 --json figures.json

Compiles random float16 weights of a real model's shapes, in a process of its own, calibrated with random words. The
floor counts the multiplications and additions that QuaRot and GPTQ cannot do without (`operations`) and divides them by
what NumPy's float32 matrix product reaches on all cores, and by what bfloat16 tiles reach where the machine has them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from versus.weights import SHAPES, Shape, words, write_gguf

from hollama.compiler.checkpoint import open_tokenizer
from hollama.compiler.pipeline import open_checkpoint

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
    work = operations(shape, options.windows * WINDOW)
    floor = sum(work.values()) / numpy_peak()
    found = {
        "shape": options.shape, "layers": shape.layers, "tokens": options.windows * WINDOW, "effort": options.effort,
        "cores": len(os.sched_getaffinity(0)), "seconds": seconds, "peak_rss": peak,
        "checkpoint": checkpoint.stat().st_size, "operations": work, "floor_numpy": floor, "ratio": seconds / floor,
    }  # fmt: skip
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
    """Multiplications and additions of both models' passes, of the Hessians, by halves, and of the drifts."""
    qkv = shape.hidden * (shape.hidden + 2 * shape.kv_width)
    rest = shape.hidden**2 + 3 * shape.hidden * shape.intermediate
    squares = 3 * shape.hidden**2 + shape.intermediate**2
    return {
        "passes": 2 * 2.0 * tokens * shape.layers * (qkv + rest),
        "attention": 2 * 2.0 * tokens * shape.layers * WINDOW * shape.hidden,  # two products of a half
        "hessians": 1.0 * tokens * (shape.layers * squares + shape.hidden**2),
        "drifts": 2.0 * tokens * (shape.layers * squares + shape.hidden**2),
    }


def numpy_peak() -> float:
    """Operations a second of NumPy's float32 products, one on each core at once."""
    cores, square = len(os.sched_getaffinity(0)), np.ones((2048, 2048), np.float32)
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda _: square @ square, range(cores)))
        start = time.perf_counter()
        list(pool.map(lambda _: [square @ square for _ in range(4)], range(cores)))
    return cores * 4 * 2 * 2048**3 / (time.perf_counter() - start)


def lines(found: dict[str, object]) -> list[str]:
    return [f"{key:12} {value}" for key, value in found.items()]


if __name__ == "__main__":
    main()
