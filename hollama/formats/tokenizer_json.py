"""tokenizer.json as plain JSON: how long it may make a text. Knows no library.

A normalizer may make a text longer, and one after another may make it longer than any memory, which ends the process:
the library that runs them has no bound of its own. So what each may add at most is multiplied before any of them runs.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from math import prod
from typing import Any

from hollama.errors import FormatError

_PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_MOST = 256  # times as long; the known ones stay below 10


def check_growth(plain: Any) -> None:
    """Raises FormatError for one that no memory may be enough for, KeyError and so on for one the library refuses."""
    growth = prod(_growths([plain.get(part) for part in _PARTS]))
    if growth > _MOST:
        raise FormatError(f"it may make a text {growth:.3g} times as long; expected {_MOST} at most")


def _growths(part: Any) -> Iterator[float]:
    """How many times as long a text may become by each step of a part."""
    if isinstance(part, dict):
        match part.get("type"):
            case "ByteLevel":
                yield 2  # a byte may become a character of two
            case "Replace":
                content, pattern = len(part["content"]), len(part["pattern"].get("String", ""))
                yield max(content / pattern, 1) if pattern else content + 1  # an expression may match nothing, anywhere
            case "Prepend":
                yield 1 + len(part["prepend"])  # in front of each run of text between added tokens
            case "Precompiled":
                yield _longest(base64.b64decode(part["precompiled_charsmap"]))
            case "TemplateProcessing":
                yield max(1, sum("Sequence" in piece for piece in part["single"]))
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _growths(value)


def _longest(charsmap: bytes) -> int:
    """Characters that one may become: SentencePiece's map is a trie, its size before it, and texts that end with 0."""
    texts = charsmap[4 + int.from_bytes(charsmap[:4], "little") :]
    return max(len(text.decode(errors="replace")) for text in texts.split(b"\0"))
