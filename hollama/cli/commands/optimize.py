"""`hollama optimize`: a HAR in full precision to one with the quantised model."""

from __future__ import annotations

import argparse
import sys

from hollama.cli.arguments import add_words, describe
from hollama.cli.compiling import (
    add_output,
    add_report,
    add_settings,
    check_folder,
    check_target,
    reported,
    settings_of,
    source_and_target,
)
from hollama.cli.human import human_bytes
from hollama.cli.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Calibrate, rotate and quantise the model of a HAR that `hollama parse` made, or of a checkpoint. The same\n"
        "input and seed give the same bytes on the same machine. `hollama add-lora` and `hollama compile` take the\n"
        "result.",
        "hollama optimize qwen.har -o qwen.q.har --calibration texts.txt",
        "hollama optimize qwen.har -o quick.q.har --effort quick",
    )
    add_words(parser, "PATH", "the HAR or checkpoint, then the HAR to write")
    add_output(parser, "HAR")
    add_settings(parser)
    add_report(parser)


def run(arguments: argparse.Namespace) -> int:
    from hollama.compiler.stages import optimise_stage

    source, target = source_and_target(arguments, ".q.har")
    check_target(target, ".har", source, arguments.calibration)
    check_folder(arguments.report)
    settings = settings_of(arguments)
    with progress(sys.stderr) as shown:

        def step(status: str, done: int, of: int) -> None:
            shown.advance(status, done, of, sizes=False)

        optimise_stage(source, target, settings, step)
        reported(arguments, target, source, step)
    print(f"wrote {target} ({human_bytes(target.stat().st_size)}); `hollama compile` makes a package of it")
    return 0
