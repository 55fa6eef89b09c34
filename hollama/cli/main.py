"""The `hollama` command: finds the subcommand in a table, imports it, runs it. Does not know what any of them does."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from hollama.cli.arguments import WrongCount
from hollama.cli.client import connect
from hollama.cli.version import version
from hollama.errors import HollamaError, UsageError

_ABOUT = "Run language models on edge accelerators and their exact emulator, behind Ollama's API and command line."


@dataclass(frozen=True)
class Command:
    """One row of the table. `bare` are options whose value can only follow a `=`, and what they mean without one."""

    name: str
    usage: str
    summary: str
    group: str
    aliases: tuple[str, ...] = ()
    bare: tuple[tuple[str, str], ...] = ()


_SWITCHES = (("--think", "--think=true"), ("--truncate", "--truncate=true"))

COMMANDS = (
    Command("run", "[MODEL [PROMPT...]]", "Talk to a model", "Use", bare=_SWITCHES),
    Command("ps", "[PREFIX]", "List models that are loaded", "Use"),
    Command("stop", "MODEL", "Unload a model", "Use"),
    Command("serve", "", "Start the server in the foreground", "Use", aliases=("start",)),
    Command("create", "MODEL", "Make a model from a Modelfile", "Models"),
    Command("list", "[PREFIX]", "List models", "Models", aliases=("ls",)),
    Command("show", "MODEL", "Show what a model is", "Models"),
    Command("cp", "SOURCE DESTINATION", "Copy a model", "Models"),
    Command("rm", "MODEL...", "Delete models", "Models"),
    Command("compile", "SOURCE TARGET", "Compile a checkpoint to a HEF package, all stages in one go", "Workshop"),
    Command("parse", "CHECKPOINT HAR", "Stage one: read a checkpoint into a HAR", "Workshop"),
    Command("optimize", "HAR HAR", "Stage two: calibrate and quantise it", "Workshop"),
    Command("add-lora", "HAR NAME=PATH... -o HAR", "Stage three: add adapters", "Workshop"),
    Command("report", "MODEL", "Show layer by layer what quantisation cost", "Workshop"),
    Command("bench", "[MODEL]", "Measure how fast a model runs here", "Workshop"),
    Command("eval", "MODEL", "Measure how good a model is, and what quantisation cost it", "Workshop"),
    Command("plugins", "", "List plugins and what they provide", "Workshop"),
    Command("doctor", "", "Check this installation, and say what to try", "Workshop"),
)

_EXAMPLES = """\
Examples:
  hollama run                                  talk to the embedded model
  hollama run hollie "Why is the sky blue?"    ask once
  cat notes.txt | hollama run hollie           ask with a file
  hollama create mine -f Modelfile             make a model from a Modelfile
  hollama doctor                               when something is wrong

Settings come from the environment, under Ollama's names (OLLAMA_HOST, OLLAMA_MODELS, ...);
HOLLAMA_HOST and so on win over them. `hollama doctor` lists those in force.
Use "hollama help COMMAND" or "hollama COMMAND --help" for more about a command."""

# What Ollama can do and hollama does not, and what to do instead.
_ELSEWHERE = {
    "pull": 'models come from files here: write a Modelfile with "FROM ./model.gguf" and run "hollama create"',
    "push": "models stay on this machine; the models folder (OLLAMA_MODELS) can be copied as it is",
    "signin": "there is no account to sign in to",
    "signout": "there is no account to sign out of",
    "launch": 'point the tool itself, as one that speaks Ollama, at the server: "http://127.0.0.1:11434"',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` and return its exit status; errors are one line on stderr and status 1."""
    words = list(sys.argv[1:] if argv is None else argv)
    _replace_closed_streams()
    try:
        return _dispatch(words)
    except HollamaError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `hollama list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _replace_closed_streams() -> None:
    """Streams that whoever started us had closed lead nowhere; Python leaves None in their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (it stays open)


def _dispatch(words: list[str]) -> int:
    match words:
        case [] | ["-h" | "--help" | "help"]:
            print(root_help())
            return 0
        case ["-v" | "--version" | "version", *_]:
            return _print_version()
        case ["help", name, *_]:
            return _run(_find(name), ["--help"])
        case [name, *rest]:
            return _run(_find(name), rest)
    raise AssertionError(words)


def _find(name: str) -> Command:
    for command in COMMANDS:
        if name == command.name or name in command.aliases:
            return command
    if name.startswith("-"):
        raise UsageError(f"unknown flag: {name}; see hollama --help")
    message = f'unknown command "{name}" for "hollama"'
    if name in _ELSEWHERE:
        raise UsageError(f"{message}: {_ELSEWHERE[name]}")
    near = difflib.get_close_matches(name, [command.name for command in COMMANDS])
    suggestions = "".join(f"\n\t{found}" for found in near)
    raise UsageError(f"{message}\n\nDid you mean this?{suggestions}\n" if near else f"{message}; see hollama --help")


class _Parser(argparse.ArgumentParser):
    """argparse ends the process on an error unless this method is replaced."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        text = f"unknown flag: {unknown.split()[0]}" if unknown != message else message
        raise UsageError(f"{text}; see {self.prog} --help")


def _run(command: Command, words: list[str]) -> int:
    module = importlib.import_module(f"hollama.cli.commands.{command.name.replace('-', '_')}")
    parser = _Parser(
        prog=f"hollama {command.name}",
        usage=f"hollama {command.name} {command.usage}".rstrip() + " [OPTIONS]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    try:
        arguments = parser.parse_intermixed_args(_with_values(command, words))
    except SystemExit:  # argparse has printed the help
        return 0
    try:
        return int(module.run(arguments))
    except WrongCount as error:
        raise UsageError(f"{error}; see {parser.prog} --help") from None


def _with_values(command: Command, words: list[str]) -> list[str]:
    end = words.index("--") if "--" in words else len(words)
    bare = dict(command.bare)
    return [bare.get(word, word) for word in words[:end]] + words[end:]


def _print_version() -> int:
    """The version of Ollama whose API the server speaks, which is what scripts compare, and ours."""
    try:
        answered = connect().get("/api/version").get("version")
    except HollamaError:
        print("Warning: could not connect to a running hollama instance")
        print(f"Warning: client version is {version()}")
    else:
        print(f"ollama version is {answered}\nhollama version is {version()}")
    return 0


def root_help() -> str:
    """The page that `hollama --help` prints: what there is, by what one wants to do."""
    lines = [_ABOUT, "", "Usage:", "  hollama COMMAND [ARGUMENTS] [OPTIONS]"]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        lines += ["", f"{group}:"]
        lines += [_row(command) for command in COMMANDS if command.group == group]
    options = ["Options:", "  -h, --help       help for hollama", "  -v, --version    the server's version, or ours"]
    return "\n".join([*lines, "", *options, "", _EXAMPLES])


def _row(command: Command) -> str:
    also = f" (also: {', '.join(command.aliases)})" if command.aliases else ""
    return f"  {command.name:<10} {command.summary}{also}"
