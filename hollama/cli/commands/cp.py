"""`hollama cp`: a second name for a model."""

from __future__ import annotations

import argparse

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.client import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(parser, "Copy a model. Its data is shared, not doubled.", "hollama cp hollie my-hollie")
    add_words(parser, "NAME", "the source, then the destination")


def run(arguments: argparse.Namespace) -> int:
    source, destination = exactly(2, arguments.words)
    connect().post("/api/copy", {"source": source, "destination": destination})
    print(f"copied '{source}' to '{destination}'")
    return 0
