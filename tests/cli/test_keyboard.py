"""Keys to messages, headless; history and blocks."""

import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from hollama.cli.repl.blocks import is_open, unquote
from hollama.cli.repl.history import LIMIT, History
from hollama.cli.repl.keyboard import edited, editor_command, keyboard


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / ".ollama" / "history")


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe:
        yield pipe


@pytest.fixture
def read(history: History, keys: PipeInput) -> Callable[[], str]:
    return keyboard(history, "", input=keys, output=DummyOutput())


def later(keys: PipeInput, text: str) -> None:
    """Type when the prompt has had time: the history is loaded, and the editor run, beside the typing."""
    threading.Timer(0.3, keys.send_text, [text]).start()


def test_enter_ends_a_message(read: Callable[[], str], keys: PipeInput) -> None:
    keys.send_text("hello\rnext\r")
    assert [read(), read()] == ["hello", "next"]


def test_a_block_goes_on_until_it_is_closed(read: Callable[[], str], keys: PipeInput) -> None:
    keys.send_text('"""one\rtwo\r"""\r')
    assert read() == '"""one\ntwo\n"""'


def test_pasted_newlines_stay(read: Callable[[], str], keys: PipeInput) -> None:
    keys.send_text("\x1b[200~one\ntwo\x1b[201~ three\r")
    assert read() == "one\ntwo three"


def test_ctrl_d_ends(read: Callable[[], str], keys: PipeInput) -> None:
    keys.send_text("\x04")
    with pytest.raises(EOFError):
        read()


def test_ctrl_c_drops_the_text_first(read: Callable[[], str], keys: PipeInput) -> None:
    keys.send_text("oops\x03fine\r\x03")
    assert read() == "fine"
    with pytest.raises(KeyboardInterrupt):
        read()


def test_up_finds_what_was_typed_before(read: Callable[[], str], keys: PipeInput) -> None:
    keys.send_text("first\r")
    assert read() == "first"
    later(keys, "\x1b[A!\r")
    assert read() == "first!"


def test_ctrl_g_asks_the_editor(history: History, keys: PipeInput, tmp_path: Path) -> None:
    script = tmp_path / "editor.sh"
    script.write_text('#!/bin/sh\nprintf "%s, edited\\n" "$(cat "$1")" > "$1"\n')
    script.chmod(0o755)
    assert edited("text", [str(script)]) == "text, edited\n"
    keys.send_text("text\x07")
    later(keys, "\r")
    assert keyboard(history, str(script), input=keys, output=DummyOutput())() == "text, edited"


def test_an_editor_that_fails_changes_nothing() -> None:
    assert edited("text", ["false"]) == "text"
    assert edited("text", ["/no/such/editor"]) == "text"


def test_which_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "ed")
    monkeypatch.delenv("VISUAL", raising=False)
    assert editor_command("code --wait") == ["code", "--wait"]
    assert editor_command("") == ["ed"]


def test_history_is_private_and_bounded(history: History, tmp_path: Path) -> None:
    for number in range(LIMIT + 5):
        history.add(f"line {number}")
    file = tmp_path / ".ollama" / "history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().splitlines() == [f"line {number}" for number in range(5, LIMIT + 5)]
    assert History(file).lines == history.lines


def test_history_leaves_out_empty_lines(history: History) -> None:
    history.add('"""\n\n  \ntwo"""')
    assert history.lines == ['"""', 'two"""']


def test_history_that_is_off_writes_nothing(tmp_path: Path) -> None:
    History(tmp_path / "history", enabled=False).add("secret")
    assert not (tmp_path / "history").exists()


def test_history_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "history")
    history.add("kept in memory")
    assert history.lines == ["kept in memory"]


@pytest.mark.parametrize(
    ("text", "open"),
    [
        ("hello", False), ('"""', True), ('"""a', True), ('"""a"""', False), ('""""""', False), ('"""""', True),
        ('"""a\nb"""', False), ('a """', False), ('/set system """a', True), ('/set system """a"""', False),
        ('/set system a', False),
    ],
)  # fmt: skip
def test_blocks(text: str, open: bool) -> None:
    assert is_open(text) is open


def test_marks_are_no_part_of_the_message() -> None:
    assert unquote('"""one\ntwo"""') == "one\ntwo"
    assert unquote('say "hi"') == 'say "hi"'
