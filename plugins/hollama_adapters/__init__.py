"""Our readers of LoRA adapters: one module for each file format, with its `SPEC`. Knows nothing of what they read."""

from __future__ import annotations

from hollama.hookspecs import hookimpl
from hollama.interfaces import AdapterSpec

from . import gguf, mlx, peft


@hookimpl
def hollama_adapters() -> list[AdapterSpec]:
    return [module.SPEC for module in (peft, mlx, gguf)]
