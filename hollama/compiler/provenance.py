"""What a stage read and was told, so that its result can be made again. Knows no format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

Step = Mapping[str, Any]  # of a HAR's history

_PARTS = (".json", ".jinja", ".model", ".safetensors", ".txt")  # of a folder: not what else lies beside them
_MAKERS = ("hollama", "numpy", "tokenizers", "gguf")


def step(stage: str, makers: Sequence[str] = (), **told: Any) -> Step:
    """A stage's entry, with the versions of what took part. It holds no time, no path and no machine."""
    return {"stage": stage, "versions": {name: metadata.version(name) for name in (*_MAKERS, *makers)}, **told}


def digests(source: Path) -> dict[str, str]:
    """SHA-256 of a file, or of the files of a folder, by name. Raises OSError."""
    files = sorted(path for path in source.iterdir() if path.suffix in _PARTS) if source.is_dir() else [source]
    return {path.name: _sha256(path) for path in files if path.is_file()}


def text_digest(text: str) -> str:
    """SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
