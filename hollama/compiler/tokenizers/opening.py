"""Opens a tokenizer.json and encodes with it, whatever it holds. Knows no vocabulary."""

from __future__ import annotations

import json
from itertools import takewhile

from tokenizers import Encoding, Tokenizer

from hollama.compiler.tokenizers.assemble import library_errors
from hollama.formats.tokenizer_json import check_growth


def open_tokenizer(data: bytes) -> Tokenizer:
    """A tokenizer.json, without the lengths to which some cut or fill up every text. Raises CompileError."""
    with library_errors("tokenizer.json cannot be read"):
        opened = Tokenizer.from_str(data.decode())
        check_growth(json.loads(data))
    opened.no_truncation()
    opened.no_padding()
    return opened


def begins_with(tokenizer: Tokenizer) -> list[int]:
    """The special tokens that it puts in front of every text. Raises CompileError."""
    found = encode(tokenizer, "a")
    pairs = zip(found.ids, found.special_tokens_mask, strict=True)
    return [token for token, _ in takewhile(lambda pair: pair[1], pairs)]


def encode(tokenizer: Tokenizer, text: str, *, special: bool = True) -> Encoding:
    """A text, with what the tokenizer puts around it or without. Raises CompileError where it has no token for it."""
    with library_errors("the tokenizer cannot encode a text"):
        return tokenizer.encode(text, add_special_tokens=special)
