"""Results of items on disk, one JSON line each, so that a killed run goes on where it ended. Knows no task.

    {"key": "9f86d081884c7d65", "model": "quantised", "task": "hellaswag", "item": 17, "values": {"acc": 1.0}}

The key is a digest of the model, the task, the context and the item itself: a line is good for exactly what it was
computed from, whatever run wrote it, and a file may serve many runs. Each line is one write to the end of the file; the
line that a killed run may have left unfinished is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from hollama.errors import EvaluationError
from hollama.evaluate.question import Values

_VERSION = 1  # of all tasks' protocols together: results of another one are computed again


def key_of(digest: str, task: str, context: int, doc: Any) -> str:
    """16 hex digits. `doc` is a JSON value."""
    return xxhash.xxh3_64_hexdigest(json.dumps([_VERSION, digest, task, context, doc]).encode())


class Journal:
    """The results in a file, and those to come. Without a path it keeps them in memory only."""

    def __init__(self, path: Path | None) -> None:
        """Raises EvaluationError for a file that is no journal."""
        self._found: dict[str, Values] = {}
        self._file = None if path is None else self._open(path)

    def get(self, key: str) -> Values | None:
        return self._found.get(key)

    def put(self, key: str, values: Values, about: Mapping[str, Any]) -> None:
        """Note a result; `about` is for readers of the file."""
        self._found[key] = values
        if self._file is not None:
            line = json.dumps({"key": key, **about, "values": values}) + "\n"
            os.write(self._file, line.encode())

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self, path: Path) -> int:
        try:
            data = path.read_bytes() if path.exists() else b""
            *lines, torn = data.split(b"\n")
            for number, line in enumerate(lines, 1):
                key, values = _read(path, number, line)
                self._found[key] = values
            if torn:
                _require_torn(path, len(lines) + 1, torn)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            os.ftruncate(file, len(data) - len(torn))
        except OSError as error:
            raise EvaluationError(f"{path}: results cannot be kept there ({error.strerror})") from error
        return file


def _read(path: Path, number: int, line: bytes) -> tuple[str, Values]:
    try:
        entry = json.loads(line)
        key, values = entry["key"], entry["values"]
        if isinstance(key, str) and all(isinstance(value, int | float) for value in values.values()):
            return key, values
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise EvaluationError(f"{path}, line {number}: no result of an evaluation; name another file for --results")


def _require_torn(path: Path, number: int, line: bytes) -> None:
    """A last line without its end must be the beginning of a result, or the file is somebody's else."""
    start = b'{"key": "'
    if not (line.startswith(start) or start.startswith(line)):
        raise EvaluationError(f"{path}, line {number}: no result of an evaluation; name another file for --results")
