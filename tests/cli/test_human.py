"""Sizes, counts, times and tables, row by row of Ollama's rules."""

from datetime import UTC, datetime, timedelta

import pytest

from hollama.cli.human import human_bytes, human_duration, human_number, human_time, parse_time, table

NOW = datetime(2026, 8, 21, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1 KB"), (1500, "1.5 KB"), (9_960, "10.0 KB"), (10_999, "10 KB"),
        (2_000_000, "2 MB"), (2_019_000_000, "2.0 GB"), (13_999_999_999, "13 GB"), (1_500_000_000_000, "1.5 TB"),
        (999_999, "999 KB"), (4_000_000_000_000_000, "4000 TB"),
    ],
)  # fmt: skip
def test_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1K"), (83_456, "83K"), (494_032_768, "494.03M"), (7_000_000, "7M"),
        (3_212_749_888, "3.2B"), (8_000_000_000, "8B"), (70_553_706_496, "70.6B"),
    ],
)  # fmt: skip
def test_numbers(count: int, text: str) -> None:
    assert human_number(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Less than a second"), (0.9, "Less than a second"), (1, "1 second"), (1.9, "1 second"),
        (59.9, "59 seconds"),
        (MINUTE, "About a minute"), (119, "About a minute"), (120, "2 minutes"), (59 * MINUTE + 59, "59 minutes"),
        (HOUR, "About an hour"), (1.49 * HOUR, "About an hour"), (1.5 * HOUR, "2 hours"), (47 * HOUR, "47 hours"),
        (48 * HOUR, "2 days"), (13 * DAY, "13 days"), (14 * DAY, "2 weeks"), (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"), (729 * DAY, "24 months"), (730 * DAY, "2 years"), (3650 * DAY, "10 years"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (-5 * DAY, "5 days ago"), (240.5, "4 minutes from now"), (0, "Less than a second ago"),
        (20.9 * 365 * DAY, "20 years from now"), (22 * 365 * DAY, "Forever"),
    ],
)  # fmt: skip
def test_moments(offset: float, text: str) -> None:
    assert human_time(NOW + timedelta(seconds=offset), NOW) == text


def test_go_zero_time_is_never() -> None:
    assert human_time(parse_time("0001-01-01T00:00:00Z"), NOW) == "Never"


def test_times_of_the_api_have_nanoseconds_and_offsets() -> None:
    assert parse_time("2026-08-21T05:00:00.123456789-07:00").astimezone(UTC).replace(microsecond=0) == NOW
    assert human_time(parse_time("2318-11-30T10:00:00.5+01:00"), NOW) == "Forever"


def test_tables_pad_every_cell() -> None:
    assert table([["NAME", "ID"], ["a", "12345"]]) == ["NAME    ID       ", "a       12345    "]
    assert table([["x"]], indent="  ") == ["  x    "]
