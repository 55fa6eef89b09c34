"""What the files of a new model are: their kinds, and their layout as a folder. Knows no requests and runs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from hollama.errors import RequestError
from hollama.store import manifest as media
from hollama.store.inspect import Description
from hollama.store.manifest import Layer
from hollama.store.model import adapter_name
from hollama.store.store import Store

_MAGICS = {b"GGUF": "gguf", b"\x01HEF": "hef", b"har.": "har"}
_SUFFIXES = {".safetensors": "safetensors", ".gguf": "gguf", ".hef": "hef", ".har": "har"}
_UNQUANTISED = {"F32", "F16", "BF16"}


def check_paths(files: Mapping[str, str]) -> None:
    """Raises RequestError for a name that is no plain relative path."""
    for name in files:
        if "\0" in name or not all(part not in ("", ".", "..") for part in name.split("/")):
            raise RequestError("file path must be relative")


def file_kind(store: Store, files: Mapping[str, str]) -> str:
    """A value of `_SUFFIXES`, by the names, else by the first bytes; raises RequestError for anything else."""
    suffixes = {PurePosixPath(name).suffix for name in files}
    for suffix, kind in _SUFFIXES.items():
        if suffix in suffixes:
            return kind
    for digest in files.values():
        path = store.blob_path(digest)
        if os.path.isfile(path):
            with path.open("rb") as file:
                kind = _MAGICS.get(file.read(4), "")
            if kind:
                return kind
    raise RequestError("unknown type")


def gguf_media_type(description: Description) -> str:
    """The layer that a GGUF becomes."""
    info, name = description.model_info, description.architecture
    sees = f"{name}.vision.block_count" in info
    reads = f"{name}.block_count" in info
    if description.general_type == "adapter":
        return media.ADAPTER
    if description.general_type in ("projector", "mmproj") or name == "clip" or (sees and not reads):
        return media.PROJECTOR
    return media.GGUF


def is_quantised(description: Description) -> bool:
    """Whether any matrix has fewer than 16 bits per weight."""
    return any(kind not in _UNQUANTISED for _, kind, shape in description.tensors if len(shape) > 1)


def lay_out(store: Store, files: Mapping[str, str], folder: Path) -> None:
    """Link the blobs into `folder` under the names of the files; raises RequestError where names collide."""
    for name, digest in files.items():
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(store.blob_path(digest).absolute())
        except OSError as error:
            raise RequestError(
                f'file "{name:.100}" cannot be laid out: {error.strerror}; give it another name'
            ) from None


@contextmanager
def adapter_files(store: Store, layers: Sequence[Layer]) -> Iterator[Mapping[str, Path]]:
    """The adapter of a model's layers where compilers find it, by its name in packages; nothing without one.

    Raises RequestError for more than one.
    """
    name = adapter_name(layers)
    whole = [layer for layer in layers if layer.media_type == media.ADAPTER]
    parts = {layer.name: layer.digest for layer in layers if layer.media_type == media.ADAPTER_FILE}
    if len(whole) + bool(parts) > 1:
        raise RequestError("only one adapter is currently supported")
    if whole:
        yield {name: store.blob_path(whole[0].digest)}
    elif parts:
        with TemporaryDirectory(prefix="hollama-") as folder:
            lay_out(store, parts, Path(folder))
            yield {name: Path(folder)}
    else:
        yield {}
