"""Map a file read-only; write a file so that it is either whole or absent. Knows no format."""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def map_file(path: Path) -> memoryview:
    """The file's bytes, read-only and mapped. The map lives until the last view of it is gone.

    Raises OSError as `open` does.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:  # mmap refuses those
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A new file, readable and seekable, that takes the place of `path` when the block ends without an error.

    Raises OSError as `open` does; whatever the block raises leaves `path` as it was.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # same folder: os.replace can't cross devices
    try:
        with part.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
