"""`hollama show`: what a model is."""

from __future__ import annotations

import argparse

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.client import connect
from hollama.cli.show import show_text
from hollama.errors import UsageError

_FIELDS = ("license", "modelfile", "parameters", "system", "template")
_ENDS = {"system": "", "template": ""}  # the others end with a newline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Show what a model is: its architecture, what it can do, its parameters.",
        "hollama show hollie",
        "hollama show hollie --modelfile > Modelfile        # to make a variant of it",
    )
    add_words(parser, "MODEL", "the model")
    for field in _FIELDS:
        parser.add_argument(f"--{field}", action="store_true", help=f"only the model's {field}")
    parser.add_argument("-v", "--verbose", action="store_true", help="all metadata and tensors too")


def run(arguments: argparse.Namespace) -> int:
    (name,) = exactly(1, arguments.words)
    wanted = [field for field in _FIELDS if getattr(arguments, field)]
    if len(wanted) > 1:
        choices = ", ".join(f"'--{field}'" for field in _FIELDS[:-1])
        raise UsageError(f"only one of {choices}, or '--{_FIELDS[-1]}' can be specified")
    info = connect().post("/api/show", {"model": name, "verbose": arguments.verbose})
    if wanted:
        print(info.get(wanted[0]) or "", end=_ENDS.get(wanted[0], "\n"))
    else:
        print(show_text(info, arguments.verbose), end="")
    return 0
