"""Our tokenizers: one module each, with its `SPEC`. Knows nothing of what they do."""

from __future__ import annotations

from hollama.hookspecs import hookimpl
from hollama.interfaces import TokenizerSpec

from . import byte, huggingface


@hookimpl
def hollama_tokenizers() -> list[TokenizerSpec]:
    return [byte.SPEC, huggingface.SPEC]
