"""The interactive mode on a real (pseudo) terminal."""

import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.house import House

_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A process on a terminal, and what it has written there so far, without escapes."""

    def __init__(self, house: House, *words: str) -> None:
        self.pid, self._end = pty.fork()
        if not self.pid:
            environment = {**house.environment, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
            os.chdir(house.home)
            os.execve(sys.executable, [sys.executable, "-m", "hollama", *words], environment)
        self._written = b""

    def type(self, text: str) -> None:
        self._written = b""
        os.write(self._end, text.encode())

    def shows(self, text: str, seconds: float = 20.0) -> str:
        """Wait until `text` is shown after what was typed last."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} never came, but {self.text!r}"
            assert self._read(), f"{text!r} never came, but the end after {self.text!r}"
        return self.text

    def ends(self) -> int:
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def text(self) -> str:
        return _ESCAPES.sub(b"", self._written).decode("utf-8", "replace")

    def _read(self) -> bool:
        if not select.select([self._end], [], [], 20)[0]:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self._written += data
        return bool(data)


@pytest.fixture
def terminal(house: House) -> Iterator[Terminal]:
    terminal = Terminal(house, "run", "tiny")
    yield terminal
    try:
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def test_a_conversation(terminal: Terminal, house: House) -> None:
    terminal.shows(">>> ")
    assert "Send a message (/? for help)" in terminal.shows("help)")
    terminal.type("hello\r")
    terminal.shows("help)")
    terminal.type('"""two\rlines"""\r')
    assert "... " in terminal.shows("help)")
    terminal.type("/set verbose\r")
    terminal.shows("Set 'verbose' mode.")
    terminal.shows("help)")
    terminal.type("\x04")
    assert terminal.ends() == 0
    lines = (house.home / ".ollama" / "history").read_text().splitlines()
    assert lines[-4:] == ["hello", '"""two', 'lines"""', "/set verbose"]


def test_ctrl_c_stops_the_answer_and_not_the_session(house: House, endless: str) -> None:
    terminal = Terminal(house, "run", endless)
    terminal.shows("help)")
    terminal.type("hello\r")
    terminal.shows("hello")
    time.sleep(0.5)  # until it answers
    terminal.type("\x03")
    terminal.shows(">>> ")
    terminal.type("\x03")
    terminal.shows("Use Ctrl + d or /bye to exit.")
    terminal.type("/bye\r")
    assert terminal.ends() == 0


def test_without_a_name_it_says_who_talks(house: House) -> None:
    terminal = Terminal(house, "run")
    terminal.shows("This is hollie, the embedded model;")
    terminal.shows("help)")
    terminal.type("/bye\r")
    assert terminal.ends() == 0


def test_create_draws_its_progress(house: House) -> None:
    (house.home / "Drawn").write_text("FROM tiny\nSYSTEM Hi.\n")
    terminal = Terminal(house, "create", "drawn", "-f", "Drawn")
    assert "writing manifest" in terminal.shows("success")
    assert terminal.ends() == 0
    house.out("rm", "drawn")
