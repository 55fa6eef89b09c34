"""`hollama plugins`: what is installed, and who provides it."""

from __future__ import annotations

import argparse

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.human import table
from hollama.plugins import Plugins, load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "List samplers, tokenizers, formats of tool calls, adapters and backends, and the plugin of each.",
        "hollama plugins",
        "pip install ./my-sampler && hollama plugins        # see a new one",
    )
    add_words(parser, "", argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    exactly(0, arguments.words)
    print("\n".join(plugin_lines(load_plugins())))
    return 0


def plugin_lines(plugins: Plugins) -> list[str]:
    """The table; `kind` is the hook's name without its prefix, in the singular."""
    rows = [
        [kind.removesuffix("s"), name, contribution.owner, contribution.spec.help]
        for kind, found in plugins
        for name, contribution in found.items()
    ]
    return table([["KIND", "NAME", "OWNER", "HELP"], *rows])
