"""`hollama report`: what quantisation cost a model, layer by layer, and where."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.compiling import add_calibration, check_folder, text_of, write_report
from hollama.cli.progress import progress
from hollama.cli.report_text import lines
from hollama.errors import UsageError
from hollama.formats.har import is_har


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Show where a quantised model loses: signal to noise of layers and tensors, what each source of noise and\n"
        "each block cost when they alone are quantised, what clips, what takes the space. --float names the\n"
        "checkpoint, or the HAR that `hollama parse` made of it; without it, what a HAR remembers is shown.",
        "hollama report qwen.q.har --float qwen.har",
        "hollama report qwen.hef --float ./Qwen2.5-0.5B -o report",
    )
    add_words(parser, "MODEL", "a HAR that `hollama optimize` made, or a .hef file")
    parser.add_argument("--float", type=Path, metavar="CHECKPOINT", help="the model before quantisation, to compare")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write report.txt, .json and .html there")
    add_calibration(parser, "text to measure on [what it was calibrated with]")


def run(arguments: argparse.Namespace) -> int:
    from hollama.compiler.report import report

    (source,) = map(Path, exactly(1, arguments.words))
    if source.is_dir():
        raise UsageError(f"{source} is a folder; a checkpoint goes behind --float, a HAR or .hef file comes first")
    if not source.is_file():
        raise UsageError(f"there is no file {source}; expected a HAR that `hollama optimize` made, or a .hef file")
    if arguments.float is None and not is_har(source):
        raise UsageError(f"{source}: a package remembers nothing of its checkpoint; name that with --float")
    check_folder(arguments.output)
    with progress(sys.stderr) as shown:
        text = text_of(arguments) or ""
        found = report(source, arguments.float, text, lambda *step: shown.advance(*step, sizes=False))
    print("\n".join(lines(found)))
    if arguments.output:
        write_report(found, arguments.output)
        print(f"\nwrote {arguments.output / 'report.html'}, report.json and report.txt")
    return 0
