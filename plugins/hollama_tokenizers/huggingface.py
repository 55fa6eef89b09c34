"""Tokenizers of Hugging Face's `tokenizer.json`, run by their own library. Knows no model.

The library encodes; the bytes a single token adds to running text it does not tell (its decoders look at whole
texts), so they are worked out here for the two ways in which language models write bytes as characters: the printable
alphabet of GPT-2 (`ByteLevel`), and SentencePiece's, with U+2581 for a space and `<0x0A>` for a byte without a token;
and for BERT's `WordPiece`, where "##" begins what is glued to the word before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from tokenizers import Tokenizer as Library

from hollama.errors import FormatError
from hollama.formats.tokenizer_json import check_growth
from hollama.interfaces import TokenizerSpec

_PARTS = ("normalizer", "pre_tokenizer", "decoder")
_UNKNOWN = {"CTC", "BPEDecoder"}  # their decoders put spaces between tokens
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")


class HuggingFaceTokenizer:
    def __init__(self, library: Library, spell: Callable[[str], bytes]) -> None:
        added = library.get_added_tokens_decoder()
        self.vocab_size = max(library.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        self._library = library
        self._spell = spell
        self._controls = {token for token, text in added.items() if text.special}
        self._verbatim = {token: text.content.encode() for token, text in added.items() if not text.special}
        self._begin = _begin(library)

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        """Lone surrogates, which UTF-8 cannot hold, become "?"."""
        clean = text.encode("utf-8", "replace").decode()
        # only as a batch does the library let other threads run meanwhile; a long prompt takes it seconds, and twice
        # as long if it notes where in the text each token is
        (encoding,) = self._library.encode_batch_fast([clean], add_special_tokens=False)
        return (self._begin if begin else []) + encoding.ids

    def piece(self, token: int) -> bytes:
        if token in self._verbatim:
            return self._verbatim[token]
        return b"" if self.control(token) else self._spell(self._library.id_to_token(token) or "")

    def control(self, token: int) -> bool:
        """Ids without a token, which pad many a vocabulary, count as control tokens."""
        return token in self._controls or not 0 <= token < self.vocab_size or not self._library.id_to_token(token)


def open_json(data: bytes) -> HuggingFaceTokenizer:
    """Raises FormatError for bytes that are no tokenizer.json, or one whose tokens have no bytes of their own."""
    try:
        tree = json.loads(data)
        library = Library.from_str(data.decode())
        check_growth(tree)
        library.no_truncation()
        library.no_padding()
        return HuggingFaceTokenizer(library, _speller(tree))
    except (FormatError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library's panics are no Exception
        raise FormatError(f"the tokenizer is no usable tokenizer.json: {error}; compile the model again") from error


def _begin(library: Library) -> list[int]:
    """What the post-processor puts in front of every text."""
    encoding = library.encode("a", add_special_tokens=True)
    pairs = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
    return [token for token, _ in takewhile(lambda pair: pair[1], pairs)]


def _speller(tree: dict[str, Any]) -> Callable[[str], bytes]:
    kinds = {kind for part in _PARTS for kind in _kinds(tree.get(part))}
    if "ByteLevel" in kinds:
        alphabet = _byte_level()
        return lambda text: b"".join(alphabet.get(character) or character.encode() for character in text)
    if "WordPiece" in kinds:
        return _wordpiece
    if unknown := kinds & _UNKNOWN:
        raise FormatError(f"the tokenizer's decoder {', '.join(unknown)} is not supported; ByteLevel and Metaspace are")
    return _sentencepiece


def _wordpiece(text: str) -> bytes:
    return (text[2:] if text.startswith("##") else f" {text}").encode()


def _sentencepiece(text: str) -> bytes:
    if found := _BYTE.fullmatch(text):
        return bytes([int(found[1], 16)])
    return text.replace("\u2581", " ").encode()


def _byte_level() -> dict[str, bytes]:
    """GPT-2's alphabet: printable bytes stand for themselves, the others for 256, 257, ..."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): bytes([byte]) for byte in printable} | {
        chr(256 + place): bytes([byte]) for place, byte in enumerate(others)
    }


def _kinds(part: Any) -> Iterator[str]:
    """The types of a component and of all inside it."""
    if isinstance(part, dict):
        if isinstance(part.get("type"), str):
            yield part["type"]
        for value in part.values():
            yield from _kinds(value)
    elif isinstance(part, list):
        for value in part:
            yield from _kinds(value)


SPEC = TokenizerSpec("huggingface", open_json, "tokenizer.json of Hugging Face")
