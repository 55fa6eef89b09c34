"""Printing as Go's fmt package does: print, println, printf and the verbs of each type. Knows no templates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hollama.template.values import STRING_LIMIT, Object, encoded, type_name

_DIRECTIVE = re.compile(
    r"%(?P<flags>[#0+\- ]*)(?P<width>\*|[0-9]+)?(?:\.(?P<precision>\*|[0-9]*))?(?:\[(?P<index>[0-9]+)\])?(?P<verb>.?)",
    re.DOTALL,
)
_WIDEST = 1_000_000  # Go refuses more
_QUOTED = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 92: "\\\\", 34: '\\"'}


@dataclass(frozen=True, slots=True)
class _Spec:
    """One directive: its flags, width and precision in characters."""

    verb: str
    flags: str = ""
    width: int = 0
    precision: int | None = None


def display(value: Any) -> str:
    """As %v."""
    if type(value) is str:
        return value
    return _formatted(value, _Spec("v"))


def sprint(values: Sequence[Any]) -> str:
    """Operands side by side, with a blank between two that are both no strings."""
    parts: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            parts.append(" ")
        parts.append(display(value))
    return "".join(parts)


def sprintln(values: Sequence[Any]) -> str:
    return " ".join(map(display, values)) + "\n"


def sprintf(form: str, values: Sequence[Any]) -> str:
    """Go's Sprintf, its complaints in the text included. Raises ValueError for a result beyond STRING_LIMIT."""
    return _Printer(values).format(form)


