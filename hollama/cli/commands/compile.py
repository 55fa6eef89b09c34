"""`hollama compile`: a checkpoint to a HEF package. Its JSON lines are the protocol between server and compiler."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.progress import progress
from hollama.errors import HollamaError

Report = Callable[[str, int, int], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Compile a checkpoint (a folder of safetensors, or a .gguf file) to a HEF package.\n"
        "`hollama create` does this by itself; use this command to keep the package, or to choose its settings.",
        "hollama compile ./Qwen2.5-0.5B qwen.hef",
        "hollama compile model.gguf model.hef --context 4096 --calibration texts.txt",
    )
    add_words(parser, "PATH", "the checkpoint, then the package to write")
    parser.add_argument("--context", type=int, metavar="N", help="tokens the package can hold")
    parser.add_argument("--group-size", type=int, metavar="N", help="weights that share a scale")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="text to calibrate the quantisation with")
    parser.add_argument("--progress", choices=("bar", "json"), default="bar", help="for people, or JSON lines")


def run(arguments: argparse.Namespace) -> int:
    source, target = map(Path, exactly(2, arguments.words))
    if arguments.progress == "json":
        return _with_lines(arguments, source, target)
    with progress(sys.stderr) as shown:
        _compile(arguments, source, target, lambda *step: shown.advance(*step, sizes=False))
    return 0


def _with_lines(arguments: argparse.Namespace, source: Path, target: Path) -> int:
    try:
        _compile(arguments, source, target, _print_step)
    except (HollamaError, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


def _print_step(status: str, completed: int, total: int) -> None:
    print(json.dumps({"status": status, "completed": completed, "total": total}), flush=True)


def _compile(arguments: argparse.Namespace, source: Path, target: Path, report: Report) -> None:
    from hollama.compiler import CompileSettings, compile_checkpoint

    chosen = {name: getattr(arguments, name) for name in ("context", "group_size", "calibration")}
    settings = CompileSettings(**{name: value for name, value in chosen.items() if value is not None})
    compile_checkpoint(source, target, settings, report)
