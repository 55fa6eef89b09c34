"""The files of a checkpoint that a FROM or ADAPTER names. Knows file names and first bytes, not what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hollama.errors import ModelfileError

_SNIFFED = 512  # bytes looked at to tell text from binary
_ZIP_MAGIC = b"PK\x03\x04"
_LFS_POINTER = b"version https://git-lfs"

# The first of these sets that has a member is the checkpoint: weights in order of preference.
_WEIGHTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("model*.safetensors", "*/model*.safetensors"), "application/octet-stream"),
    (("adapter_model.safetensors", "adapters.safetensors"), "application/octet-stream"),  # PEFT's, mlx-lm's
    (("consolidated*.safetensors",), "application/octet-stream"),
    (("pytorch_model*.bin",), "application/zip"),
    (("consolidated*.pth",), "application/zip"),
    (("*.gguf",), "application/octet-stream"),
    (("*.bin",), "application/octet-stream"),
)
_TEXTS = ("*.json", "*/*.json", "chat_template.jinja")
_TOKENIZERS = ("tokenizer.model", "*/tokenizer.model")


def expand_path(value: str, folder: Path) -> Path:
    """The path a value names: `~` expands, a relative one starts at the Modelfile's `folder`."""
    if value.startswith("~"):
        try:
            return Path(value).expanduser()
        except RuntimeError as error:  # no such user
            raise ModelfileError(f"cannot expand {value!r}: {error}") from error
    return Path(value) if value.startswith(("/", "\\")) else folder / value


def source_files(path: Path) -> tuple[Path, ...]:
    """The files of a checkpoint: `path` itself if it is a file; weights, configuration and tokenizer of a folder.

    Raises ModelfileError if there are no weights, if a file is not what its name says, or leads out of the folder.
    """
    if path.is_file():
        return (path,)
    files = [*_weights(path), *_checked(path, _TEXTS, "text/plain"), *_tokenizer(path)]
    for file in files:
        _check_inside(path, file)
    return tuple(files)


def _weights(folder: Path) -> list[Path]:
    for patterns, content_type in _WEIGHTS:
        if found := _checked(folder, patterns, content_type):
            return found
    raise ModelfileError("no Modelfile or safetensors files found")


def _tokenizer(folder: Path) -> list[Path]:
    return next((found for pattern in _TOKENIZERS if (found := _glob(folder, (pattern,)))), [])


def _glob(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [file for pattern in patterns for file in sorted(folder.glob(pattern)) if file.is_file()]


def _checked(folder: Path, patterns: Iterable[str], content_type: str) -> list[Path]:
    files = _glob(folder, patterns)
    for file in files:
        if not _is(file, content_type):
            raise ModelfileError(f"invalid content type: expected {content_type} for {file.relative_to(folder)}")
    return files


def _is(file: Path, content_type: str) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_SNIFFED)
    match content_type:
        case "application/zip":
            return head.startswith(_ZIP_MAGIC)
        case "text/plain":
            return not any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head)
    # Any bytes are binary, but the stand-in that a clone without git-lfs leaves behind is a common mistake.
    return not head.startswith(_LFS_POINTER)


def _check_inside(folder: Path, file: Path) -> None:
    if file.resolve().is_relative_to(folder.resolve()):
        return
    relative = file.relative_to(folder)
    message = f"insecure path: {relative}"
    if ".cache" in file.resolve().parts or ".cache" in folder.resolve().parts:
        message += "\n\nthe folder is a cache of links; download the model with --local-dir <dir> and name that folder"
    raise ModelfileError(message)
