"""The interactive mode: read a message, answer it, until told to stop. Does not know how keys are read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import MappingProxyType

from hollama.cli.answer import statistics
from hollama.cli.chat import Chat
from hollama.cli.repl.blocks import unquote
from hollama.cli.repl.commands import load, run_command
from hollama.cli.repl.history import History
from hollama.errors import HollamaError

Read = Callable[[], str]
_WAYS_OUT = MappingProxyType({"does not support thinking": "/set nothink", "structured output": "/set noformat"})


def converse(chat: Chat, read: Read, history: History) -> None:
    """Talk until /bye or the end of input. Errors are told and end nothing.

    `read` returns one whole message; it raises EOFError at Ctrl-D and KeyboardInterrupt at Ctrl-C.
    """
    load(chat)
    for message in chat.info.get("messages") or ():
        _replay(message)
    while True:
        try:
            text = read()
        except KeyboardInterrupt:
            print("\nUse Ctrl + d or /bye to exit.")
            continue
        except EOFError:
            print()
            return
        if not _handle(text, chat, history):
            return


def _handle(text: str, chat: Chat, history: History) -> bool:
    line = text.strip()
    try:
        if line.startswith("/"):
            return run_command(line, chat, history)
        if unquote(line).strip():
            _answer(unquote(line), chat)
    except KeyboardInterrupt:  # hangs up, which stops the server; what was half said is forgotten
        print("\n")
    except HollamaError as error:
        print(f"error: {error}{_way_out(str(error))}", file=sys.stderr)
    return True


def _way_out(error: str) -> str:
    """How to undo a setting that the model or the server will refuse at every message."""
    return next((f"; {command} undoes it" for part, command in _WAYS_OUT.items() if part in error), "")


def _answer(text: str, chat: Chat) -> None:
    answer = chat.ask(text)
    print("\n")
    if chat.verbose:
        print("\n".join(statistics(answer.last)), file=sys.stderr)


def _replay(message: dict[str, str]) -> None:
    mark = ">>> " if message["role"] == "user" else ""
    print(f"{mark}{message['content']}\n" if not mark else f"{mark}{message['content']}")
