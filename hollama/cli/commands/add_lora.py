"""`hollama add-lora`: LoRA adapters into a HAR with a quantised model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hollama.cli.arguments import add_words, at_least, describe
from hollama.cli.compiling import adapter_word, adapters_of, add_calibration, check_target, text_of, told
from hollama.cli.human import human_bytes
from hollama.cli.progress import progress
from hollama.errors import UsageError
from hollama.formats.hef_container import is_hef

_NEXT = "`hollama compile` makes a package of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Add LoRA adapters (PEFT, mlx-lm or GGUF) to a HAR that `hollama optimize` made. Each is quantised by itself,\n"
        "against the frozen base, with the text that the base was calibrated with; the base stays as it is.",
        "hollama add-lora qwen.q.har poet=./lora -o qwen.q.har",
        "hollama add-lora qwen.q.har poet=./lora coder=./other.gguf -o both.q.har",
    )
    add_words(parser, "HAR NAME=PATH...", "the HAR, then each adapter's name and file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PATH", help="the HAR to write")
    add_calibration(parser)


def run(arguments: argparse.Namespace) -> int:
    from hollama.compiler import CompileSettings
    from hollama.compiler.stages import add_stage

    source, *adapters = at_least(2, arguments.words)
    try:
        named = [adapter_word(word) for word in adapters]
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error)) from None
    check_target(arguments.output, ".har", *(path for _, path in named), arguments.calibration)
    if is_hef(Path(source)):
        again = f"hollama compile {source} -o {source} --adapter {adapters[0]}"
        raise UsageError(f"{source} is a package, which another command gives adapters: {again}")
    chosen = adapters_of(named)
    settings = CompileSettings(calibration=text_of(arguments) or "", adapters=chosen)
    with progress(sys.stderr) as shown:
        done = add_stage(Path(source), arguments.output, settings, lambda *step: shown.advance(*step, sizes=False))
    for adapter in done:
        print(told(adapter))
    print(f"wrote {arguments.output} ({human_bytes(arguments.output.stat().st_size)}); {_NEXT}")
    return 0
