"""Values to JSON as Go's encoder writes it: compact, HTML-safe, shortest floats, RFC 3339 times without idle zeros.

Knows no message: what is in an answer, and in which order, is decided by whoever builds the dict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.errors import HollamaError

_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_FOREVER = 2**63 - 1  # nanoseconds: the longest Go can wait


def encode(value: Any) -> bytes:
    """JSON without a final newline. Raises HollamaError for a number that JSON cannot hold."""
    return _text(value).translate(_ESCAPED).encode()


def floats(vector: NDArray[np.float32]) -> list[float]:
    """Numbers that are written with the digits of single precision."""
    return [float(digits) for digits in vector.astype("U").tolist()]


def without_empty(values: Mapping[str, Any], *keep: str) -> dict[str, Any]:
    """Go's omitempty: drop what is false, zero, empty or None, but for the fields in `keep`."""
    return {name: value for name, value in values.items() if name in keep or value}


def utc(nanoseconds: int) -> str:
    """A moment since 1970 as Go prints it in UTC: `2026-08-21T18:48:22.1234Z`."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{_fraction(rest, 9)}Z"


def local(moment: datetime) -> str:
    """A moment with the server's own offset: `2026-08-21T18:48:22.1234-07:00`."""
    here = moment.astimezone()
    return f"{here:%Y-%m-%dT%H:%M:%S}{_fraction(here.microsecond, 6)}{_offset(here)}"


def after(seconds: float, now: datetime) -> datetime:
    """The moment `seconds` from `now`; for ever is 292 years, as in Go."""
    span = min(seconds, _FOREVER / 1e9)
    return datetime.fromtimestamp(now.timestamp() + span, UTC)


def _offset(moment: datetime) -> str:
    text = f"{moment:%z}"
    return "Z" if text == "+0000" else f"{text[:3]}:{text[3:5]}"


def _fraction(value: int, digits: int) -> str:
    return f".{value:0{digits}d}".rstrip("0").rstrip(".")


def _text(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return encode_basestring(_SURROGATE.sub("\ufffd", value))
        case int():
            return str(value)
        case float():
            return _float(value)
        case Mapping():
            return "{" + ",".join(f"{_text(str(key))}:{_text(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
    raise HollamaError(f"json: unsupported type: {type(value).__name__}")


def _float(value: float) -> str:
    """Shortest digits that read back the same; an exponent only below 1e-6 and from 1e21 on."""
    if not math.isfinite(value):
        raise HollamaError(f"json: unsupported value: {value}")
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return _positional(repr(value))
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"


def _positional(text: str) -> str:
    mantissa, has_exponent, exponent = text.partition("e")
    if not has_exponent:
        return text.removesuffix(".0")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    shift = int(exponent)
    if shift < 0:
        return f"{sign}0.{'0' * (-shift - 1)}{whole}{fraction}"
    return f"{sign}{whole}{fraction.ljust(shift, '0')[:shift]}"
