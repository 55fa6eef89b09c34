"""JSON text to values as Go's decoder reads it: the first value counts, and errors have Go's own words.

The C scanner of the standard library does the work; only a text that it refuses is walked again, byte by byte, to say
what Go would have said. Knows no request: numbers stay literals and objects stay pairs, so that the table that knows
the wanted type decides what they mean. Source: the rules of Go's encoding/json, version 1.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from hollama.errors import RequestError

SPACE = b" \t\r\n"
_LONGEST_WALK = 1 << 20  # bytes; they take a second, and a longer body is told where it is wrong in Python's words
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 39: "\\'", 34: '"', 92: "\\\\"}
_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_HEX = b"0123456789abcdefABCDEF"


class BodyInvalid(RequestError):
    """A body that is no JSON, or JSON of the wrong shape."""


@dataclass(frozen=True)
class Number:
    """A number as it was written; nobody has to parse a million digits that no field asks for."""

    literal: str


@dataclass(frozen=True)
class Object:
    """The members of an object in their order, duplicates included."""

    pairs: tuple[tuple[str, Any], ...]


def parse(body: bytes) -> Any:
    """The first JSON value of `body`. Raises BodyInvalid with Go's words; bytes that are no UTF-8 become U+FFFD."""
    text = body.lstrip(SPACE)
    if not text:
        raise BodyInvalid("missing request body")
    try:
        return _SCANNER.raw_decode(text.decode("utf-8", "replace"))[0]
    except RecursionError:
        raise BodyInvalid("exceeded max depth") from None
    except ValueError as error:
        raise BodyInvalid(_complaint(text, error)) from None


def _complaint(text: bytes, error: ValueError) -> str:
    if len(text) > _LONGEST_WALK:
        return f"invalid JSON: {error}"
    return _Walk(text).complaint()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_SCANNER = json.JSONDecoder(
    object_pairs_hook=lambda pairs: Object(tuple(pairs)),
    parse_int=Number,
    parse_float=Number,
    parse_constant=_refuse,
)


class _Complaint(Exception):
    pass


class _Walk:
    """Finds the first byte at which Go's scanner gives up. Iterative, so depth costs no stack."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def complaint(self) -> str:
        open_brackets: list[int] = []
        try:
            self._value(open_brackets)
            while open_brackets:
                self._after_value(open_brackets)
        except _Complaint as complaint:
            return str(complaint)
        return "unexpected EOF"

    def _value(self, stack: list[int]) -> None:
        """One scalar, or the opening of a container up to its first scalar."""
        while True:
            byte = self._skip()
            if byte not in b"{[":
                return self._scalar(byte)
            stack.append(byte)
            self._at += 1
            inner = self._skip()
            if inner in b"}]" and inner == byte + 2:
                stack.pop()
                self._at += 1
                return None
            if byte == ord("{"):
                self._key()

    def _after_value(self, stack: list[int]) -> None:
        closing = stack[-1] + 2
        byte = self._skip()
        self._at += 1
        if byte == closing:
            stack.pop()
        elif byte != ord(","):
            self._fail(byte, "after object key:value pair" if stack[-1] == ord("{") else "after array element")
        else:
            if stack[-1] == ord("{"):
                self._key()
            self._value(stack)

    def _key(self) -> None:
        byte = self._skip()
        if byte != ord('"'):
            self._fail(byte, "looking for beginning of object key string")
        self._string()
        byte = self._skip()
        if byte != ord(":"):
            self._fail(byte, "after object key")
        self._at += 1

    def _scalar(self, byte: int) -> None:
        if byte == ord('"'):
            self._string()
        elif byte in b"-0123456789":
            self._number()
        elif byte in b"tfn":
            self._literal({ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}[byte])
        else:
            self._fail(byte, "looking for beginning of value")

    def _literal(self, word: bytes) -> None:
        for wanted in word:
            byte = self._byte()
            if byte != wanted:
                self._fail(byte, f"in literal {word.decode()} (expecting '{chr(wanted)}')")
            self._at += 1

    def _number(self) -> None:
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            self._at += 1
            self._fail(self._byte(), "in numeric literal")
        self._at = match.end()
        if self._text[self._at : self._at + 1] == b"." and match[2] is None and match[3] is None:
            self._at += 1
            self._fail(self._byte(), "after decimal point in numeric literal")
        if self._text[self._at : self._at + 1] in (b"e", b"E") and match[3] is None:
            self._at += 1
            if self._byte() in b"+-":
                self._at += 1
            self._fail(self._byte(), "in exponent of numeric literal")

    def _string(self) -> None:
        self._at += 1
        while (byte := self._byte()) != ord('"'):
            if byte < 0x20:
                self._fail(byte, "in string literal")
            self._at += 1
            if byte == ord("\\"):
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        byte = self._byte()
        if byte not in b'bfnrt\\/"u':
            self._fail(byte, "in string escape code")
        self._at += 1
        for _ in range(4 if byte == ord("u") else 0):
            digit = self._byte()
            if digit not in _HEX:
                self._fail(digit, "in \\u hexadecimal character escape")
            self._at += 1

    def _skip(self) -> int:
        while self._byte() in SPACE:
            self._at += 1
        return self._byte()

    def _byte(self) -> int:
        if self._at >= len(self._text):
            raise _Complaint("unexpected EOF")
        return self._text[self._at]

    def _fail(self, byte: int, context: str) -> NoReturn:
        raise _Complaint(f"invalid character '{_quoted(byte)}' {context}")


def _quoted(byte: int) -> str:
    """A byte as Go quotes it: read as a rune of Latin-1."""
    if byte in _ESCAPES:
        return _ESCAPES[byte]
    if chr(byte).isprintable():
        return chr(byte)
    return f"\\x{byte:02x}" if byte < 0x80 else f"\\u{byte:04x}"
