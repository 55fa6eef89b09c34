"""Compiles checkpoints in a child process. Knows its protocol, not what a compiler does.

So a server never imports the compiler and stays responsive, and a compilation that crashes, is cancelled or killed
leaves nothing behind: the child writes to a temporary name beside the target, and only a whole package is renamed.

The child prints JSON lines: `{"status": "quantising", "completed": 3, "total": 24}`, and `{"error": "..."}` before it
exits with a status other than 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from hollama.errors import CompileError
from hollama.types import OnProgress

Adapters = Mapping[str, Path]  # LoRA files or folders, by the names they get in the package

NONE: Adapters = MappingProxyType({})

_COMMAND = (sys.executable, "-m", "hollama", "compile", "--effort", "quick")  # somebody waits for it
_LONGEST_LINE = 1 << 20  # bytes
_SHOWN = 400  # last bytes of what a crashed child said


class Compiler(Protocol):
    """Turns a checkpoint, a folder or a GGUF file, into a package; or one package into another, with more adapters."""

    async def __call__(self, source: Path, target: Path, progress: OnProgress, adapters: Adapters = NONE) -> None:
        """Write `target`, or raise CompileError and leave nothing. Cancelling stops the work."""
        ...


@dataclass(frozen=True)
class ChildCompiler:
    """A compiler behind a command line, which gets source, target, `--progress json` and the adapters."""

    command: Sequence[str] = _COMMAND

    async def __call__(self, source: Path, target: Path, progress: OnProgress, adapters: Adapters = NONE) -> None:
        part = target.with_name(f"sha256-{secrets.token_hex(8)}")  # pruned as unfinished work, should we be killed
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            await self._run(source, part, progress, adapters)
            if not part.is_file():
                raise CompileError("the compiler ended well but wrote no package; update hollama")
            os.replace(part, target)
        except OSError as error:
            raise CompileError(f"cannot compile {source.name} to {target}: {error}") from error
        finally:
            part.unlink(missing_ok=True)

    async def _run(self, source: Path, target: Path, progress: OnProgress, adapters: Adapters) -> None:
        options = [part for name, path in adapters.items() for part in ("--adapter", f"{name}={path}")]
        command = [*self.command, str(source), str(target), "--progress", "json", *options]
        child = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=_LONGEST_LINE, start_new_session=True
        )
        said = asyncio.ensure_future(_tail(child))
        try:
            problem = await _follow(child, progress)
            status = await child.wait()
            if status or problem:
                raise CompileError(
                    _nameless(problem, source)
                    or f"the compiler stopped with status {status}: {await said or 'no word'}"
                )
        finally:
            _kill(child)
            await asyncio.gather(child.wait(), said, return_exceptions=True)


async def _follow(child: Process, progress: OnProgress) -> str:
    """Pass the steps on until the child closes its output; its error, if it names one."""
    assert child.stdout
    problem = ""
    while True:
        try:
            line = await child.stdout.readline()
        except ValueError:
            raise CompileError(
                f"the compiler wrote a line of more than {_LONGEST_LINE} bytes; update hollama"
            ) from None
        if not line:
            return problem
        step = _step(line)
        if "error" in step:
            problem = str(step["error"])
        elif isinstance(step.get("status"), str):
            progress(step["status"], _count(step, "completed"), _count(step, "total"))


def _step(line: bytes) -> dict[str, Any]:
    """What a line says; a line that is no JSON object, such as a library's greeting, says nothing."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(line)
        if isinstance(value, dict):
            return value
    return {}


def _nameless(problem: str, source: Path) -> str:
    """Where the source lies here says nothing to whoever sent it."""
    return problem.replace(f"{source}: ", "").replace(f"{source}/", "").replace(str(source), "the file")


def _count(step: dict[str, Any], key: str) -> int:
    value = step.get(key)
    return value if isinstance(value, int) else 0


async def _tail(child: Process) -> str:
    """Drain what the child says to people, and keep the end of it."""
    assert child.stderr
    kept = b""
    while chunk := await child.stderr.read(1 << 16):
        kept = (kept + chunk)[-_SHOWN:]
    return kept.decode("utf-8", "replace").strip()


def _kill(child: Process) -> None:
    """The child and what it started; one that has ended is left alone."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
