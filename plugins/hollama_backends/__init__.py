"""Our backends: one module each, with its `SPEC`. Knows nothing of what they do."""

from __future__ import annotations

from hollama.hookspecs import hookimpl
from hollama.interfaces import BackendSpec

from . import emulator, null


@hookimpl
def hollama_backends() -> list[BackendSpec]:
    return [emulator.SPEC, null.SPEC]
