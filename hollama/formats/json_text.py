"""JSON from bytes that nobody vouches for, as UTF-8 and nothing else. Knows no format."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def load_json(data: bytes, of_pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Raises ValueError, also for text that UTF-8 cannot hold; RecursionError."""
    # Decoded here, or json would take UTF-16 for JSON too; encoded again to find lone surrogates among escapes.
    value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=of_pairs)
    json.dumps(value, ensure_ascii=False).encode()
    return value
