"""Sizes, counts and times as people say them, in Ollama's words, and plain tables. Pure; knows no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_SIZES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3))
_SECONDS_A_YEAR = 365 * 24 * 3600
_GAP = "    "


def human_bytes(count: int) -> str:
    """Decimal units: `999 B`, `1.5 KB`, `2 GB`, `13 GB`."""
    for unit, scale in _SIZES:
        if count >= scale:
            return f"{_one_decimal(count, scale)} {unit}"
    return f"{count} B"


def _one_decimal(count: int, scale: int) -> str:
    whole, rest = divmod(count, scale)
    return f"{count / scale:.1f}" if whole < 10 and rest else str(whole)


def human_number(count: int) -> str:
    """A count of parameters: `999`, `83K`, `494.03M`, `3.2B`."""
    for unit, scale, decimals in (("B", 10**9, 1), ("M", 10**6, 2), ("K", 10**3, 0)):
        if count >= scale:
            return f"{count / scale:.{decimals if count % scale else 0}f}{unit}"
    return str(count)


def human_duration(seconds: float) -> str:
    """A rough length of time: `Less than a second`, `About a minute`, `47 hours`, `3 weeks`."""
    whole, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    if whole < 60:
        return {0: "Less than a second", 1: "1 second"}.get(whole, f"{whole} seconds")
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for limit, unit, length in ((14 * 24, "days", 24), (60 * 24, "weeks", 7 * 24), (730 * 24, "months", 30 * 24)):
        if hours < limit:
            return f"{hours // length} {unit}"
    return f"{int(seconds) // _SECONDS_A_YEAR} years"


def human_time(moment: datetime, now: datetime | None = None) -> str:
    """A moment seen from `now`: `5 days ago`, `4 minutes from now`; `Never` for Go's zero time, `Forever` far ahead."""
    if moment.year == 1:
        return "Never"
    ahead = (moment - (now or datetime.now(UTC))) / timedelta(seconds=1)
    if ahead // _SECONDS_A_YEAR > 20:
        return "Forever"
    return f"{human_duration(ahead)} from now" if ahead > 0 else f"{human_duration(-ahead)} ago"


def parse_time(text: str) -> datetime:
    """A time of the API (RFC 3339, up to nanoseconds); raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def table(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Lines of left-aligned columns, four spaces apart. Trailing spaces stay, as scripts that cut columns know them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [indent + "".join(f"{cell:<{width}}{_GAP}" for cell, width in zip(row, widths, strict=True)) for row in rows]
