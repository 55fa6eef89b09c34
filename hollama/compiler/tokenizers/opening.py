"""Opens a tokenizer.json and encodes with it, whatever it holds. Knows no vocabulary.

A normalizer may make a text longer, and one after another may make it longer than any memory, which ends the process:
the library has no bound of its own. So what each may add at most is multiplied before any of them runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from typing import Any

from tokenizers import Encoding, Tokenizer

from hollama.compiler.tokenizers.assemble import library_errors
from hollama.errors import CompileError

_PARTS = ("normalizer", "pre_tokenizer", "decoder")
_MOST = 256  # times as long; the known ones stay below 10


def open_tokenizer(data: bytes) -> Tokenizer:
    """A tokenizer.json, without the lengths to which some cut or fill up every text. Raises CompileError."""
    with library_errors("tokenizer.json cannot be read"):
        opened = Tokenizer.from_str(data.decode())
        plain = json.loads(data)
        growth = prod(_growths([plain.get(part) for part in _PARTS]))
    if growth > _MOST:
        raise CompileError(f"tokenizer.json may make a text {growth:.3g} times as long; expected {_MOST} at most")
    opened.no_truncation()
    opened.no_padding()
    return opened


def encode(tokenizer: Tokenizer, text: str, *, special: bool = True) -> Encoding:
    """A text, with what the tokenizer puts around it or without. Raises CompileError where it has no token for it."""
    with library_errors("the tokenizer cannot encode a text"):
        return tokenizer.encode(text, add_special_tokens=special)


def _growths(part: Any) -> Iterator[float]:
    """How many times as long a text may become by each step of a part."""
    if isinstance(part, dict):
        match part.get("type"):
            case "ByteLevel":
                yield 2  # a byte may become a character of two
            case "Replace":
                content, pattern = len(part["content"]), len(part["pattern"].get("String", ""))
                yield max(content / pattern, 1) if pattern else content + 1  # an expression may match nothing, anywhere
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _growths(value)
