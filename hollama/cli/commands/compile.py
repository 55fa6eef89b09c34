"""`hollama compile`: a checkpoint to a HEF package. Its JSON lines are the protocol between server and compiler."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hollama.cli.arguments import add_words, describe, exactly, positive
from hollama.cli.human import human_bytes
from hollama.cli.progress import progress
from hollama.errors import HollamaError, UsageError

if TYPE_CHECKING:
    from hollama.compiler.adapters import QuantisedFile

Report = Callable[[str, int, int], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Compile a checkpoint (a folder of safetensors, or a .gguf file) to a HEF package.\n"
        "`hollama create` does this by itself; use this command to keep the package, or to choose its settings.",
        "hollama compile ./Qwen2.5-0.5B qwen.hef",
        "hollama compile model.gguf -o model.hef --context 4096 --calibration texts.txt",
        "hollama compile qwen.hef -o qwen-calls.hef --adapter calls=./lora",
    )
    add_words(parser, "PATH", "the checkpoint (or a package that gets adapters), then the package to write")
    parser.add_argument("-o", "--output", metavar="PATH", help="the package to write, if it is not the second PATH")
    parser.add_argument("--context", type=positive, metavar="N", help="tokens it holds, at most the model's own [2048]")
    parser.add_argument("--group-size", type=_group, metavar="N", help="weights a scale: 32, 64n, or 0 for a row [64]")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="text to calibrate with [a built-in one]")
    parser.add_argument(
        "--effort",
        choices=("quick", "full"),
        default="full",
        help="quick: round to nearest; full: rotate the bases (QuaRot) and make up for rounding (GPTQ) [full]",
    )
    parser.add_argument("--no-rotate", action="store_true", help="full effort without QuaRot")
    parser.add_argument("--no-gptq", action="store_true", help="full effort without GPTQ")
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="of QuaRot's rotations [0]")
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        type=_adapter,
        metavar="NAME=PATH",
        help="a LoRA to add; repeatable",
    )
    parser.add_argument("--progress", choices=("bar", "json"), default="bar", help="for people, or JSON lines")


def run(arguments: argparse.Namespace) -> int:
    words = [*arguments.words, arguments.output] if arguments.output else arguments.words
    source, target = map(Path, exactly(2, words))
    if arguments.progress == "json":
        return _with_lines(arguments, source, target)
    with progress(sys.stderr) as shown:
        adapters = _compile(arguments, source, target, lambda *step: shown.advance(*step, sizes=False))
    for adapter in adapters:
        print(f"adapter {adapter.name}: {human_bytes(adapter.nbytes)}, {adapter.snr:.1f} dB of signal to noise")
    size = human_bytes(target.stat().st_size)
    print(f"wrote {target} ({size}); `FROM` and its path, in a Modelfile, makes a model of it")
    return 0


def _group(text: str) -> int:
    if not text.isdecimal() or (int(text) != 32 and int(text) % 64):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 32 nor a multiple of 64")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number below 2^64")
    return int(text)


def _adapter(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, Path(path)


def _with_lines(arguments: argparse.Namespace, source: Path, target: Path) -> int:
    try:
        _compile(arguments, source, target, _print_step)
    except (HollamaError, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


def _print_step(status: str, completed: int, total: int) -> None:
    print(json.dumps({"status": status, "completed": completed, "total": total}), flush=True)


def _compile(arguments: argparse.Namespace, source: Path, target: Path, report: Report) -> Sequence[QuantisedFile]:
    from hollama.compiler import CompileSettings, compile_package, read_adapter
    from hollama.plugins import load_plugins

    _check_target(target)
    chosen = {"context": arguments.context, "group_size": arguments.group_size, "calibration": _text(arguments)}
    full = arguments.effort == "full"
    settings = CompileSettings(
        **{name: value for name, value in chosen.items() if value is not None},
        rotates=full and not arguments.no_rotate, gptq=full and not arguments.no_gptq, seed=arguments.seed,
    )  # fmt: skip
    if arguments.adapter:
        specs = [entry.spec for entry in load_plugins().adapters.values()]
        adapters = tuple(read_adapter(name, path, specs) for name, path in arguments.adapter)
        settings = replace(settings, adapters=adapters)
    return compile_package(source, target, settings, report)


def _check_target(target: Path) -> None:
    """Before minutes of work for a package that cannot be written."""
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name the package to write, such as {target / 'model.hef'}")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")


def _text(arguments: argparse.Namespace) -> str | None:
    if arguments.calibration is None:
        return None
    try:
        text = str(arguments.calibration.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--calibration: {arguments.calibration} is no text file ({error})") from error
    if not text.strip():
        raise UsageError(f"--calibration: {arguments.calibration} holds no text")
    return text
