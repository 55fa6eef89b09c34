"""`hollama list`: the models there are."""

from __future__ import annotations

import argparse

from hollama.cli.arguments import add_words, at_most, describe
from hollama.cli.client import Client, Json, connect
from hollama.cli.human import human_bytes, human_time, parse_time, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(parser, "List models, newest first.", "hollama list", "hollama list qwen        # names that start so")
    add_words(parser, "PREFIX", "only models whose name starts so")


def run(arguments: argparse.Namespace) -> int:
    prefix = "".join(at_most(1, arguments.words))
    print("\n".join(list_lines(connect(), prefix)))
    return 0


def list_lines(client: Client, prefix: str) -> list[str]:
    """The table, its header included."""
    models = client.get("/api/tags").get("models") or []
    rows = [_row(model) for model in models if model["name"].lower().startswith(prefix.lower())]
    return table([["NAME", "ID", "SIZE", "MODIFIED"], *rows])


def _row(model: Json) -> list[str]:
    size = "-" if model.get("remote_model") else human_bytes(model["size"])
    return [model["name"], model["digest"][:12], size, human_time(parse_time(model["modified_at"]))]
