"""`hollama rm`: delete models."""

from __future__ import annotations

import argparse
import sys

from hollama.cli.arguments import add_words, at_least, describe
from hollama.cli.client import Client, connect
from hollama.errors import ClientError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(parser, "Delete models; stops at the first that cannot be.", "hollama rm mine", "hollama rm mine yours")
    add_words(parser, "MODEL", "the models to delete")


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    for name in at_least(1, arguments.words):
        _unload(client, name)
        client.delete("/api/delete", {"model": name})
        print(f"deleted '{name}'")
    return 0


def _unload(client: Client, name: str) -> None:
    try:
        client.post("/api/generate", {"model": name, "keep_alive": 0})
    except ClientError as error:
        if error.unreachable:
            raise
        if error.status not in (400, 404):  # deleting will say what is wrong with the name
            print(f"Warning: unable to stop model '{name}'", file=sys.stderr)
