"""Map a file read-only; write a file piece by piece, so that it is either whole or absent. Knows no format."""

from __future__ import annotations

import errno
import mmap
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import xxhash

_PIECE = 32 << 20  # bytes
_CHUNK = 1 << 20

Content = bytes | memoryview | Path | Iterable[bytes | memoryview]  # of a file within a file


def map_file(path: Path) -> memoryview:
    """The file's bytes, read-only and mapped. The map lives until the last view of it is gone.

    Raises OSError as `open` does, and for what is no file: a pipe would be waited for without end.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:  # mmap refuses those
            return memoryview(b"")
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    _advise(data, "MADV_HUGEPAGE", 0, len(data))  # where the file system has them: fewer look-ups of addresses
    return data


def hash_mapped(data: memoryview, start: int, stop: int, *, keep: bool = False) -> int:
    """XXH3-64 of data[start:stop], where `data` is a whole mapped file.

    To `keep` it in the process's memory is for what is needed at once: other threads run all the time then. Otherwise
    it is read piece by piece. Asking for the next piece ahead made a cold read of 1.3 GB slower (5.3 s, not 2.9): the
    system then reads small pages, where the mapping's advice gets it huge ones.
    """
    if keep:
        return xxhash.xxh3_64_intdigest(data[start:stop])
    digest = xxhash.xxh3_64()
    for first in range(start, stop, _PIECE):
        last = min(first + _PIECE, stop)
        digest.update(data[first:last])
        _advise(data, "MADV_DONTNEED", first, last)
    return digest.intdigest()


def read_here_and_there(data: memoryview, start: int, stop: int) -> None:
    """Let data[start:stop] of a mapped file take no more memory than what is read of it."""
    _advise(data, "MADV_NOHUGEPAGE", start, stop)


def _advise(data: memoryview, advice: str, start: int, stop: int) -> None:
    """Tell the system what becomes of a part of a mapped file, where it listens."""
    start -= start % mmap.PAGESIZE
    if isinstance(data.obj, mmap.mmap) and hasattr(mmap, advice) and stop > start:
        with suppress(OSError):  # advice that this kernel does not take
            data.obj.madvise(getattr(mmap, advice), start, stop - start)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A new file, readable and seekable, that takes the place of `path` when the block ends without an error.

    Raises OSError as `open` does; whatever the block raises leaves `path` as it was.
    """
    # in the same folder, since os.replace can't cross devices; the name not longer than file systems allow
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def append(content: Content, file: BinaryIO) -> tuple[int, int]:
    """Write `content` behind what is there: its size in bytes and XXH3-64. A Path's file is never held as a whole."""
    start, digest = file.tell(), xxhash.xxh3_64()
    for chunk in _chunks(content):
        digest.update(chunk)
        file.write(chunk)
    return file.tell() - start, digest.intdigest()


def _chunks(content: Content) -> Iterator[bytes | memoryview]:
    if isinstance(content, Path):
        with content.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    elif isinstance(content, bytes | memoryview):
        yield content
    else:
        yield from content
