"""Rows of a data set: from files, packed or not, or from the Hugging Face hub. Knows no task.

Files come from outside: whatever is wrong with one is an EvaluationError that names file and row.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import importlib
import importlib.util
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from hollama.errors import EvaluationError

Row = Mapping[str, Any]
_T = TypeVar("_T")

_Stream = IO[bytes] | gzip.GzipFile  # which calls itself no such thing

_LARGEST = 256 << 20  # bytes of a file of rows, unpacked
_LARGEST_TEXT = 64 << 20  # bytes of one that is encoded in one piece
_LARGEST_JSON = 32 << 20  # characters that are read at once: objects take up to thirty times the memory of their text
_MOST_ROWS = 1 << 20
_UNPACK: Mapping[str, Callable[[Path], _Stream]] = {".bz2": bz2.BZ2File, ".gz": gzip.GzipFile, ".xz": lzma.LZMAFile}


class Source(Protocol):
    """Where a task's data comes from."""

    def rows(self, split: str) -> Iterable[Row]:
        """All rows of a split, in order; of a single file, the file's. Raises EvaluationError, also while they come."""
        ...

    def text(self, split: str) -> str:
        """The split as one text. Raises EvaluationError."""
        ...

    def has(self, split: str) -> bool:
        """Whether there is such a split beside the main one."""
        ...


@dataclass(frozen=True)
class FileSource:
    """A file, which is the split that is wanted; or a folder, with a file or more that are named after each split.

    JSON lines, CSV with a header, or plain text; rows of CSV files get the file's name as "_file".
    """

    path: Path

    def rows(self, split: str) -> Iterator[Row]:
        return bounded((row for path in self._files(split) for row in read_rows(path)), self.path)

    def text(self, split: str) -> str:
        files = self._files(split)
        for path in files:
            if {".json", ".jsonl"} & set(path.suffixes):
                raise EvaluationError(f"{path} is JSON, plain text is wanted; c4=FILE reads lines with a field `text`")
        return "".join(read_text(path, _LARGEST_TEXT) for path in files)

    def has(self, split: str) -> bool:
        return self.path.is_dir() and bool(self._named(split))

    def _files(self, split: str) -> Sequence[Path]:
        if not self.path.is_dir():
            return [self.path]
        if found := self._named(split):
            return found
        raise EvaluationError(f"{self.path}: no file in this folder is named after the split {split!r}")

    def _named(self, split: str) -> list[Path]:
        files = (path for path in self.path.rglob("*") if path.is_file())
        return sorted(path for path in files if split in path.relative_to(self.path).as_posix().lower())


@dataclass(frozen=True)
class HubSource:
    """A data set of the Hugging Face hub, or a folder of one, through Hugging Face's own library.

    `file` is the one that holds the split, where all files together would be too much to fetch.
    """

    name: str
    config: str | None = None
    file: str | None = None

    def rows(self, split: str) -> list[Row]:
        if not importlib.util.find_spec("datasets"):
            raise EvaluationError(
                f"{self.name}: no file was given, and Hugging Face's library that could fetch it is not installed; "
                "give a file (TASK=FILE), or pip install 'hollama[eval]'"
            )
        datasets = importlib.import_module("datasets")
        try:
            chosen = {"data_files": {split: self.file}, "verification_mode": "no_checks"} if self.file else {}
            return list(datasets.load_dataset(self.name, self.config, split=split, **chosen))
        except Exception as error:  # the library's own, the network's, the file system's
            reason = str(error).split("\n")[0]
            raise EvaluationError(
                f"{self.name}: the hub gave no split {split!r} ({reason:.200}); when offline, give a file (TASK=FILE)"
            ) from error

    def text(self, split: str) -> str:
        return "".join(field(row, "text", str, f"{self.name}, {split}") or "\n" for row in self.rows(split))

    def has(self, split: str) -> bool:
        return True


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file of JSON lines, a JSON array, or a CSV file with a header. Raises EvaluationError."""
    text = read_text(path)
    if ".csv" in path.suffixes:
        yield from _csv_rows(path, text)
    elif re.match(r"\s*\[", text):
        found = _json(path, 1, text)
        if not all(isinstance(row, dict) for row in found):
            raise EvaluationError(f"{path}: a JSON array of something else than objects")
        yield from found
    else:
        yield from _json_lines(path, text)


def bounded(rows: Iterable[_T], path: Path) -> Iterator[_T]:
    """Refuses more of them than memory holds. Raises EvaluationError."""
    for number, row in enumerate(rows):
        if number == _MOST_ROWS:
            raise EvaluationError(f"{path} holds more than {_MOST_ROWS} items; cut it")
        yield row


def read_text(path: Path, most: int = _LARGEST) -> str:
    """A file's text of at most so many bytes, unpacked if its name ends in .gz, .bz2 or .xz. Raises EvaluationError."""
    if path.exists() and not path.is_file():  # a pipe would block, and data is read more than once
        raise EvaluationError(f"{path} is no regular file; name one")
    try:
        with _UNPACK.get(path.suffix, _open)(path) as stream:
            data = stream.read(most + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise EvaluationError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if len(data) > most:
        raise EvaluationError(f"{path} holds more than {most >> 20} MiB; cut it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path} is no UTF-8 text ({error.reason} at byte {error.start})") from error
    if not text.strip():
        raise EvaluationError(f"{path} is empty")
    return text


def _open(path: Path) -> _Stream:
    return path.open("rb")


def field(row: Row, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """A field of a row, checked. Raises EvaluationError."""
    value = row.get(name)
    if not isinstance(value, kind):
        there = ", ".join(sorted(map(str, row))) or "nothing"
        found = "missing" if name not in row else f"of the type {type(value).__name__}"
        raise EvaluationError(f'{where}: "{name}" is {found}; the row has {there:.200}')
    return value


def texts(row: Row, name: str, count: int, where: str) -> list[str]:
    """A field that holds `count` strings. Raises EvaluationError."""
    values = field(row, name, list, where)
    if len(values) != count or not all(isinstance(value, str) for value in values):
        raise EvaluationError(f'{where}: "{name}" holds no {count} strings')
    return list(values)


def _json_lines(path: Path, text: str) -> Iterator[Row]:
    lines = re.finditer(r".*\n|.+", text)  # one after the other, unlike `split`
    for number, line in enumerate(bounded(lines, path), 1):
        if line[0].strip():
            row = _json(path, number, line[0])
            if not isinstance(row, dict):
                raise EvaluationError(f"{path}, line {number}: no JSON object")
            yield row


def _json(path: Path, number: int, text: str) -> Any:
    if len(text) > _LARGEST_JSON:
        raise EvaluationError(f"{path}, line {number}: more than {_LARGEST_JSON >> 20} MiB in one line; cut it")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{path}, line {number}: no JSON ({error})") from error


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise EvaluationError(f"{path}, line {reader.line_num}: another number of columns than the header has")
            yield {**row, "_file": path.name}
    except csv.Error as error:
        raise EvaluationError(f"{path}, line {reader.line_num}: {error}") from error
