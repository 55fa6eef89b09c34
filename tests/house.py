"""A home of its own where commands run as a user's do: real processes, a real server."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from hollama.cli.client import Client
from hollama.config import parse_host


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
