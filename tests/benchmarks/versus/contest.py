"""The rounds: each measures every figure of both, one after the other, and who begins changes. Knows no tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .llamacpp import Case, LlamaCpp, Variant
from .machine import Sample, drop_from_cache, measured, middle
from .models import Models
from .servers import Server, free_port, llama_server, our_server
from .weights import words

CASES = {
    "prefill_96": Case(96),
    "prefill_512": Case(512),
    "decode_0": Case(0, 64),
    "decode_1900": Case(1900, 32),
    "aggregate_8": Case(32, 32, 8),
}
TIMES = ("second_turn_ttft", "cold_load")  # seconds: less is better
PURE = "decode_0_pure"  # against a file that is Q4_0 throughout
_HISTORY = 365  # words, about 1,000 tokens
_TURN = 12
_FULL = 700  # words, about 1,900 tokens
_TUNED_ON = {"prefill_512": "prefill_96", PURE: "decode_0"}


@dataclass(frozen=True)
class Figure:
    """All samples of one key; `variant` is llama.cpp's best."""

    key: str
    variant: Variant
    ours: list[Sample] = field(default_factory=list)
    theirs: list[Sample] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Ours / theirs."""
        return middle(self.ours) / middle(self.theirs)


@dataclass(frozen=True)
class Contest:
    """Two engines on `threads` CPUs, and how long to wait for a quiet machine (seconds)."""

    models: Models
    bin_folder: Path
    threads: int
    patience: float
    peaks: dict[str, int] = field(default_factory=dict)  # bytes, of both servers and of our engine

    @property
    def cpus(self) -> frozenset[int]:
        return frozenset(sorted(os.sched_getaffinity(0))[: self.threads])

    def rounds(self, keys: Sequence[str], count: int, report: Callable[[str], None]) -> dict[str, Figure]:
        """Tune llama.cpp for every key, then measure `count` rounds."""
        variants = self._tuned(keys, report)
        figures = {key: Figure(key, variants[key]) for key in keys}
        for number in range(count):
            for figure in figures.values():
                pairs = [(figure.ours, self._ours(figure.key)), (figure.theirs, self._theirs(figure))]
                for samples, work in pairs if number % 2 else reversed(pairs):
                    samples.append(measured(work, self.patience))
                report(f"round {number + 1}: {figure.key} {_shown(figure.ours[-1])} / {_shown(figure.theirs[-1])}")
        return figures

    def _tuned(self, keys: Sequence[str], report: Callable[[str], None]) -> dict[str, Variant]:
        """The best variant for each key, found by changing one option after the other; the servers take decode's."""
        best: dict[str, Variant] = {}
        for key in ["decode_0", *keys]:
            source = _TUNED_ON.get(key, key if key in CASES else "decode_0")
            if source not in best:
                best[source] = self._climb(CASES[source])
                report(f"llama.cpp's best for {source}: {asdict(best[source])}")
            best[key] = best[source]
        return best

    def _climb(self, case: Case) -> Variant:
        llama, best = self._llama(self.models.q4_0), Variant()
        case = replace(case, prompt=min(case.prompt, 512))
        speed = measured(lambda: llama.speed(case, best), self.patience).value
        for place in range(len(best.neighbours())):
            other = best.neighbours()[place]
            found = measured(lambda other=other: llama.speed(case, other), self.patience).value  # type: ignore[misc]
            if found > speed:
                best, speed = other, found
        return best

    def _llama(self, model: Path) -> LlamaCpp:
        return LlamaCpp(self.bin_folder, model, self.threads, self.cpus)

    def measure_memory(self, variant: Variant) -> None:
        """Note what each server holds at most with a nearly full context."""
        for name, server in (("hollama serve", self._our_server()), ("llama-server", self._their_server(variant))):
            with server as running:
                running.first_token(words(_FULL, seed=3))
                self.peaks[name] = running.peak

    def _our_server(self) -> AbstractContextManager[Server]:
        return our_server(self.models.store, self.cpus)

    def _their_server(self, variant: Variant) -> AbstractContextManager[Server]:
        port = free_port()
        return llama_server(self._llama(self.models.q4_0).server_command(port, variant), port, self.cpus)

    def _theirs(self, figure: Figure) -> Callable[[], float]:
        if figure.key in TIMES:
            return _timed(figure.key, lambda: self._their_server(figure.variant), [self.models.q4_0])
        llama = self._llama(self.models.pure if figure.key == PURE else self.models.q4_0)
        return lambda: llama.speed(CASES[_case(figure.key)], figure.variant)

    def _ours(self, key: str) -> Callable[[], float]:
        if key in TIMES:
            files = [path for path in self.models.store.rglob("*") if path.is_file()]
            return _timed(key, self._our_server, files)
        return lambda: self._our_speed(CASES[_case(key)])

    def _our_speed(self, case: Case) -> float:
        # The first token comes with the prompt's last, so one more is generated than is timed.
        sizes = ["--prompt", max(1, case.prompt), "--generate", case.generate + 1, "--batch", case.batch]
        command = [sys.executable, Path(__file__).with_name("ours.py"), self.models.package, *sizes]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cpus),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"our engine failed:\n{done.stderr[-2000:]}")
        result = json.loads(done.stdout)
        self.peaks["engine"] = max(result["peak_bytes"], self.peaks.get("engine", 0))
        return float(result["decode_tps" if case.generate else "prefill_tps"])


def _timed(
    key: str, server: Callable[[], AbstractContextManager[Server]], files: Sequence[Path]
) -> Callable[[], float]:
    """How to measure one of `TIMES`; `files` are what a cold start reads."""

    def second_turn_ttft() -> float:
        with server() as running:
            history = words(_HISTORY, seed=time.time_ns())
            running.first_token(history)
            return running.first_token(history + words(_TURN, seed=1))

    def cold_load() -> float:
        drop_from_cache(files)
        start = time.perf_counter()
        with server() as running:
            running.first_token(words(_TURN, seed=2))
            return time.perf_counter() - start

    return {"second_turn_ttft": second_turn_ttft, "cold_load": cold_load}[key]


def _case(key: str) -> str:
    return "decode_0" if key == PURE else key


def _shown(sample: Sample) -> str:
    return f"{sample.value:.3g}" + ("" if sample.clean else f" (others used {sample.others:.2f} cores)")
