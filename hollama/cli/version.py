"""The version of the installed distribution."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """As its metadata says; `0.0.0` for a source tree that was never installed, like Ollama's development builds."""
    try:
        return metadata.version("hollama")
    except metadata.PackageNotFoundError:
        return "0.0.0"
