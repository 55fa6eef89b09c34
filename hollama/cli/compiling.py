"""What the commands of the compiler's stages have in common: paths, settings, adapters, reports."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hollama.cli.arguments import exactly, positive
from hollama.cli.human import human_bytes
from hollama.cli.report_text import lines
from hollama.errors import UsageError
from hollama.formats.files import atomic_write
from hollama.formats.har import is_har
from hollama.formats.hef_container import is_hef

if TYPE_CHECKING:
    from hollama.compiler.adapters import AdapterFile, QuantisedFile
    from hollama.compiler.pipeline import CompileSettings
    from hollama.compiler.report import Report
    from hollama.types import OnProgress

RANGES = ("mse", "entropy", "percentile", "max")  # what `hollama.compiler.ranges` knows, which takes time to import
_MOST_TEXT = 1 << 26  # characters of a text; more would not be used
_KINDS = {".har": "a HAR", ".hef": "a package"}


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("-o", "--output", metavar="PATH", help=f"the {what} to write, if it is not the second PATH")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """How to quantise. What is not given stays None, or False."""
    parser.add_argument("--context", type=positive, metavar="N", help="tokens it holds, at most the model's own [2048]")
    parser.add_argument("--group-size", type=_group, metavar="N", help="weights a scale: 32, 64, 128 ..; 0: a row [64]")
    add_calibration(parser)
    parser.add_argument("--ranges", choices=RANGES, help="how to choose what 8-bit inputs cover [mse]")
    parser.add_argument("--cache-ranges", choices=RANGES, help="the same for keys and values [max]")
    parser.add_argument(
        "--effort",
        choices=("quick", "full"),
        help="quick: round to nearest; full: rotate the bases (QuaRot) and make up for rounding (GPTQ) [full]",
    )
    parser.add_argument("--no-rotate", action="store_true", help="full effort without QuaRot")
    parser.add_argument("--no-gptq", action="store_true", help="full effort without GPTQ")
    parser.add_argument(
        "--finetune",
        type=positive,
        metavar="N",
        help="then let the model learn from the float one for N steps, such as 1000; for small ones; needs torch",
    )
    parser.add_argument("--seed", type=_seed, metavar="N", help="of QuaRot's rotations [0]")


def add_calibration(
    parser: argparse.ArgumentParser, what: str = "text to calibrate with, 100 KB or more [the model writes some]"
) -> None:
    parser.add_argument("--calibration", type=Path, metavar="FILE", help=what)


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="measure what it cost: report.txt, .json and .html"
    )


def add_adapters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        type=adapter_word,
        metavar="NAME=PATH",
        help="a LoRA to add; repeatable",
    )


def source_and_target(arguments: argparse.Namespace, kind: str) -> tuple[Path, Path]:
    """Two paths, the second of which may be an option; `kind` is what its name ends in. Raises UsageError."""
    words = [*arguments.words, arguments.output] if arguments.output else arguments.words
    if len(arguments.words) == 1 == len(words):
        (source,) = words
        raise UsageError(f"name the file to write, such as: {source} -o {Path(source).stem or 'model'}{kind}")
    source, target = map(Path, exactly(2, words))
    return source, target


def settings_of(arguments: argparse.Namespace, adapters: tuple[AdapterFile, ...] = ()) -> CompileSettings:
    """The compiler's settings; its own defaults stand for what was not given. Raises UsageError."""
    from hollama.compiler import CompileSettings

    chosen = {name: getattr(arguments, name) for name in ("context", "group_size", "ranges", "cache_ranges", "seed")}
    chosen |= {"calibration": text_of(arguments), "finetuning": arguments.finetune}
    full = arguments.effort != "quick"
    return CompileSettings(
        **{name: value for name, value in chosen.items() if value is not None},
        rotates=full and not arguments.no_rotate, gptq=full and not arguments.no_gptq, adapters=adapters,
    )  # fmt: skip


