"""`hollama serve`: the server in the foreground, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os

from hollama.cli.arguments import add_words, describe, exactly
from hollama.config import Address, load_settings
from hollama.errors import ConfigError
from hollama.plugins import load_plugins


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
    settings = load_settings(os.environ)
    from hollama.server.logs import set_up
    from hollama.server.serve import serve

    set_up(settings)
    try:
        asyncio.run(serve(settings, load_plugins()))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ConfigError(_in_use(settings.host)) from error
    return 0


def _in_use(address: Address) -> str:
    return (
        f"listen tcp {address.host}:{address.port}: bind: address already in use; a server may be running already "
        "(`hollama ps` tells), else choose another address with OLLAMA_HOST"
    )
