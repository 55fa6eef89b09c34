"""Finds a server, or starts one that outlives this process. Knows processes and files; not what a server does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from hollama.cli.client import Client
from hollama.cli.progress import spinner
from hollama.errors import ClientError

RUNNING = "Ollama is running"  # what `/` says, here and at Ollama's
_LOCAL = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}
_PATIENCE = 60.0  # seconds for a server to answer
_POLL = 0.05  # seconds
_LOG_LIMIT = 1 << 20  # bytes; a longer log is begun anew
_TAIL = 15  # lines of the log that an error shows


def ensure_server(client: Client, messages: TextIO) -> None:
    """Return when a server answers, starting one if none does; says so on `messages`.

    Raises ClientError if the address is another machine's, if something else has the port, or if the server dies.
    """
    if _found(client):
        return
    if client.address.host not in _LOCAL:
        raise ClientError(
            f"no server answers at {client.address.url}; start one there, or unset OLLAMA_HOST to use this machine",
            unreachable=True,
        )
    with _open_log(log_path(os.environ)) as log:
        child = _Child(_spawn(log), Path(log.name), log.tell())
    with spinner(messages, "starting the server"):
        _await_answer(client, child)
    if child.process.poll() is None:
        pid = child.process.pid
        print(f"Started a server, which keeps running (stop it with: {_kill(pid)}).", file=messages, flush=True)
        print(f"Its log is {child.log}", file=messages, flush=True)


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    log: Path
    start: int  # of its own words in the log, in bytes


def log_path(environment: Mapping[str, str]) -> Path:
    """Where a server that was started on the side writes its log: the user's folder for such state."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Logs" / "hollama" / "server.log"
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "hollama" / "server.log"
    return Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "hollama" / "server.log"


def _found(client: Client) -> bool:
    said = client.answers()
    if said is None:
        return False
    if RUNNING not in said:
        raise ClientError(
            f"{client.address.url} is taken by something that is not Ollama; stop it, "
            "or choose another port, for example OLLAMA_HOST=127.0.0.1:11500"
        )
    return True


def _open_log(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists() or path.stat().st_size > _LOG_LIMIT
        return path.open("wb" if fresh else "ab")
    except OSError as error:
        message = f"no server answers, and the log of a new one cannot be written ({error})"
        hint = "run `hollama serve` yourself, or give HOME a folder that can be written"
        raise ClientError(f"{message}; {hint}", unreachable=True) from error


def _spawn(log: BinaryIO) -> subprocess.Popen[bytes]:
    """A server of its own session, so that neither this terminal's Ctrl-C nor its end reaches it."""
    command = [sys.executable, "-m", "hollama", "serve"]
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, creationflags=flags)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _await_answer(client: Client, child: _Child) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not _found(client):
        if child.process.poll() is not None:
            # another command may have started a server at the same moment: then ours found the port taken
            if _found(client):
                return
            raise ClientError(f"the server stopped while it started; the end of its log, {child.log}:\n{_tail(child)}")
        if time.monotonic() > deadline:
            child.process.terminate()
            raise ClientError(f"the server did not answer within {_PATIENCE:.0f} s; its log is {child.log}")
        time.sleep(_POLL)


def _tail(child: _Child) -> str:
    with child.log.open("rb") as log:
        log.seek(child.start)
        lines = log.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_TAIL:]) or "  (empty)"


def _kill(pid: int) -> str:
    return f"taskkill /PID {pid}" if sys.platform == "win32" else f"kill {pid}"
