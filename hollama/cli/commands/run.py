"""`hollama run`: talk to a model, once or for as long as one likes. Starts a server if none answers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from hollama.cli.answer import Display, statistics
from hollama.cli.arguments import add_words, describe, positive
from hollama.cli.chat import Chat, parse_think
from hollama.cli.client import Client, Json, connect
from hollama.cli.server_process import ensure_server
from hollama.cli.upload import talk_to
from hollama.duration import parse_duration
from hollama.errors import ClientError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Talk to a model; without a name, to the embedded one. Starts a server if none answers.",
        "hollama run                                        # a conversation with the embedded model",
        'hollama run hollie "Why is the sky blue?"          # one answer',
        'cat notes.txt | hollama run hollie "Summarise:"    # what is piped in goes first',
        "hollama run hollie --verbose                       # and what each answer cost",
    )
    add_words(parser, "MODEL and PROMPT", "the model, then what to ask it; no prompt for a conversation")
    parser.add_argument("--verbose", action="store_true", help="show counts and speeds after each answer")
    parser.add_argument("--format", metavar="F", help='"json", a JSON schema, or the name of a file with one')
    parser.add_argument("--keepalive", metavar="D", help='how long it stays loaded, such as "10m"; "-1s" for ever')
    parser.add_argument("--think", metavar="V", help="true, false, high, medium, low or max; only as --think=V")
    parser.add_argument("--hidethinking", action="store_true", help="wait for the thinking, but do not show it")
    parser.add_argument("--truncate", metavar="V", help="embeddings: cut a text that is too long [true]; only as =V")
    parser.add_argument("--dimensions", type=positive, metavar="N", help="embeddings: how many numbers at most")
    parser.add_argument("--nowordwrap", action="store_true", help="leave lines as they come")


def run(arguments: argparse.Namespace) -> int:
    think, shape, keep_alive = parse_think(arguments.think), _format(arguments.format), _keep_alive(arguments)
    truncate = _truncate(arguments.truncate)
    piped = _piped()
    name, prompt = _question(arguments.words, piped)
    display = Display(sys.stdout, not arguments.nowordwrap, arguments.hidethinking)
    client = connect()
    ensure_server(client, sys.stderr)
    chat = Chat(client, name, _info(client, name), display, think, shape, keep_alive, arguments.verbose)
    if chat.can("embedding"):
        _embed(chat, prompt, truncate, arguments.dimensions)
        return 0
    if not prompt and piped is None and sys.stdout.isatty():
        if not arguments.words:
            print(f"This is {name}, the embedded model; `hollama run MODEL` talks to another.", file=sys.stderr)
        _interactive(chat)
    else:
        _once(chat, prompt)
    return 0


def _piped() -> str | None:
    """What comes in on stdin, or None if that is a terminal (or closed)."""
    if sys.stdin is None or sys.stdin.isatty():
        return None
    return sys.stdin.buffer.read().decode("utf-8", "replace")


def _question(words: list[str], piped: str | None) -> tuple[str, str]:
    """The model and what to ask it: what was piped in, then the words of the command line."""
    name, *rest = words or [_embedded()]
    return name, " ".join(filter(None, [piped, *rest]))


def _embedded() -> str:
    from hollama.runtime.embedded import EMBEDDED

    return EMBEDDED


def _format(text: str | None) -> Any:
    """Raises UsageError for what is neither the word "json" nor a schema."""
    if not text or text == "json":
        return text or None
    try:
        return json.loads(text if text.lstrip().startswith("{") else Path(text).read_text("utf-8"))
    except (OSError, ValueError) as error:
        message = f'--format: "{text}" is neither "json" nor a JSON schema nor a file with one ({error})'
        raise UsageError(message) from error


def _keep_alive(arguments: argparse.Namespace) -> str | None:
    if arguments.keepalive is None:
        return None
    try:
        parse_duration(arguments.keepalive)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return str(arguments.keepalive)


def _truncate(text: str | None) -> bool | None:
    if text not in (None, "true", "false"):
        raise UsageError(f'invalid value for --truncate: "{text}" (must be true or false)')
    return None if text is None else text == "true"


def _info(client: Client, name: str) -> Json:
    try:
        return client.post("/api/show", {"model": name})
    except ClientError as error:
        path = Path(name)
        if error.status in (400, 404) and (path.is_file() or (path / "config.json").is_file()):
            hint = f"it is a {'file' if path.is_file() else 'folder'}, to talk to it:\n  {talk_to(path)}"
        elif error.status == 404 and name == _embedded():
            hint = "it comes with hollama, but is not in the store: deleted, or no room for it (`hollama doctor` looks)"
        elif error.status == 404:
            hint = "`hollama list` shows what there is, `hollama create` makes a model of a file"
        elif error.status == 400:
            hint = f'the first word is the model: hollama run MODEL "{name}"'
        else:
            raise
        raise ClientError(f"{error}; {hint}", status=error.status) from error


def _once(chat: Chat, prompt: str) -> None:
    if not prompt:
        chat.load()
        return
    answer = chat.generate(prompt)
    print("\n")
    if chat.verbose:
        print("\n".join(statistics(answer.last)), file=sys.stderr)


def _embed(chat: Chat, text: str, truncate: bool | None, dimensions: int | None) -> None:
    """Print the text's vector as a line of JSON. Raises UsageError without a text."""
    if not text:
        usage = f'hollama run {chat.model} "your text here"'
        raise UsageError(f"embedding models require input text. Usage: {usage}")
    asked = {"truncate": truncate, "dimensions": dimensions, "keep_alive": chat.keep_alive}
    given = {name: value for name, value in asked.items() if value is not None}
    answer = chat.client.post("/api/embed", {"model": chat.model, "input": text, **given})
    print(json.dumps(answer["embeddings"][0], separators=(",", ":")))
    if chat.verbose:
        print("\n".join(statistics(answer)), file=sys.stderr)


def _interactive(chat: Chat) -> None:
    from hollama.cli.repl.history import History
    from hollama.cli.repl.keyboard import keyboard
    from hollama.cli.repl.loop import converse
    from hollama.config import load_settings

    settings = load_settings(os.environ)
    history = History(Path.home() / ".ollama" / "history", not settings.nohistory)
    converse(chat, keyboard(history, settings.editor), history)
