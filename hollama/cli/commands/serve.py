"""`hollama serve`: the server in the foreground, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import os

from hollama.cli.arguments import add_words, describe, exactly


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Start the server. Settings come from the environment; `hollama doctor` lists them.",
        "hollama serve",
        "OLLAMA_HOST=0.0.0.0:11434 hollama serve        # for other machines too",
        "HOLLAMA_BACKEND=null hollama serve             # without an accelerator: for tests of clients",
    )
    add_words(parser, "", argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    exactly(0, arguments.words)
    from hollama.config import load_settings
    from hollama.plugins import load_plugins
    from hollama.server import serve

    asyncio.run(serve(load_settings(os.environ), load_plugins()))
    return 0
