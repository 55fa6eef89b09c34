"""The child process that compiles: its protocol, its end, and that it leaves nothing behind."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from hollama.errors import CompileError
from hollama.runtime.compile import ChildCompiler

Steps = list[tuple[str, int, int]]

STEPS = """
print('{"status": "reading", "completed": 0, "total": 0}')
print('a greeting'); print('[1]'); print('{"status": 5}')
print('{"status": "quantising", "completed": 3, "total": 4}')
open(sys.argv[2], "wb").write(open(sys.argv[1], "rb").read())
"""


def child(code: str) -> ChildCompiler:
    return ChildCompiler((sys.executable, "-c", f"import os, sys, time\n{code}"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"checkpoint")
    return path


async def test_steps_and_package(source: Path, tmp_path: Path) -> None:
    steps: Steps = []
    target = tmp_path / "new folder" / "package.hef"
    await child(STEPS)(source, target, lambda *step: steps.append(step))
    assert steps == [("reading", 0, 0), ("quantising", 3, 4)]
    assert target.read_bytes() == b"checkpoint"
    assert list(target.parent.iterdir()) == [target]


async def test_child_gets_source_target_and_the_protocol(source: Path, tmp_path: Path) -> None:
    await child("assert sys.argv[3:] == ['--progress', 'json']" + STEPS)(source, tmp_path / "p", lambda *_: None)


FAILURES = {
    'print(\'{"error": "no weight"}\'); sys.exit(1)': "^no weight$",
    'print(\'{"error": "no weight"}\')': "^no weight$",
    "sys.exit('no memory')": "^the compiler stopped with status 1: no memory$",
    "os.kill(os.getpid(), 9)": "^the compiler stopped with status -9: no word$",
    "pass": "wrote no package",
    "print('x' * 3_000_000, flush=True); time.sleep(60)": "wrote a line of more than",
    "sys.stderr.write('x' * 3_000_000); sys.exit(1)": "^the compiler stopped with status 1: x{400}$",
}


@pytest.mark.parametrize("code", FAILURES)
async def test_failure_is_a_compile_error_and_leaves_nothing(source: Path, tmp_path: Path, code: str) -> None:
    writes = "open(sys.argv[2], 'w')\n" if code != "pass" else ""
    with pytest.raises(CompileError, match=FAILURES[code]):
        await asyncio.wait_for(child(writes + code)(source, tmp_path / "package", lambda *_: None), 20)
    assert list(tmp_path.iterdir()) == [source]


async def test_command_that_does_not_exist(source: Path, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="cannot compile"):
        await ChildCompiler(("/nowhere/at/all",))(source, tmp_path / "p", lambda *_: None)


async def test_old_package_survives_a_failure(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "package"
    target.write_bytes(b"old")
    with pytest.raises(CompileError):
        await child("open(sys.argv[2], 'w'); sys.exit(1)")(source, target, lambda *_: None)
    assert target.read_bytes() == b"old"


async def test_cancelling_kills_the_child_and_its_children(source: Path, tmp_path: Path) -> None:
    code = """
open(sys.argv[2], 'w')
pid = os.fork()
if pid: print('{"status": "%d %d"}' % (os.getpid(), pid), flush=True)
time.sleep(60)
"""
    began: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(child(code)(source, tmp_path / "p", lambda status, *_: began.set_result(status)))
    pids = [int(pid) for pid in (await asyncio.wait_for(began, 20)).split()]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == [source]
    await asyncio.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX" and os.path.exists(f"/proc/{pid}")
