"""Compact JSON as Go's encoding/json writes it: sorted keys, `<`, `>`, `&` escaped. Knows no templates."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hollama.template.gofmt import shortest
from hollama.template.values import Object, well_formed

_ESCAPES = {ord(rune): f"\\u{ord(rune):04x}" for rune in "<>&\u2028\u2029"}


def encode(value: Any, sort_keys: bool = True) -> str:
    """Raises ValueError for what JSON cannot say: infinity and NaN."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number(value)
        case str():
            return encode_string(value)
        case bytes():
            return f'"{base64.b64encode(value).decode()}"'
        case Object():
            return encode(value.to_json(), sort_keys=False)
        case Mapping():
            keys = sorted(value) if sort_keys else list(value)
            return "{" + ",".join(f"{encode_string(str(key))}:{encode(value[key], sort_keys)}" for key in keys) + "}"
        case Sequence():
            return "[" + ",".join(encode(item, sort_keys) for item in value) + "]"
    raise ValueError(f"json: unsupported type: {type(value).__name__}")


def encode_string(text: str) -> str:
    return json.dumps(well_formed(text), ensure_ascii=False).translate(_ESCAPES)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"json: unsupported value: {value}")
    text = shortest(abs(value), lowest=-6, highest=21)
    # Go drops the leading zero of a small exponent here, unlike fmt
    text = text.replace("e-0", "e-")
    return "-" + text if math.copysign(1, value) < 0 else text
