"""The tokenizer with nothing to learn: ids 0 to 255 are the bytes of UTF-8, a few control tokens follow.

Any text is a sequence of ids and any sequence of ids is a sequence of bytes. Needs no resource.
"""

from __future__ import annotations

import re

from hollama.interfaces import TokenizerSpec

CONTROLS = ("<|begin|>", "<|end|>", "<|im_start|>", "<|im_end|>")  # ids 256, 257, ...
BEGIN, END = 256, 257
VOCAB_SIZE = 256 + len(CONTROLS)

_SPLIT = re.compile("(" + "|".join(map(re.escape, CONTROLS)) + ")")


class ByteTokenizer:
    vocab_size = VOCAB_SIZE

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        """Lone surrogates, which UTF-8 cannot hold, become "?"."""
        tokens = [BEGIN] if begin else []
        for part in _SPLIT.split(text):
            tokens.extend([256 + CONTROLS.index(part)] if part in CONTROLS else part.encode("utf-8", "replace"))
        return tokens

    def piece(self, token: int) -> bytes:
        return bytes([token]) if 0 <= token < 256 else b""

    def control(self, token: int) -> bool:
        return 256 <= token < VOCAB_SIZE


def open_byte(data: bytes) -> ByteTokenizer:
    """The resource is not read: there is nothing it could say."""
    return ByteTokenizer()


SPEC = TokenizerSpec("byte", open_byte, "one token a byte")
