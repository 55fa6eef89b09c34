"""Who else uses the CPU: waits until nobody does, and says how much of it others had during a measurement.

Reads Linux's /proc/stat; what a hypervisor took away counts as somebody else's. Knows nothing of what is measured.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CLEAN = 0.15  # cores that others may use during a measurement that counts
_QUIET = 0.10  # and in the second before it starts
_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Sample:
    """A measured value, and how many cores other processes used meanwhile."""

    value: float
    others: float

    @property
    def clean(self) -> bool:
        return self.others <= CLEAN


@dataclass(frozen=True)
class _Moment:
    """Seconds: of the clock, and of all CPUs' work; `own` is this process's and that of children that have ended."""

    clock: float
    busy: float
    own: float


def _now() -> _Moment:
    fields = list(map(int, _STAT.read_text().split("\n", 1)[0].split()[1:9]))
    busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return _Moment(time.monotonic(), busy, sum(usage.ru_utime + usage.ru_stime for usage in usages))


def _others(start: _Moment, end: _Moment) -> float:
    return max(0.0, (end.busy - start.busy - (end.own - start.own)) / (end.clock - start.clock))


def measured(work: Callable[[], float], patience: float) -> Sample:
    """Run `work`, whose processes have all ended when it returns; wait at most `patience` seconds for a quiet start."""
    give_up = time.monotonic() + patience
    while _other_cores(1.0) > _QUIET and time.monotonic() < give_up:
        pass
    start = _now()
    value = work()
    return Sample(value, _others(start, _now()))


def _other_cores(seconds: float) -> float:
    start = _now()
    time.sleep(seconds)
    return _others(start, _now())


def middle(samples: Sequence[Sample]) -> float:
    """The median of the clean samples; of all, where none is clean."""
    return median([sample.value for sample in samples if sample.clean] or [sample.value for sample in samples])


def drop_from_cache(paths: Sequence[Path]) -> None:
    """Make the next reader fetch these files from the disk."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak_memory(process: int) -> int:
    """The most bytes that a living process ever had resident, mapped files included."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {process} has ended")
