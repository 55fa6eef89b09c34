"""What the environment says of the emulator: which kernels, how many threads, how much KV memory. Knows no model."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hollama.errors import BackendError, ConfigError
from hollama.kernels import native

VARIABLES = {
    "HOLLAMA_KERNELS": "numpy, or an instruction set such as portable or avx2; the best one by default",
    "HOLLAMA_THREADS": "by default as many as there are cores for this process",
    "HOLLAMA_KV_CACHE": "such as 512MB or 2GiB; by default what 8 full contexts need, at most half of what is free",
}
NUMPY = "numpy"
_MOST_THREADS = 256
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


@dataclass(frozen=True)
class EmulatorSettings:
    """`kernels` is an instruction set or "numpy"; `why` says why it is NumPy where nobody asked for it."""

    kernels: str
    threads: int
    kv_cache: int | None  # bytes
    why: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> EmulatorSettings:
        """Raises ConfigError for a value without sense, BackendError for kernels that this machine cannot run."""
        kernels, why = _kernels(environment.get("HOLLAMA_KERNELS", "").strip())
        threads = environment.get("HOLLAMA_THREADS", "").strip() or str(_cores())
        if not threads.isdecimal() or not 1 <= int(threads) <= _MOST_THREADS:
            raise ConfigError(f'HOLLAMA_THREADS: "{threads}" is no number of threads; expected 1 to {_MOST_THREADS}')
        return cls(kernels, int(threads), _bytes(environment.get("HOLLAMA_KV_CACHE", "").strip()), why)


def available_memory() -> int:
    """Bytes that can be had without swapping, as the kernel estimates them; all memory where it does not say."""
    try:
        found = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _kernels(wanted: str) -> tuple[str, str]:
    if wanted == NUMPY:
        return NUMPY, ""
    try:
        sets = native.sets()
    except BackendError as error:
        if wanted:
            raise
        return NUMPY, str(error)
    if wanted and wanted not in sets:
        raise BackendError(f'HOLLAMA_KERNELS: "{wanted}" cannot run here; expected one of {", ".join((*sets, NUMPY))}')
    return wanted or sets[0], ""


def _cores() -> int:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, _MOST_THREADS)


def _bytes(text: str) -> int | None:
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,15})\s*([kmg]?i?)b?", text.lower())
    if not found or found[2] not in _UNITS:
        raise ConfigError(f'HOLLAMA_KV_CACHE: "{text}" is no size; write bytes, or such as 512MB or 2GiB')
    return int(found[1]) * _UNITS[found[2]]
