"""Blobs: files named by the SHA-256 of their bytes. Knows no manifest, so not which blobs are needed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from hollama.errors import StoreError
from hollama.store.manifest import check_digest

_CHUNK = 1 << 20  # bytes read or copied at once
_OLD_NAME = re.compile(r"sha256:[0-9a-fA-F]{64}")

_TRAVERSE = ": ensure path elements are traversable"
_SPACE = "; free some space, or move the models' folder to a larger disk (OLLAMA_MODELS)"
_HINTS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.ENOTDIR), _TRAVERSE),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _SPACE),
}


class BlobWriter:
    """A blob whose digest is not known yet. Leaving the context without `commit` leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(prefix="sha256-", dir=folder)  # Ollama prunes it, should we be killed
        self._file = os.fdopen(descriptor, "wb")
        self._path = Path(name)
        self._hash = hashlib.sha256()
        self.size = 0  # bytes written

    def write(self, data: bytes | memoryview) -> None:
        """Append; raises StoreError where the disk is full."""
        with refusing(self._path):
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self) -> str:
        """Put the blob in its place, all at once, and return its digest; raises StoreError where the disk is full."""
        digest = f"sha256:{self._hash.hexdigest()}"
        with refusing(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            place(self._path, self._path.parent / digest.replace(":", "-"))
        return digest

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # what is still buffered is not wanted, so a full disk does not matter
            self._file.close()
        self._path.unlink(missing_ok=True)


class Blobs:
    """The folder of blobs. Raises StoreError where the file system says no."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Where the blob lies or would lie; raises DigestInvalid."""
        return self.folder / check_digest(digest).replace(":", "-")

    def has(self, digest: str) -> bool:
        return os.path.isfile(self.path(digest))

    def touch(self, digest: str) -> None:
        """Keep the blob from pruning for another hour; raises StoreError if it is not there."""
        path = self.path(digest)
        if not os.path.isfile(path):
            raise StoreError(f"open {path}: no such file or directory")
        with contextlib.suppress(PermissionError):
            os.utime(path)

    def writer(self) -> BlobWriter:
        with refusing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            return BlobWriter(self.folder)

    def temporary(self) -> Path:
        """A name for a file to be adopted later; pruning takes it for unfinished work, ours and Ollama's alike."""
        return self.folder / f"sha256-{secrets.token_hex(8)}"

    def add(self, source: bytes | Path) -> tuple[str, int]:
        """Copy bytes or a file in; returns its digest and its size in bytes."""
        with self.writer() as writer:
            if isinstance(source, bytes):
                writer.write(source)
            else:
                with refusing(source), source.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        writer.write(chunk)
            return writer.commit(), writer.size

    def adopt(self, path: Path) -> tuple[str, int]:
        """Move a file of the same file system in; returns its digest and its size in bytes."""
        with refusing(path), path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            size = os.fstat(file.fileno()).st_size
            os.fsync(file.fileno())
            place(path, self.path(digest))
        return digest, size

    def read(self, digest: str, limit: int) -> bytes:
        """A small blob, at most `limit` bytes; raises StoreError where it is missing or larger."""
        return read_bounded(self.path(digest), limit)

    def rename_old(self) -> None:
        """Old versions of Ollama put the digest's colon into file names."""
        for path in self.files():
            if _OLD_NAME.fullmatch(path.name):
                os.replace(path, self.path(path.name))

    def files(self) -> list[Path]:
        return list_folder(self.folder)


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into StoreError."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"open {error.filename or path}: {reason}{_HINTS.get(error.errno or 0, '')}") from error


def place(source: Path, target: Path) -> None:
    """Rename a finished file to the name of its content; one of the same size that is there already stays."""
    os.chmod(source, 0o644)
    try:
        same = target.stat().st_size == source.stat().st_size
    except OSError:
        same = False
    if not same:
        os.replace(source, target)
        return
    source.unlink()
    with contextlib.suppress(PermissionError):
        os.utime(target)


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file; raises StoreError for anything else and for more than `limit` bytes."""
    if not os.path.isfile(path):  # a pipe would block, a folder cannot be read
        raise StoreError(f"open {path}: no such file or directory")
    with refusing(path), path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise StoreError(f"{path} has more than {limit} bytes, which is more than such a file ever needs")
    return data


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing if it is no folder or cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
