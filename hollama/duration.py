"""Go's duration strings, which Ollama's API and environment speak: `1h30m`, `300ms`, `-1m`. Seconds inside hollama."""

from __future__ import annotations

import re

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST = 2**63 - 1  # nanoseconds, as in Go


def parse_duration(text: str) -> float:
    """Seconds of a Go duration. Raises ValueError with Go's own words."""
    body = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if body == "0":
        return 0.0
    if re.fullmatch(r"\d+\.?\d*|\.\d+", body):
        raise ValueError(f'time: missing unit in duration "{text}"')
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        unknown = re.fullmatch(r"(?:\d+\.?\d*|\.\d+)([^\d.]+).*", body)
        if unknown:
            raise ValueError(f'time: unknown unit "{unknown[1]}" in duration "{text}"')
        raise ValueError(f'time: invalid duration "{text}"')
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if total > _LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return (-total if text.startswith("-") else total) / 1e9


def format_duration(nanoseconds: int) -> str:
    """A duration as Go prints it: `4.535599167s`, `130.079ms`, `1h2m3s`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for limit, scale, unit in ((10**3, 1, "ns"), (10**6, 10**3, "µs"), (10**9, 10**6, "ms")):
        if rest < limit:
            return f"{sign}{_decimal(rest, scale)}{unit}"
    minutes, seconds = divmod(rest, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(seconds, 10**9)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _decimal(value: int, scale: int) -> str:
    whole, fraction = divmod(value, scale)
    digits = f"{fraction:0{len(str(scale)) - 1}d}".rstrip("0") if scale > 1 else ""
    return f"{whole}.{digits}" if digits else str(whole)
