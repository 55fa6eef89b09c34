"""Reads the JSON files of a Hugging Face folder, and its texts, within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hollama.errors import CompileError
from hollama.formats.json_text import load_json

_LARGEST = 64 << 20


def read_json(path: Path, required: bool = False) -> dict[str, Any]:
    """An object; empty where the file may be missing. Raises CompileError."""
    if not path.is_file() and not required:
        return {}
    value = _read(path)
    if not isinstance(value, dict):
        raise CompileError(f"{path.name} holds {type(value).__name__}, expected an object")
    return value


def read_list(path: Path) -> list[Any]:
    """A list. Raises CompileError."""
    value = _read(path)
    if not isinstance(value, list):
        raise CompileError(f"{path.name} holds {type(value).__name__}, expected a list")
    return value


def read_text(path: Path) -> str:
    """Raises CompileError."""
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise CompileError(f"{path.name} is not UTF-8: {error}") from None


def _read(path: Path) -> object:
    try:
        return load_json(_bytes(path))
    except (ValueError, RecursionError) as error:
        raise CompileError(f"{path.name} is no JSON: {error}") from None


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise CompileError(f"{path.parent.name or path.parent}: no {path.name}; is this a Hugging Face checkpoint?")
    if path.stat().st_size > _LARGEST:
        raise CompileError(f"{path.name} is larger than {_LARGEST} bytes")
    return path.read_bytes()
