"""Decodes a body by a table: a table is a value of this module's types, and `tables.py` holds those of the requests.

Rules of Go's encoding/json that clients can see: keys match without regard to case, unknown keys are ignored, null
leaves a field as it is, the last of duplicate keys wins, and a value of the wrong type is answered with
`json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool`. Knows no request by name.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hollama.api.syntax import SPACE, BodyInvalid, Number, Object, parse

DEEPEST = 200  # levels of nesting; tool schemas have less than twenty
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
_LARGEST = 2**63


@dataclass(frozen=True)
class Scalar:
    """A string, bool, int or float; `go` is what Go calls the type."""

    kind: str
    go: str = ""
    zero: Any = None


@dataclass(frozen=True)
class Anything:
    """Any JSON value as Python's own types; `check` may refuse or convert it."""

    check: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Members:
    """Any object, its order kept; `complaint` replaces Go's text for everything else."""

    go: str = "map[string]interface {}"
    complaint: str = ""


@dataclass(frozen=True)
class Items:
    """A list."""

    item: Type
    go: str


@dataclass(frozen=True)
class Named:
    """An object of values of one type under free names."""

    item: Type
    go: str
    complaint: str = ""


@dataclass(frozen=True)
class Struct:
    """An object of known fields. The decoded dict has those that the body gives, in the table's order."""

    go: str
    fields: Mapping[str, Type] = field(hash=False)
    package: str = "api"  # Go's


Type = Scalar | Anything | Members | Items | Named | Struct

STRING = Scalar("string", "string", "")
BOOL = Scalar("bool", "bool", False)
INT = Scalar("int", "int", 0)
FLOAT = Scalar("float", "float64", 0.0)
BYTES = Scalar("bytes", "api.ImageData", b"")


def decode(body: bytes, table: Struct) -> dict[str, Any]:
    """The fields that `body` gives, under the table's spelling. Raises BodyInvalid."""
    if table.package != "api" and not body.strip(SPACE):
        raise BodyInvalid("EOF")  # other dialects are told what Go's decoder says
    value = parse(body)
    if value is None:
        return {}
    if not isinstance(value, Object):
        raise BodyInvalid(f"json: cannot unmarshal {_kind(value)} into Go value of type {table.package}.{table.go}")
    try:
        return _Decoder(table.go).struct(value, table, ())
    except RecursionError:
        raise BodyInvalid("exceeded max depth") from None


def plain(text: str) -> Any:
    """The JSON in a text as Python's own types. Raises BodyInvalid."""
    try:
        return _Decoder("").value(parse(text.encode("utf-8", "replace")), Anything(), ())
    except RecursionError:
        raise BodyInvalid("exceeded max depth") from None


def base64_bytes(text: str) -> bytes:
    """Standard base64 with padding, its lines broken anywhere. Raises BodyInvalid."""
    bad = _NOT_BASE64.search(text)
    try:
        if bad is None:
            return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except binascii.Error:
        pass
    position = bad.start() if bad else len(text.rstrip("="))
    raise BodyInvalid(f"illegal base64 data at input byte {position}")


@dataclass(frozen=True)
class _Decoder:
    root: str

    def value(self, value: Any, table: Type, path: tuple[str, ...]) -> Any:
        match table:
            case Scalar():
                return self._scalar(value, table, path)
            case Anything(check):
                plain = self._plain(value, 0)
                return check(plain) if check else plain
            case Members(go, complaint):
                self._expect(isinstance(value, Object), value, go, path, complaint)
                return self._plain(value, 0)
            case Items(item, go):
                self._expect(isinstance(value, list), value, go, path)
                return [self._element(element, item, path) for element in value]
            case Named(item, go, complaint):
                self._expect(isinstance(value, Object), value, go, path, complaint)
                return {_clean(key): self._element(element, item, path) for key, element in value.pairs}
            case Struct(go=go, package=package):
                self._expect(isinstance(value, Object), value, f"{package}.{go}", path)
                return self.struct(value, table, path)

    def struct(self, value: Object, table: Struct, path: tuple[str, ...]) -> dict[str, Any]:
        if len(path) > DEEPEST:
            raise BodyInvalid("exceeded max depth")
        folded = {name.casefold(): name for name in table.fields}
        found: dict[str, Any] = {}
        for key, member in value.pairs:
            name = key if key in table.fields else folded.get(key.casefold())
            if name is not None and member is not None:
                found[name] = self.value(member, table.fields[name], (*path, name))
        return {name: found[name] for name in table.fields if name in found}

    def _element(self, value: Any, table: Type, path: tuple[str, ...]) -> Any:
        return _zero(table) if value is None else self.value(value, table, path)

    def _scalar(self, value: Any, table: Scalar, path: tuple[str, ...]) -> Any:
        match table.kind, value:
            case "string", str():
                return _clean(value)
            case "bool", bool():
                return value
            case "int", Number(literal):
                return self._integer(literal, table, path)
            case "float", Number():
                return _number(value)
            case "bytes", str():
                return base64_bytes(value)
        self._expect(False, value, table.go, path)

    def _integer(self, literal: str, table: Scalar, path: tuple[str, ...]) -> int:
        fits = len(literal) < 21 and literal.lstrip("-").isdecimal() and -_LARGEST <= int(literal) < _LARGEST
        self._expect(fits, f"number {literal}", table.go, path)
        return int(literal)

    def _expect(self, condition: bool, value: Any, go: str, path: tuple[str, ...], complaint: str = "") -> None:
        if condition:
            return
        if complaint:
            raise BodyInvalid(complaint)
        kind = value if isinstance(value, str) and value.startswith("number ") else _kind(value)
        where = f"{self.root}.{'.'.join(path)}"
        raise BodyInvalid(f"json: cannot unmarshal {kind} into Go struct field {where} of type {go}")

    def _plain(self, value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise BodyInvalid("exceeded max depth")
        match value:
            case Object(pairs):
                return {_clean(key): self._plain(member, depth + 1) for key, member in pairs}
            case list():
                return [self._plain(element, depth + 1) for element in value]
            case Number():
                return _number(value)
            case str():
                return _clean(value)
        return value


def _zero(table: Type) -> Any:
    match table:
        case Scalar(zero=zero):
            return zero
        case Items():
            return []
        case Struct() | Named() | Members():
            return {}
    return None


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case Number():
            return "number"
        case list():
            return "array"
    return "object"


def _number(value: Number) -> int | float:
    literal = value.literal
    if len(literal) < 21 and literal.lstrip("-").isdecimal():
        return int(literal)
    number = float(literal)
    if math.isinf(number):
        raise BodyInvalid(f"json: cannot unmarshal number {literal[:40]} into Go value of type float64")
    return number


def _clean(text: str) -> str:
    """Without lone surrogates: an escape like \\ud800 by itself is U+FFFD in Go."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