def adapters_of(chosen: Sequence[tuple[str, Path]]) -> tuple[AdapterFile, ...]:
    """The adapters' files, read by whoever knows their format. Raises CompileError."""
    if not chosen:
        return ()
    from hollama.compiler import read_adapter
    from hollama.plugins import load_plugins

    specs = [entry.spec for entry in load_plugins().adapters.values()]
    return tuple(read_adapter(name, path, specs) for name, path in chosen)


def told(adapter: QuantisedFile) -> str:
    """What became of an adapter."""
    quality = "it adds nothing; was it trained?" if adapter.snr is None else f"{adapter.snr:.1f} dB of signal to noise"
    return f"adapter {adapter.name}: {human_bytes(adapter.nbytes)}, {quality}"


def reported(arguments: argparse.Namespace, model: Path, checkpoint: Path, step: OnProgress) -> None:
    """Write the report that --report asks for. Raises as `hollama.compiler.report.report` does."""
    if arguments.report:
        from hollama.compiler.report import report

        text = "" if is_har(model) else text_of(arguments) or ""  # a HAR remembers it
        write_report(report(model, checkpoint, text, step), arguments.report)


def write_report(found: Report, folder: Path) -> None:
    """As text, JSON and a page. Raises OSError."""
    from hollama.cli.report_page import page

    folder.mkdir(parents=True, exist_ok=True)
    texts = {"txt": "\n".join(lines(found)) + "\n", "html": page(found)}
    texts["json"] = json.dumps(found.as_json(), indent=1) + "\n"
    for kind, text in texts.items():
        with atomic_write(folder / f"report.{kind}") as file:
            file.write(text.encode())


def check_folder(folder: Path | None) -> None:
    """Before minutes of work for files that cannot be written there. Raises UsageError."""
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for the report")
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise UsageError(f"{there} cannot be written to: {error.strerror}") from error


def check_target(target: Path, kind: str, *sources: Path | None) -> None:
    """Before minutes of work for a HAR or a package that cannot be written, or would replace what it is made from.

    `kind` is ".har" or ".hef". Raises UsageError.
    """
    other = {".har": ".hef", ".hef": ".har"}[kind]
    if target.suffix == other:
        raise UsageError(f"{target}: {_KINDS[kind]} is written, {other} would say {_KINDS[other]}; name it {kind}")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name the file to write, such as {target / 'model.hef'}")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    if target.exists() and not target.is_file():
        raise UsageError(f"{target} is no regular file; name another one to write")
    check_folder(target.absolute().parent)
    if not target.exists():
        return
    for source in sources:
        if source and source.exists() and _is_part(target, source):
            raise UsageError(f"{target} would replace what it is made from; name another file")


def _is_part(target: Path, source: Path) -> bool:
    """Whether a file is the source, or lies in it; what was compiled before and put there is none of it."""
    inside = source.is_dir() and target.resolve().is_relative_to(source.resolve())
    return target.samefile(source) or (inside and not is_har(target) and not is_hef(target))


def adapter_word(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, Path(path)


def text_of(arguments: argparse.Namespace) -> str | None:
    """The text of --calibration. Raises UsageError."""
    if arguments.calibration is None:
        return None
    if arguments.calibration.suffix in (".json", ".jsonl"):
        raise UsageError(
            f"--calibration: {arguments.calibration} is JSON, plain text is wanted; of JSON lines with texts, "
            f"`jq -r .text {arguments.calibration}` prints it"
        )
    try:
        with arguments.calibration.open(encoding="utf-8") as file:
            text = str(file.read(_MOST_TEXT))
    except (OSError, ValueError) as error:
        raise UsageError(f"--calibration: {arguments.calibration} is no text file ({error})") from error
    if not text.strip():
        raise UsageError(f"--calibration: {arguments.calibration} holds no text")
    return text


def _group(text: str) -> int:
    if not text.isdecimal() or (int(text) != 32 and int(text) % 64):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 32 nor a multiple of 64")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number below 2^64")
    return int(text)
