"""`hollama compile`: a checkpoint to a HEF package. Its JSON lines are the protocol between server and compiler."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hollama.cli.arguments import add_words, describe
from hollama.cli.compiling import (
    adapters_of,
    add_adapters,
    add_output,
    add_report,
    add_settings,
    check_folder,
    check_target,
    reported,
    settings_of,
    source_and_target,
    told,
)  # fmt: skip
from hollama.cli.human import human_bytes
from hollama.cli.progress import progress
from hollama.cli.upload import talk_to
from hollama.errors import HollamaError, UsageError
from hollama.formats.hef_container import is_hef

if TYPE_CHECKING:
    from hollama.compiler.adapters import QuantisedFile
    from hollama.types import OnProgress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Compile a checkpoint (a folder of safetensors, or a .gguf file) to a HEF package.\n"
        "`hollama create` does this by itself, with --effort quick; use this command to lose less, to keep the\n"
        "package, or to choose its settings.\n"
        "It is the last of four stages, `parse`, `optimize`, `add-lora` and `compile`, and takes what they made too.",
        "hollama compile ./Qwen2.5-0.5B qwen.hef",
        "hollama compile model.gguf -o model.hef --context 4096 --calibration texts.txt",
        "hollama compile qwen.hef -o qwen-calls.hef --adapter calls=./lora",
        "hollama compile qwen.q.har -o qwen.hef",
    )
    add_words(parser, "PATH", "the checkpoint or HAR (or a package that gets adapters), then the package to write")
    add_output(parser, "package")
    add_settings(parser)
    add_report(parser)
    add_adapters(parser)
    parser.add_argument("--progress", choices=("bar", "json"), default="bar", help="for people, or JSON lines")


def run(arguments: argparse.Namespace) -> int:
    source, target = source_and_target(arguments, ".hef")
    if arguments.progress == "json":
        return _with_lines(arguments, source, target)
    with progress(sys.stderr) as shown:
        adapters = _compile(arguments, source, target, lambda *step: shown.advance(*step, sizes=False))
    from hollama.formats.package import read_info

    for adapter in adapters:
        print(told(adapter))
    about = f"{human_bytes(target.stat().st_size)}, context {read_info(target).context}"
    added = adapters[-1].name if adapters else ""
    print(f"wrote {target} ({about}); to talk to it:\n  {talk_to(target, added)}")
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


def _compile(arguments: argparse.Namespace, source: Path, target: Path, report: OnProgress) -> Sequence[QuantisedFile]:
    from hollama.compiler import compile_package
    from hollama.compiler.stages import is_optimised

    replaceable = None if is_hef(source) else source  # a package may grow in its place
    check_target(target, ".hef", replaceable, *(path for _, path in arguments.adapter), arguments.calibration)
    check_folder(arguments.report)
    settings = settings_of(arguments, adapters_of(arguments.adapter))
    optimised = is_hef(source) or is_optimised(source)
    if optimised:
        _refuse_settings(arguments, source)
    if arguments.report and optimised:
        raise UsageError(f"--report compares with the checkpoint: hollama report {target} --float CHECKPOINT")
    done = compile_package(source, target, settings, report)
    reported(arguments, target, source, report)
    return done


def _refuse_settings(arguments: argparse.Namespace, source: Path) -> None:
    """What was chosen when the model was optimised cannot change any more."""
    names = ["context", "group_size", "no_rotate", "no_gptq", "ranges", "cache_ranges", "finetune", "seed"]
    names += [] if arguments.progress == "json" else ["effort"]  # servers say it of whatever they compile
    names += [] if arguments.adapter else ["calibration"]
    chosen = [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) not in (None, False)]
    if chosen:
        raise UsageError(f"{source} is quantised already; give {chosen[0]} when its checkpoint is")
