"""Results of items on disk, one JSON line each, so that a killed run goes on where it ended. Knows no task.

    {"key": "9f86d081884c7d65", "model": "quantised", "task": "hellaswag", "item": 17, "values": {"acc": 1.0}}

The key is a digest of the model, the task, the context and the item itself: a line is good for exactly what it was
computed from, whatever run wrote it, and a file may serve many runs, one after another. The line that a killed run may
have left unfinished is cut off.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
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
        """Raises EvaluationError for a file that is no journal, or one that another run keeps its results in."""
        self._path = path
        self._found: dict[str, Values] = {}
        self._file: int | None = None
        if path is not None:
            self._file = _open(path)
            try:
                self._found.update(_entries(path, self._file))
            except BaseException:
                self.close()
                raise

    def get(self, key: str) -> Values | None:
        return self._found.get(key)

    def put(self, key: str, values: Values, about: Mapping[str, Any]) -> None:
        """Note a result; `about` is for readers of the file. Raises EvaluationError where the file takes no more."""
        self._found[key] = values
        if self._file is not None:
            line = (json.dumps({"key": key, **about, "values": values}) + "\n").encode()
            try:
                while line:  # a disk that is nearly full takes a part
                    line = line[os.write(self._file, line) :]
            except OSError as error:
                raise _unkept(self._path, error) from error

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _open(path: Path) -> int:
    """For this run alone: another one would take a line that is being written for a torn one, and cut it off."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _lock(file)
        except OSError:
            os.close(file)
            raise
    except OSError as error:
        raise _unkept(path, error) from error
    return file


def _lock(file: int) -> None:
    """Until it is closed, or the process gone. Raises BlockingIOError where another one has it, OSError."""
    if sys.platform != "win32":  # which has no such locks
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unkept(path: Path | None, error: OSError) -> EvaluationError:
    taken = "another evaluation does now; wait for it, or name another file"
    reason = taken if isinstance(error, BlockingIOError) else error.strerror
    return EvaluationError(f"{path}: results cannot be kept there ({reason})")


def _entries(path: Path, file: int) -> Iterator[tuple[str, Values]]:
    whole = 0  # bytes
    with open(file, "rb", closefd=False) as stream:
        for number, line in enumerate(stream, 1):
            if line.endswith(b"\n"):
                yield _entry(path, number, line)
                whole += len(line)
            else:
                _require_torn(path, number, line)
                os.ftruncate(file, whole)


def _entry(path: Path, number: int, line: bytes) -> tuple[str, Values]:
    try:
        entry = json.loads(line)
        key, values = entry["key"], entry["values"]
        if isinstance(key, str) and all(type(value) in (int, float) for value in values.values()):
            return key, values
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise EvaluationError(f"{path}, line {number}: no result of an evaluation; name another file for --results")


def _require_torn(path: Path, number: int, line: bytes) -> None:
    """A last line without its end must be the beginning of a result, or the file is somebody's else."""
    start = b'{"key": "'
    if not (line.startswith(start) or start.startswith(line)):
        raise EvaluationError(f"{path}, line {number}: no result of an evaluation; name another file for --results")
