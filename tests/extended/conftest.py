"""Clients of other makers against the embedded model: a real server in a process of its own.

They come with the extra `extended`, in an environment of their own: some want older SDKs than the tests do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.house import House, end, free_address, started_pid

MODEL = "hollie"
WEATHER = "What is the weather in Paris?"


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the embedded model."""
    house = House(tmp_path_factory.mktemp("home"), free_address(), {"HOLLAMA_BACKEND": "emulator"})
    first = house.run("run", stdin="hello!")
    assert first.returncode == 0, first.stderr
    yield house.client.address.url
    end(started_pid(first.stderr))
