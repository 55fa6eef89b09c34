"""llama.cpp: built from the source in the sdist of llama-cpp-python, and its own benchmarks run.

Knows its options and their output, no figure of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

VERSION = "0.3.36"  # of llama-cpp-python
_PROGRAMS = ("llama-bench", "llama-batched-bench", "llama-server", "llama-quantize")
_BUILD = ("-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DGGML_OPENMP=ON", "-DBUILD_SHARED_LIBS=OFF",
          "-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF")  # fmt: skip
_BARRIER = '__asm__ volatile("" :: "r"(&tc) : "memory");'


def programs(cache: Path) -> Path:
    """The folder of its programs, built in `cache` if they are not there. Needs cmake and a C++ compiler; minutes."""
    folder = cache / f"llama.cpp-{VERSION}" / "build"
    if not all((folder / "bin" / name).exists() for name in _PROGRAMS):
        source = _source(folder.parent)
        subprocess.run(["cmake", "-S", source, "-B", folder, *_BUILD], check=True)
        subprocess.run(["cmake", "--build", folder, "--parallel", "--target", *_PROGRAMS], check=True)
    return folder / "bin"


def _source(folder: Path) -> Path:
    unpacked = folder / f"llama_cpp_python-{VERSION}"
    if not unpacked.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, f"llama-cpp-python=={VERSION}"], check=True)
        with tarfile.open(folder / f"{unpacked.name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    source = unpacked / "vendor" / "llama.cpp"
    _mend(source / "ggml" / "src" / "ggml-cpu" / "amx" / "mmq.cpp")
    return source


def _mend(source: Path) -> None:
    """gcc 12 takes the tiles' configuration for 8 bytes and leaves the rest of it unwritten: without a barrier every
    run with AMX, llama.cpp's best, ends in a segmentation fault."""
    text = source.read_text("utf-8")
    if _BARRIER not in text:
        source.write_text(text.replace("_tile_loadconfig(&tc);", f"{_BARRIER} _tile_loadconfig(&tc);"), "utf-8")


def quantise(bin_folder: Path, source: Path, target: Path, *options: str, kind: str = "Q4_0") -> None:
    """To a kind of its own, by its own program; `--pure` keeps no tensor in a larger format."""
    part = target.with_suffix(".part")
    command = [bin_folder / "llama-quantize", *options, source, part, kind]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part.rename(target)


@dataclass(frozen=True)
class Variant:
    """Options that change its speed and not its answers."""

    flash: str = "off"
    repack: bool = True
    load: str = "mmap"
    micro_batch: int = 512

    def neighbours(self) -> list[Variant]:
        """This variant with one option changed, each in turn."""
        flash = "on" if self.flash == "off" else "off"
        load = "none" if self.load == "mmap" else "mmap"
        micro_batch = 128 if self.micro_batch == 512 else 512
        changes = ({"flash": flash}, {"repack": not self.repack}, {"load": load}, {"micro_batch": micro_batch})
        return [replace(self, **change) for change in changes]

    def arguments(self) -> list[str]:
        """As llama-server and llama-batched-bench take them."""
        chosen = ["-fa", self.flash, "-lm", self.load, "-b", "2048", "-ub", str(self.micro_batch)]
        return chosen if self.repack else [*chosen, "--no-repack"]

    def bench_arguments(self) -> list[str]:
        """As llama-bench takes them."""
        chosen = ["-fa", self.flash, "-lm", self.load, "-b", "2048", "-ub", str(self.micro_batch)]
        return [*chosen, "--repack", str(int(self.repack))]


@dataclass(frozen=True)
class Case:
    """What llama-bench or llama-batched-bench measures: `generate` is 0 for prefill; `prompt` tokens come first."""

    prompt: int
    generate: int = 0
    batch: int = 1


@dataclass(frozen=True)
class LlamaCpp:
    """A GGUF file under llama.cpp with `threads` threads on the CPUs `cpus`."""

    bin_folder: Path
    model: Path
    threads: int
    cpus: frozenset[int]

    def speed(self, case: Case, variant: Variant) -> float:
        """Tokens a second: of the prompt, or of all that is generated."""
        common = ["-m", str(self.model), "-t", str(self.threads)]
        if case.batch > 1:
            room = case.batch * (case.prompt + case.generate)
            sizes = ["-npp", str(case.prompt), "-ntg", str(case.generate), "-npl", str(case.batch), "-c", str(room)]
            return self._batched([*common, *variant.arguments(), *sizes, "-tb", str(self.threads)])
        sizes = ["-p", "0", "-n", str(case.generate), "-d", str(case.prompt)]
        if not case.generate:
            sizes = ["-p", str(case.prompt), "-n", "0"]
        (result,) = json.loads(
            self._run("llama-bench", [*common, *variant.bench_arguments(), *sizes, "-r", "1", "-o", "json"])
        )
        return float(result["avg_ts"])

    def _batched(self, arguments: Sequence[str]) -> float:
        output = self._run("llama-batched-bench", [*arguments, "--output-format", "jsonl"])
        (result,) = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return float(result["speed_tg"])

    def _run(self, program: str, arguments: Sequence[str]) -> str:
        done = subprocess.run(
            [self.bin_folder / program, *arguments], capture_output=True, text=True, check=False, preexec_fn=self.pin
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def pin(self) -> None:
        """Run this process on the CPUs of the comparison only."""
        os.sched_setaffinity(0, self.cpus)

    def server_command(self, port: int, variant: Variant) -> list[str]:
        command = [str(self.bin_folder / "llama-server"), "-m", str(self.model), "-t", str(self.threads)]
        return [*command, "-c", "2048", "-np", "1", "--port", str(port), *variant.arguments()]
