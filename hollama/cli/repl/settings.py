"""The `/set` commands of the interactive mode."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from hollama.cli.chat import LEVELS, Chat
from hollama.cli.repl.blocks import unquote
from hollama.cli.repl.help import PARAMETERS, SET, page
from hollama.cli.repl.history import History
from hollama.cli.sampler_options import sampler_options
from hollama.errors import ModelfileError, PluginError
from hollama.modelfile import typed_parameter


def set_command(line: str, chat: Chat, history: History) -> None:
    """Run a whole line that starts with /set; says on stdout what it did."""
    words = line.split()[1:]
    if not words:
        print(page(SET), end="", file=sys.stderr)
    elif words[0] in ("history", "nohistory"):
        history.enabled = words[0] == "history"
    elif words[0] == "system":
        _system(line.split(maxsplit=2)[2:], chat)
    elif words[0] in _SETTERS:
        _SETTERS[words[0]](chat, words)
    else:
        print(f"Unknown command '/set {words[0]}'. Type /? for help")


def _parameter(chat: Chat, words: list[str]) -> None:
    if len(words) < 3:
        print(page(PARAMETERS), end="", file=sys.stderr)
        return
    _, name, *texts = words
    try:
        more = sampler_options([name])
        values = [typed_parameter(name, text, more) for text in texts]
    except (ModelfileError, PluginError) as error:
        print(f"Couldn't set parameter: {json.dumps(str(error), ensure_ascii=False)}")
        return
    chat.options[name] = texts if isinstance(values[0], list) else values[0]
    print(f"Set parameter '{name}' to '{', '.join(texts)}'")


def _system(rest: list[str], chat: Chat) -> None:
    if not rest:
        print(page(SET), end="", file=sys.stderr)
        return
    chat.set_system(unquote(rest[0]))
    print("Set system message.")


def _word_wrap(chat: Chat, words: list[str]) -> None:
    chat.display = replace(chat.display, word_wrap=words[0] == "wordwrap")
    print(f"Set '{words[0]}' mode.")


def _format(chat: Chat, words: list[str]) -> None:
    if words[1:] == ["json"]:
        chat.format = "json"
        print("Set format to 'json' mode.")
    else:
        print("Invalid or missing format. For 'json' mode use '/set format json'")


def _no_format(chat: Chat, words: list[str]) -> None:
    chat.format = None
    print("Disabled format.")


def _verbose(chat: Chat, words: list[str]) -> None:
    chat.verbose = words[0] == "verbose"
    print(f"Set '{words[0]}' mode.")


def _think(chat: Chat, words: list[str]) -> None:
    level = words[1] if len(words) > 1 else ""
    if level and level not in LEVELS:
        print(f'error: invalid think value: "{level}" (must be {", ".join(LEVELS)}, or none)', file=sys.stderr)
        return
    chat.think = level or True
    if not chat.can("thinking"):
        print(f'warning: model "{chat.model}" does not support thinking output', file=sys.stderr)
    print(f"Set 'think' mode to '{level}'." if level else "Set 'think' mode.")


def _no_think(chat: Chat, words: list[str]) -> None:
    chat.think = False
    print("Set 'nothink' mode.")


_SETTERS: Mapping[str, Callable[[Chat, list[str]], None]] = MappingProxyType(
    {
        "parameter": _parameter,
        "wordwrap": _word_wrap,
        "nowordwrap": _word_wrap,
        "format": _format,
        "noformat": _no_format,
        "verbose": _verbose,
        "quiet": _verbose,
        "think": _think,
        "nothink": _no_think,
    }
)
