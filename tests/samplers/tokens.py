"""A vocabulary of awkward tokens: they split characters, escapes and tags, or join what grammars keep apart."""

from __future__ import annotations

from hollama.interfaces import Tokenizer
from hollama.runtime.vocabulary import TokenizerVocabulary

_JOINED = (
    '{"',
    '":',
    '": ',
    '",',
    '"}',
    '"]',
    "},",
    "]}",
    "\\u",
    "\\u00",
    "u00e9",
    "00",
    "12",
    ".5",
    "e+",
    "true",
    "fal",
)
_TAGS = ("<think>", "</", "</think>", "think", ">\n\n", '>\n{"', '</think>{"', " }", "  ", "\n\n")
_SPLIT = (b"\xe2\x82", b"\x82\xac", b'\xac"', b"\xf0\x9f", b'\x98\x80"', "naïve".encode())
PIECES = [bytes([byte]) for byte in range(256)] + [text.encode() for text in (*_JOINED, *_TAGS)] + list(_SPLIT)
STOPS = (len(PIECES), len(PIECES) + 2)  # with a control token between them


class Awkward:
    vocab_size = len(PIECES) + 3

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        return list(text.encode())

    def piece(self, token: int) -> bytes:
        return PIECES[token] if token < len(PIECES) else b""

    def control(self, token: int) -> bool:
        return token >= len(PIECES)


TOKENIZER: Tokenizer = Awkward()
VOCABULARY = TokenizerVocabulary(TOKENIZER, Awkward.vocab_size, frozenset(STOPS))


def token(piece: bytes) -> int:
    return PIECES.index(piece)


def text(tokens: list[int]) -> str:
    return b"".join(map(TOKENIZER.piece, tokens)).decode()
