"""Both HTTP servers as processes: started, asked and timed as a client sees them. Knows no model and no ratio."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import peak_memory

OUR_NAME = "random"
_PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Server:
    """A running server: where to ask it for the words that follow a text."""

    process: subprocess.Popen[bytes]
    port: int
    path: str

    def wait(self, path: str) -> None:
        """Until GET `path` is answered with 200."""
        give_up = time.monotonic() + _PATIENCE
        while self._status(path) != 200:
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{self.process.args!r} does not answer")
            time.sleep(0.002)

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def first_token(self, prompt: str) -> float:
        """Seconds from the request to the first piece of the answer; the rest of it is read too."""
        body = self.body(prompt, 2)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        start = time.perf_counter()
        connection.request("POST", self.path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        line = response.readline()
        seconds = time.perf_counter() - start
        if response.status != 200 or b"error" in line:
            raise RuntimeError(f"{self.path}: {response.status} {line!r}")
        response.read()
        connection.close()
        return seconds

    def body(self, prompt: str, count: int) -> dict[str, Any]:
        """What asks for `count` tokens, streamed."""
        if self.path == "/completion":
            return {"prompt": prompt, "n_predict": count, "temperature": 0, "cache_prompt": True, "stream": True}
        options = {"num_predict": count, "temperature": 0, "draft_num_predict": 0}
        return {"model": OUR_NAME, "prompt": prompt, "raw": True, "stream": True, "options": options}

    @property
    def peak(self) -> int:
        """Bytes."""
        return peak_memory(self.process.pid)


@contextmanager
def our_server(store: Path, cpus: frozenset[int], parallel: int = 1) -> Iterator[Server]:
    """`hollama serve` over a models folder; it loads a model when that is asked for."""
    port = free_port()
    environment = {"HOLLAMA_HOST": f"127.0.0.1:{port}", "HOLLAMA_MODELS": str(store)}
    environment["HOLLAMA_NUM_PARALLEL"] = str(parallel)
    with _running([sys.executable, "-m", "hollama", "serve"], environment, cpus) as process:
        server = Server(process, port, "/api/generate")
        server.wait("/api/version")
        yield server


@contextmanager
def llama_server(command: Sequence[str], port: int, cpus: frozenset[int]) -> Iterator[Server]:
    """llama-server; it says that it is well as soon as its model is loaded."""
    with _running(command, {}, cpus) as process:
        server = Server(process, port, "/completion")
        server.wait("/health")
        yield server


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], cpus: frozenset[int]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
