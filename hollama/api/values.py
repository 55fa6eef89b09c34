"""Fields that take more than one JSON type: keep_alive, think, format, a tool property's type. Texts are Ollama's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any

from hollama.api.encode import encode
from hollama.api.syntax import BodyInvalid
from hollama.duration import parse_duration

THINK_LEVELS = ("high", "medium", "low", "max")
_THINK = '"high", "medium", "low", "max", true, or false'
MOST_PROBABLE = 20
_LARGEST_FLOAT, _LARGEST_INT = 3.4e38, 2**63 - 1  # of single precision, of 64 bits
_LONGEST = 2**63 / 1e9  # seconds: what Go's nanoseconds can hold


def keep_alive(value: Any) -> float:
    """Seconds from a number of seconds or a duration; infinite when negative. Raises BodyInvalid."""
    match value:
        case bool() | list() | dict():
            raise BodyInvalid(f"Unsupported type: '{go_type(value)}'")
        case str():
            try:
                seconds = parse_duration(value)
            except ValueError as error:
                raise BodyInvalid(str(error)) from None
        case _:
            seconds = float(value)
    return math.inf if seconds < 0 or seconds > _LONGEST else seconds


def think(value: Any) -> bool | str:
    """A switch or a level. Raises BodyInvalid."""
    if isinstance(value, str) and value not in THINK_LEVELS:
        raise BodyInvalid(f"invalid think value: {encode_basestring(value)} (must be {_THINK})")
    if not isinstance(value, (bool, str)):
        raise BodyInvalid(f"think must be a boolean or string ({_THINK})")
    return value


def answer_format(value: Any) -> Any:
    """ "json", a JSON schema, or None where nothing is asked for. Raises BodyInvalid."""
    if value is None or value == "":
        return None
    if value == "json" or isinstance(value, dict):
        return value
    raw = encode_basestring(encode(value).decode())
    raise BodyInvalid(f'invalid format: {raw}; expected "json" or a valid JSON Schema object')


def most_probable(count: int) -> int:
    """How many alternatives to name for each token. Raises BodyInvalid."""
    if not 0 <= count <= MOST_PROBABLE:
        raise BodyInvalid(f"top_logprobs must be between 0 and {MOST_PROBABLE}")
    return count


def options_of(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of `names` that a request gives. Raises BodyInvalid for numbers that no option can hold."""
    given = {name: fields[name] for name in names if name in fields}
    for name, value in given.items():
        if abs(value) > (_LARGEST_FLOAT if isinstance(value, float) else _LARGEST_INT):
            raise BodyInvalid(f"{name} is out of range")
    return given


def property_type(value: Any) -> Any:
    """The type, or types, of a tool's property; a list of one is that one. Raises BodyInvalid."""
    if isinstance(value, list) and len(value) == 1:
        return property_type(value[0])
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        return value
    raise BodyInvalid(f"a tool property's type must be a string or a list of strings, not {go_type(value)}")


def go_type(value: Any) -> str:
    """What Go's %T says of a decoded value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case dict():
            return "map[string]interface {}"
    return "float64"