class _Printer:
    """The arguments of one printf and which of them is next."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._next = 0
        self._reordered = False

    def format(self, form: str) -> str:
        parts: list[str] = []
        position = size = 0
        for found in _DIRECTIVE.finditer(form):
            parts.append(form[position : found.start()])
            parts.append(self._directive(found))
            position = found.end()
            size += len(parts[-1])
            if size > STRING_LIMIT:
                raise ValueError(f"printf makes more than {STRING_LIMIT} characters")
        parts.append(form[position:])
        parts.append(self._extra())
        return "".join(parts)

    def _directive(self, found: re.Match[str]) -> str:
        if not found["verb"]:
            return "%!(NOVERB)"
        bad, width, flags = "", self._number(found["width"]), found["flags"]
        if found["width"] and width is None:
            bad = "%!(BADWIDTH)"
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        precision = self._number(found["precision"]) if found["precision"] != "" else 0
        if found["precision"] and (precision is None or precision < 0):
            bad, precision = bad + "%!(BADPREC)", None
        if found["verb"] == "%":
            return bad + "%"
        if found["index"]:
            self._reordered, self._next = True, int(found["index"][:9]) - 1
        if self._next >= len(self._values) or self._next < 0:
            return f"{bad}%!{found['verb']}({'BADINDEX' if found['index'] else 'MISSING'})"
        self._next += 1
        return bad + _formatted(self._values[self._next - 1], _Spec(found["verb"], flags, width or 0, precision))

    def _number(self, text: str | None) -> int | None:
        if text == "*":
            value = self._values[self._next] if self._next < len(self._values) else None
            self._next += 1
            fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _WIDEST
            return value if fits else None
        return int(text) if text and len(text) < 8 and int(text) <= _WIDEST else None

    def _extra(self) -> str:
        rest = self._values[self._next :]
        if self._reordered or not rest:
            return ""
        shown = ", ".join("<nil>" if value is None else f"{type_name(value)}={display(value)}" for value in rest)
        return f"%!(EXTRA {shown})"


def _formatted(value: Any, spec: _Spec) -> str:
    if spec.verb == "T":
        return _padded(type_name(value), replace(spec, verb="s"))
    if value is None:
        return _padded("<nil>", spec) if spec.verb == "v" else f"%!{spec.verb}(<nil>)"
    if isinstance(value, Object):
        return _object(value, spec)
    for kind, formatter in _FORMATTERS:
        if isinstance(value, kind):
            text = formatter(value, spec)
            return _bad_verb(value, spec) if text is None else text
    return _bad_verb(value, spec)


def _bad_verb(value: Any, spec: _Spec) -> str:
    return f"%!{spec.verb}({type_name(value)}={display(value)})"


def _padded(text: str, spec: _Spec) -> str:
    return text.ljust(spec.width) if "-" in spec.flags else text.rjust(spec.width)


def _object(value: Object, spec: _Spec) -> str:
    if value.text is not None and spec.verb in "vsqxX":
        return _formatted(value.text(), spec)
    if value.is_struct and isinstance(value.value, Mapping):
        return "{" + " ".join(_formatted(field, spec) for field in value.value.values()) + "}"
    return _formatted(value.value, spec)


def _sequence(value: Sequence[Any], spec: _Spec) -> str:
    return "[" + " ".join(_formatted(item, spec) for item in value) + "]"


def _mapping(value: Mapping[str, Any], spec: _Spec) -> str:
    pairs = (f"{_formatted(key, spec)}:{_formatted(value[key], spec)}" for key in sorted(value))
    return "map[" + " ".join(pairs) + "]"


def _bool(value: bool, spec: _Spec) -> str | None:
    return _padded("true" if value else "false", spec) if spec.verb in "vt" else None


def _string(value: str, spec: _Spec) -> str | None:
    shown = value if spec.precision is None else value[: spec.precision]
    match spec.verb:
        case "v" | "s":
            return _padded(shown, spec)
        case "q" if "#" in spec.flags and "`" not in shown and shown.isprintable():
            return _padded(f"`{shown}`", spec)
        case "q":
            return _padded(quoted(shown, ascii_only="+" in spec.flags), spec)
        case "x" | "X":
            digits = encoded(shown).hex(" ") if " " in spec.flags else encoded(shown).hex()
            return _padded(digits.upper() if spec.verb == "X" else digits, spec)
    return None


def quoted(text: str, ascii_only: bool = False) -> str:
    """A Go string literal, as %q."""
    return '"' + "".join(_quoted_rune(rune, ascii_only) for rune in text) + '"'


def _quoted_rune(rune: str, ascii_only: bool) -> str:
    code = ord(rune)
    if code in _QUOTED:
        return _QUOTED[code]
    if rune.isprintable() and (code < 128 or not ascii_only):
        return rune
    if code < 32 or code == 127:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # an escaped byte
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _int(value: int, spec: _Spec) -> str | None:
    match spec.verb:
        case "v" | "d":
            return _integer(value, spec, "d", "")
        case "b" | "x" | "X":
            return _integer(value, spec, spec.verb, "0" + spec.verb if "#" in spec.flags else "")
        case "o" | "O":
            return _integer(value, spec, "o", "0o" if spec.verb == "O" else "0" if "#" in spec.flags else "")
        case "c" | "q" | "U":
            return _padded(_rune(value, spec.verb), spec)
    return None


def _rune(value: int, verb: str) -> str:
    if verb == "U":
        return f"U+{value:04X}" if value >= 0 else f"U+{value % 2**64:04X}"
    rune = chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000 else "\ufffd"
    if verb == "c":
        return rune
    return "'" + ("\\'" if rune == "'" else '"' if rune == '"' else _quoted_rune(rune, False)) + "'"


def _integer(value: int, spec: _Spec, base: str, prefix: str) -> str:
    digits = format(abs(value), base)
    if spec.precision is not None:
        digits = "" if spec.precision == 0 and value == 0 else digits.zfill(spec.precision)
    sign = "-" if value < 0 else "+" if "+" in spec.flags else " " if " " in spec.flags else ""
    if "0" in spec.flags and "-" not in spec.flags and spec.precision is None:
        digits = digits.zfill(spec.width - len(sign))
    return _padded(sign + prefix + digits, spec)


def _float(value: float, spec: _Spec) -> str | None:
    if spec.verb not in "vgGeEfF":
        return None
    verb = "g" if spec.verb == "v" else spec.verb
    text = _digits(abs(value), verb, spec.precision)
    sign = "-" if math.copysign(1, value) < 0 else "+" if "+" in spec.flags or text == "+Inf" else ""
    sign = " " if not sign and " " in spec.flags else sign
    text = "Inf" if text == "+Inf" else text
    if "0" in spec.flags and "-" not in spec.flags and math.isfinite(value):
        text = text.zfill(spec.width - len(sign))
    return _padded(text if text == "NaN" else sign + text, spec)


def _digits(value: float, verb: str, precision: int | None) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf"
    if verb in "gG" and precision is None:
        text = shortest(value)
        return text.upper() if verb == "G" else text
    # Go stops at the digits a float64 has at most; more would be zeros
    places = min(6 if precision is None else precision, 2000)
    return f"{value:.{max(places, 1) if verb in 'gG' else places}{verb}}"


def shortest(value: float, lowest: int = -4, highest: int = 6) -> str:
    """The fewest digits that give the same float64 >= 0; with an exponent below 10**lowest and from 10**highest."""
    if value == 0:
        return "0"
    mantissa, power = _scientific(value)
    if lowest <= power < highest:
        return _positional(mantissa, power)
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _scientific(value: float) -> tuple[str, int]:
    """repr's digits as `d.ddd`, and their power of ten."""
    head, _, exponent = repr(value).partition("e")
    whole, _, fraction = head.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + len(whole) - 1 - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return digits[0] + ("." + digits[1:] if digits[1:] else ""), power


def _positional(mantissa: str, power: int) -> str:
    digits = mantissa.replace(".", "")
    if power < 0:
        return "0." + "0" * (-power - 1) + digits
    whole = digits[: power + 1].ljust(power + 1, "0")
    return whole + ("." + digits[power + 1 :] if digits[power + 1 :] else "")


# bool before int, whose subtype it is in Python; str before the sequences
_FORMATTERS: tuple[tuple[Any, Callable[[Any, _Spec], str | None]], ...] = (
    (bool, _bool),
    (int, _int),
    (float, _float),
    (str, _string),
    (Mapping, _mapping),
    (Sequence, _sequence),
)
