"""Where a model lies, and until when."""

from datetime import UTC, datetime

import pytest

from hollama.cli.commands.ps import processor, until_text

NOW = datetime(2026, 8, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "on_device", "text"),
    [
        (100, 0, "100% CPU"), (100, 100, "100% GPU"), (100, 101, "Unknown"), (0, 5, "Unknown"), (0, 0, "100% CPU"),
        (100, 25, "75%/25% CPU/GPU"), (1000, 995, "1%/99% CPU/GPU"),
    ],
)  # fmt: skip
def test_processor(size: int, on_device: int, text: str) -> None:
    assert processor(size, on_device) == text


@pytest.mark.parametrize(
    ("expires", "text"),
    [
        ("2026-08-21T12:04:30Z", "4 minutes from now"),
        ("2026-08-21T11:59:59Z", "Stopping..."),
        ("2318-12-01T00:00:00Z", "Forever"),
    ],
)
def test_until(expires: str, text: str) -> None:
    assert until_text(expires, NOW) == text
