"""Reading the numbers of a request's options. Knows no option's meaning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hollama.errors import RequestError


def number(options: Mapping[str, Any], name: str, default: float) -> float:
    """A finite number; an absent option or None is the default. Raises RequestError for anything else."""
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RequestError(f'option "{name}" is {value!r}; expected a finite number, such as {default}')
    return float(value)


def integer(options: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number, a fraction cut off; otherwise like `number`."""
    value = options.get(name)
    return value if isinstance(value, int) else int(number(options, name, default))
