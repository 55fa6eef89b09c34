"""hollama against llama.cpp: both models of the same random weights, the same CPUs, interleaved runs, medians.

    python tests/benchmarks/versus_llamacpp.py --shape qwen2-1.5b --threads 2 --json figures.json

Speeds are ours / llama.cpp's (more is better), the two times ours / llama-server's (less is better). llama.cpp is built
once from the source in the sdist of llama-cpp-python, which pip downloads, and runs with the best of its options, found
before the rounds. A run during which other processes used the CPU is marked, and counts only where no other is left.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from versus.contest import CASES, PURE, TIMES, Contest, Figure
from versus.llamacpp import programs
from versus.machine import Sample, middle
from versus.models import Models, bytes_per_token, our_bytes_per_token, prepared
from versus.weights import SHAPES

from hollama.cli.human import human_bytes, table

_KEYS = (*CASES, PURE, *TIMES)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2-1.5b")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--only", default=",".join(_KEYS), metavar="KEY,...", help="some of the figures")
    parser.add_argument("--patience", type=float, default=60.0, metavar="S", help="seconds to wait for a quiet machine")
    parser.add_argument("--cache", type=Path, default=_cache(), help="for the build and the models, some gigabytes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hollama-benchmarks"


def main() -> None:
    options = arguments()
    cache = options.cache.resolve()
    bin_folder = programs(cache)
    models = prepared(cache / options.shape, SHAPES[options.shape], bin_folder)
    contest = Contest(models, bin_folder, options.threads, options.patience)
    figures = contest.rounds(options.only.split(","), options.rounds, lambda line: print(line, flush=True))
    contest.measure_memory(next(iter(figures.values())).variant)
    result = summary(figures, contest)
    print("\n".join(lines(figures, contest, models, f"{options.shape}, {options.threads} threads")))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


def summary(figures: dict[str, Figure], contest: Contest) -> dict[str, Any]:
    """The ratios, our resident memory in GB, and under "raw" every sample of both."""
    ratios: dict[str, Any] = {key: figure.ratio for key, figure in figures.items()}
    ours = [size for name, size in contest.peaks.items() if name != "llama-server"]
    return {**ratios, "rss_gb": max(ours, default=0) / 1e9, "threads": contest.threads, "peak_bytes": contest.peaks,
            "raw": {key: asdict(figure) for key, figure in figures.items()}}  # fmt: skip


def lines(figures: dict[str, Figure], contest: Contest, models: Models, head: str) -> list[str]:
    rows = [["FIGURE", "OURS", "LLAMA.CPP", "RATIO", "OURS, RUNS", "LLAMA.CPP, RUNS"]]
    for key, figure in figures.items():
        middles = [f"{middle(samples):.4g}" for samples in (figure.ours, figure.theirs)]
        rows.append([key, *middles, f"{figure.ratio:.2f}", _runs(figure.ours), _runs(figure.theirs)])
    ours = our_bytes_per_token(models.package)
    files = [(name, bytes_per_token(path)) for name, path in (("Q4_0", models.q4_0), ("pure Q4_0", models.pure))]
    sizes = [f"{name} {human_bytes(size)} ({size / ours:.2f} times ours)" for name, size in files]
    peaks = [f"{name} {human_bytes(size)}" for name, size in sorted(contest.peaks.items())]
    return [
        *("", head, "", *table(rows), ""),
        "speeds in tokens a second, times in seconds; * others used the CPU",
        f"bytes a token: ours {human_bytes(ours)}, {', '.join(sizes)}",
        f"memory at most: {', '.join(peaks)}",
    ]


def _runs(samples: list[Sample]) -> str:
    return " ".join(f"{sample.value:.4g}{'' if sample.clean else '*'}" for sample in samples)


if __name__ == "__main__":
    main()
