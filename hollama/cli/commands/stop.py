"""`hollama stop`: unload a model."""

from __future__ import annotations

import argparse

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.client import connect
from hollama.errors import ClientError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(parser, "Unload a model from memory; the server keeps running.", "hollama stop hollie")
    add_words(parser, "MODEL", "the model to unload")


def run(arguments: argparse.Namespace) -> int:
    (name,) = exactly(1, arguments.words)
    client = connect()
    try:
        client.post("/api/show", {"model": name})
        client.post("/api/generate", {"model": name, "keep_alive": 0})
    except ClientError as error:
        if error.status == 404:
            raise ClientError(f'couldn\'t find model "{name}" to stop', status=404) from error
        raise
    return 0
