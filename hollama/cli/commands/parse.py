"""`hollama parse`: a checkpoint to a HAR, the first of the compiler's stages."""

from __future__ import annotations

import argparse
import sys

from hollama.cli.arguments import add_words, describe
from hollama.cli.compiling import add_output, check_target, source_and_target
from hollama.cli.human import human_bytes
from hollama.cli.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Read a checkpoint (a folder of safetensors, or a .gguf file) into a HAR: graph, weights in full precision,\n"
        "tokenizer, template, and the digests of what was read. `hollama optimize` is the next stage.",
        "hollama parse ./Qwen2.5-0.5B -o qwen.har",
    )
    add_words(parser, "PATH", "the checkpoint, then the HAR to write")
    add_output(parser, "HAR")


def run(arguments: argparse.Namespace) -> int:
    from hollama.compiler.stages import parse

    source, target = source_and_target(arguments, ".har")
    check_target(target, ".har", source)
    with progress(sys.stderr) as shown:
        parse(source, target, lambda *step: shown.advance(*step, sizes=False))
    print(f"wrote {target} ({human_bytes(target.stat().st_size)}); `hollama optimize` quantises it")
    return 0
