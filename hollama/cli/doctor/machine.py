"""The machine and its Python: enough of everything? Linux is looked at closely, other systems as far as Python can."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hollama.cli.doctor.finding import Finding
from hollama.cli.human import human_bytes

_OLDEST_PYTHON = (3, 11)
_FEW_BYTES = 10**9  # free memory below which small models are in danger already
# The instruction sets that matter to integer arithmetic and BLAS, of the many a CPU lists.
_INSTRUCTIONS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni"),
    *("avx512_bf16", "amx_int8", "amx_tile", "asimd", "asimddp", "i8mm", "sve", "sve2"),
)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def machine_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    yield _python()
    yield _cpu()
    yield _memory()
    yield _blas(environment)


def _python() -> Finding:
    found = f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})"
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("Python", "fail", found, "install Python 3.11 or newer")
    return Finding("Python", "ok", found)


def _cpu() -> Finding:
    usable = usable_cpus()
    count = f"{usable} of {os.cpu_count()} CPUs" if usable != os.cpu_count() else f"{usable} CPUs"
    flags = instruction_sets(_read("/proc/cpuinfo"))
    return Finding("CPU", "ok", ", ".join([platform.machine(), count, " ".join(flags) or "instruction sets unknown"]))


def usable_cpus() -> int:
    """CPUs that this process may use, which in a container are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instruction_sets(cpuinfo: str) -> list[str]:
    """The instruction sets that matter, from the text of /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            listed = set(value.split())
            return [flag for flag in _INSTRUCTIONS if flag in listed]
    return []


def _memory() -> Finding:
    sizes = memory_sizes(_read("/proc/meminfo"))
    if "MemTotal" not in sizes:
        return Finding("Memory", "ok", "amount unknown on this system")
    free = sizes.get("MemAvailable", 0)
    detail = f"{human_bytes(free)} free of {human_bytes(sizes['MemTotal'])}"
    if free < _FEW_BYTES:
        return Finding("Memory", "warn", detail, "end other programs, or unload models with `hollama stop`")
    return Finding("Memory", "ok", detail)


def memory_sizes(meminfo: str) -> dict[str, int]:
    """Bytes by name, from the text of /proc/meminfo."""
    rows = (line.replace(":", " ").split() for line in meminfo.splitlines())
    return {row[0]: int(row[1]) * 1024 for row in rows if len(row) == 3 and row[1].isdecimal()}


def _blas(environment: Mapping[str, str]) -> Finding:
    from numpy import __version__, show_config

    config = show_config(mode="dicts")
    library = (config or {}).get("Build Dependencies", {}).get("blas", {})
    chosen = {name: environment[name] for name in _THREAD_VARIABLES if environment.get(name)}
    threads = ", ".join(f"{name}={value}" for name, value in chosen.items()) or f"{usable_cpus()} threads by default"
    detail = f"numpy {__version__} with {library.get('name', 'an unknown library')} {library.get('version', '')}"
    wrong = [name for name, value in chosen.items() if not value.isdecimal() or int(value) > usable_cpus()]
    if wrong:
        advice = f"unset {' and '.join(wrong)}: more threads than CPUs make every step slower"
        return Finding("BLAS", "warn", f"{detail.strip()}, {threads}", advice)
    return Finding("BLAS", "ok", f"{detail.strip()}, {threads}")


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
