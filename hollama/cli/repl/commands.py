"""The slash commands of the interactive mode, but for /set. Each is told the words after its name."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from hollama.cli.chat import Chat
from hollama.cli.client import Json
from hollama.cli.commands.list import list_lines
from hollama.cli.progress import spinner
from hollama.cli.repl.help import SHOW, help_text, page
from hollama.cli.repl.history import History
from hollama.cli.repl.settings import set_command
from hollama.cli.show import show_text
from hollama.errors import ClientError

_NO_FIELD = {
    "license": "No license was specified for this model.",
    "system": "No system message was specified for this model.",
    "template": "No prompt template was specified for this model.",
}


def run_command(line: str, chat: Chat, history: History) -> bool:
    """Run a line that starts with a slash; False if it was the one that ends the session."""
    name, *words = line.split()
    if name in ("/bye", "/exit"):
        return False
    if name == "/set":
        set_command(line, chat, history)
    elif name in _COMMANDS:
        _COMMANDS[name](chat, words)
    else:
        print(f"Unknown command '{name}'. Type /? for help")
    return True


def _show(chat: Chat, words: list[str]) -> None:
    what = words[0] if words else ""
    if not words:
        print(page(SHOW), end="", file=sys.stderr)
    elif what not in ("info", "license", "modelfile", "parameters", "system", "template"):
        print(f"Unknown command '/show {what}'. Type /? for help")
    else:
        print(_shown(what, chat, chat.client.post("/api/show", {"model": chat.model})))


def _shown(what: str, chat: Chat, info: Json) -> str:
    if what == "info":
        return show_text(info).rstrip("\n") + "\n"
    if what == "parameters":
        return _parameters(chat, info)
    text = (chat.system if what == "system" else "") or str(info.get(what) or _NO_FIELD.get(what, ""))
    return text.rstrip("\n") + "\n"


def _parameters(chat: Chat, info: Json) -> str:
    own = [f"  {line}" for line in str(info.get("parameters") or "").splitlines()]
    lines = ["Model defined parameters:", *(own or ["  No additional parameters were specified for this model."])]
    if chat.options:
        set_here = [f"  {name:<30} {json.dumps(value)}" for name, value in sorted(chat.options.items())]
        lines += ["", "User defined parameters:", *set_here]
    return "\n".join([*lines, ""])


def _load(chat: Chat, words: list[str]) -> None:
    if len(words) != 1:
        print("Usage:\n  /load <modelname>")
        return
    try:
        info = chat.client.post("/api/show", {"model": words[0]})
    except ClientError as error:
        if error.status not in (400, 404):
            raise
        print(f"Couldn't find model '{words[0]}'")
        return
    print(f"Loading model '{words[0]}'")
    chat.model, chat.info, chat.messages = words[0], info, []
    load(chat)


def load(chat: Chat) -> None:
    """Load the chat's model while a spinner turns."""
    with spinner(sys.stderr, ""):
        chat.load()


def _save(chat: Chat, words: list[str]) -> None:
    if len(words) != 1:
        print("Usage:\n  /save <modelname>")
        return
    try:
        for _ in chat.client.stream("/api/create", _creation(chat, words[0])):
            pass
    except ClientError as error:
        if "invalid model name" not in str(error):
            raise
        print(f"error: The model name '{words[0]}' is invalid")
        return
    print(f"Created new model '{words[0]}'")


def _creation(chat: Chat, name: str) -> Json:
    """A variant of the current model. Its messages replace the model's own, which therefore go first."""
    said = [message for message in chat.messages if message["role"] != "system"]
    request: Json = {"model": name, "from": chat.model}
    if said:
        request["messages"] = [*(chat.info.get("messages") or ()), *said]
    if chat.system:
        request["system"] = chat.system
    if chat.options:
        request["parameters"] = chat.options
    return request


def _clear(chat: Chat, words: list[str]) -> None:
    chat.clear()
    print("Cleared session context")


def _list(chat: Chat, words: list[str]) -> None:
    print("\n".join(list_lines(chat.client, "".join(words[:1]))))


def _help(chat: Chat, words: list[str]) -> None:
    print(help_text("".join(words[:1]).removeprefix("/")), end="", file=sys.stderr)


_COMMANDS: Mapping[str, Callable[[Chat, list[str]], None]] = MappingProxyType(
    {
        "/show": _show,
        "/load": _load,
        "/save": _save,
        "/clear": _clear,
        "/list": _list,
        "/ls": _list,
        "/?": _help,
        "/help": _help,
    }
)
