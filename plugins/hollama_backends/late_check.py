"""Checks a package's large table of embeddings after the model has begun to answer. Knows no arithmetic.

A cold start waits for the disk, and a token needs one row of the table: to read all of it first made the first answer
of a 1.5B model wait for 1.27 GB where 0.8 are needed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from hollama.errors import BackendLost
from hollama.formats.hef import Hef

LARGE = 64 << 20  # bytes: less is read before anybody notices


@dataclass
class LateCheck:
    """Verifies the resources `names` of a package on a thread of its own, once started."""

    path: Path
    names: tuple[str, ...]
    error: str = field(default="", init=False)

    @classmethod
    def of(cls, hef: Hef, *names: str) -> LateCheck:
        """Of those that are large."""
        present = [name for name in names if name in hef.resources]
        return cls(hef.path, tuple(name for name in present if hef.resources.entry(name).size > LARGE))

    def start(self) -> threading.Thread | None:
        if not self.names:
            return None
        thread = threading.Thread(target=self._check, name="hollama-late-check", daemon=True)
        thread.start()
        return thread

    def require(self) -> None:
        """Raises BackendLost once damage was found."""
        if self.error:
            raise BackendLost(self.error)

    def _check(self) -> None:
        try:
            with Hef.open(self.path) as hef:
                for name in self.names:
                    hef.resources.check(name)
        except Exception as error:
            self.error = str(error)
