"""A home of its own with a compiled model, and a server that the command line started there by itself."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hollama.cli.client import Client
from hollama.config import parse_host
from tests.checkpoints import random_checkpoint

MODELFILE = "FROM ./tiny.hef\nPARAMETER temperature 0\nPARAMETER num_predict 12\nLICENSE MIT\n"


@dataclass
class House:
    """Where commands run: a home folder, an address, and what the environment says of them."""

    home: Path
    host: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if "OLLAMA" not in name and not name.startswith("XDG")
        }
        return {**kept, "HOME": str(self.home), "HOLLAMA_HOST": self.host, "HOLLAMA_BACKEND": "null", **self.more}

    @property
    def client(self) -> Client:
        return Client(parse_host(self.host))

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hollama", *words]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=self.environment, cwd=self.home, timeout=60
        )

    def out(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def error(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 1, done.stdout
        return done.stderr


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def started_pid(messages: str) -> int:
    """The server that a command says it has started."""
    found = re.search(r"stop it with: kill (\d+)", messages)
    assert found, messages
    return int(found[1])


def end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small package, compiled by the command itself."""
    folder = tmp_path_factory.mktemp("package")
    random_checkpoint(folder / "checkpoint")
    command = [sys.executable, "-m", "hollama", "compile", "checkpoint", "tiny.hef", "--context", "256"]
    subprocess.run([*command, "--group-size", "32"], cwd=folder, check=True, capture_output=True)
    return folder / "tiny.hef"


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[House]:
    """A house with the model `tiny` and a running server, which `hollama create` started."""
    house = House(tmp_path_factory.mktemp("home"), free_address())
    (house.home / "tiny.hef").write_bytes(package.read_bytes())
    (house.home / "Modelfile").write_text(MODELFILE)
    made = house.run("create", "tiny")
    assert made.returncode == 0, made.stderr
    pid = started_pid(made.stderr)
    yield house
    end(pid)
