"""Server-sent events: dicts to bytes. Knows no event by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hollama.api.encode import encode

DONE = b"data: [DONE]\n\n"


def data(value: Mapping[str, Any]) -> bytes:
    """An event without a name."""
    return b"data: " + encode(value) + b"\n\n"


def event(value: Mapping[str, Any]) -> bytes:
    """An event that is named after its own type."""
    return b"event: " + str(value["type"]).encode() + b"\n" + data(value)
