"""The lines that were typed: a file that only its owner reads, shared with Ollama's. Knows no keys."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

LIMIT = 100  # lines


class History:
    """The last lines, oldest first. A file that cannot be read or written is no reason to stop talking."""

    def __init__(self, path: Path, enabled: bool = True) -> None:
        self._path = path
        self.enabled = enabled
        self.lines = self._read() if enabled else []

    def add(self, text: str) -> None:
        if not self.enabled:
            return
        self.lines = [*self.lines, *filter(str.strip, text.splitlines())][-LIMIT:]
        with contextlib.suppress(OSError):
            self._write()

    def _read(self) -> list[str]:
        try:
            text = self._path.read_text("utf-8", "replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-LIMIT:]

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp makes it readable by the owner alone
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".history-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in self.lines))
        os.replace(name, self._path)
