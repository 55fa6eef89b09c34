"""Reads messages from a terminal with prompt_toolkit: keys, history, pasted text, the editor. Knows no model."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

from hollama.cli.repl.blocks import is_open
from hollama.cli.repl.history import History

_PLACEHOLDER = "Send a message (/? for help)"


def keyboard(
    history: History, editor: str, input: Input | None = None, output: Output | None = None
) -> Callable[[], str]:
    """A function that reads one message. `editor` is the command for Ctrl-G; empty for the environment's."""
    session: PromptSession[str] = PromptSession(
        ">>> ",
        multiline=Condition(lambda: is_open(session.default_buffer.text)),  # then Enter begins a line
        prompt_continuation="... ",
        placeholder=FormattedText([("ansibrightblack", _PLACEHOLDER)]),
        history=InMemoryHistory(history.lines),
        key_bindings=_bindings(editor),
        enable_suspend=True,
        input=input,
        output=output,
    )

    def read() -> str:
        text = session.prompt()
        history.add(text)
        return text

    return read


def _bindings(editor: str) -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("c-c")
    def _interrupt(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    @bindings.add("c-g")
    def _edit(event: KeyPressEvent) -> None:
        buffer = event.current_buffer

        def edit() -> None:
            buffer.text = edited(buffer.text, editor_command(editor)).rstrip("\n")
            buffer.cursor_position = len(buffer.text)

        run_in_terminal(edit)

    return bindings


def editor_command(configured: str) -> list[str]:
    """The editor's command line."""
    return shlex.split(configured or os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")


def edited(text: str, command: list[str]) -> str:
    """`text` after the user has been at it with an editor; unchanged if that fails."""
    with tempfile.TemporaryDirectory(prefix="hollama-") as folder:
        file = Path(folder) / "message.txt"
        file.write_text(text, "utf-8")
        try:
            done = subprocess.run([*command, str(file)], check=False)
        except OSError:
            return text
        return file.read_text("utf-8", "replace") if done.returncode == 0 else text
