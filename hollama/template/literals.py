"""Go's literals to values: strings, characters, numbers. Raises ValueError with Go's words for a bad one."""

from __future__ import annotations

import re

_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_ESCAPE = re.compile(
    r"""\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))""", re.S
)
_INT = re.compile(r"[+-]?(0[xX](_?[0-9a-fA-F])+|0[oO]?(_?[0-7])+|0[bB](_?[01])+|0|[1-9](_?[0-9])*)")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_DIGITS = 400  # more than any number that fits needs; bounds the work of converting one


def unquote(text: str) -> str:
    """The value of a `"quoted"` string. Escaped bytes that are no UTF-8 become surrogate escapes."""
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    encoded = b"".join(_encoded(inner, '"'))
    return encoded.decode("utf-8", "surrogateescape")


def _encoded(inner: str, quote: str) -> list[bytes]:
    parts, position = [], 0
    for found in _ESCAPE.finditer(inner):
        parts.append(inner[position : found.start()].encode("utf-8", "surrogateescape"))
        parts.append(_escaped(found, quote))
        position = found.end()
    parts.append(inner[position:].encode("utf-8", "surrogateescape"))
    return parts


def _escaped(found: re.Match[str], quote: str) -> bytes:
    letter, hexadecimal, octal, short, long, _ = found.groups()
    if letter and not (letter in "'\"" and letter != quote):
        return bytes([_ESCAPES[letter]])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if octal and int(octal, 8) < 256:
        return bytes([int(octal, 8)])
    code = int(short or long or "d800", 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError("invalid syntax")
    return chr(code).encode()


def character(text: str) -> int:
    """The code point of a `'c'` constant."""
    inner = text[1:-1]
    if len(inner) == 1 and inner != "\\":
        return ord(inner)
    found = _ESCAPE.fullmatch(inner)
    if found is None:
        raise ValueError(f"malformed character constant: {text}")
    if found[2] or found[3]:  # a byte is its own code point here
        return _escaped(found, "'")[0]
    return ord(_escaped(found, "'").decode())


def number(text: str) -> int | float:
    """An int64, or a float64 where the text has a point or an exponent."""
    plain = text.replace("_", "")
    if len(text) > _DIGITS:
        raise ValueError(f'bad number syntax: "{text[:20]}..."')
    if _INT.fullmatch(text):
        return _int(plain, text)
    if _DECIMAL.fullmatch(text):
        value = float(plain)
    elif _HEX_FLOAT.fullmatch(plain):
        value = float.fromhex(plain)
    else:
        raise ValueError(f'bad number syntax: "{text}"')
    if value in (float("inf"), float("-inf")):
        raise ValueError(f'bad number syntax: "{text}"')
    return value


def _int(plain: str, text: str) -> int:
    digits = plain.lstrip("+-")
    # Python has no bare leading zero for octal
    value = int(digits, 8) if re.fullmatch("0[0-7]+", digits) else int(digits, 0)
    value = -value if plain.startswith("-") else value
    if not -(2**63) <= value < 2**63:
        raise ValueError(f'integer overflow: "{text}"' if value < 0 or value >= 2**64 else f"{text} overflows int")
    return value
