"""Reads the JSON files of a Hugging Face folder, within bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hollama.errors import CompileError

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


def _read(path: Path) -> object:
    if not path.is_file():
        raise CompileError(f"{path.parent.name or path.parent}: no {path.name}; is this a Hugging Face checkpoint?")
    if path.stat().st_size > _LARGEST:
        raise CompileError(f"{path.name} is larger than {_LARGEST} bytes")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CompileError(f"{path.name} is no JSON: {error}") from None
