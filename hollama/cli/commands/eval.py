"""`hollama eval`: how good a model is, and what quantisation cost it: Table 1 of Hailo's whitepaper, for any model."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hollama.cli.arguments import add_words, describe, exactly, positive
from hollama.cli.human import human_number, table
from hollama.cli.progress import progress
from hollama.config import Settings, load_settings
from hollama.errors import EvaluationError, StoreError, UsageError

if TYPE_CHECKING:
    from hollama.evaluate.data import Source
    from hollama.evaluate.evaluation import Outcome, Plan
    from hollama.evaluate.report import Device, Report
    from hollama.evaluate.subject import Subject
    from hollama.plugins import Plugins

_PROMPT, _ANSWER = 96, 64  # tokens: as the whitepaper measures the time to the first token; then what decode takes
_REPEAT = 3  # measurements of speed, whose median is told
_HUB = "hf:"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hollama.evaluate.tasks import TASKS

    width = max(map(len, TASKS))
    listed = "\n".join(f"  {task.name:<{width}}  {task.summary}" for task in TASKS.values())
    describe(
        parser,
        "Measure how good a model is: an installed one, a .hef file, or a checkpoint, which runs in float32.\n"
        "With --float the checkpoint that the package was made of stands beside it, asked the same tokens.\n"
        "Figures come with the half width of their 95 % interval, CHANGE with that of the items' differences; speed\n"
        "and memory are those of this machine.\n\n"
        f"tasks (TASK=FILE; TASK alone, or TASK=hf:NAME[:CONFIG], asks the Hugging Face hub):\n{listed}\n\n"
        "Protocols are lm-evaluation-harness's; those of wikitext, c4 and text are GPTQ's, a window being as long as\n"
        "the context (the KV cache). A killed run with --results goes on where it ended.",
        "hollama eval hollie --tasks text=notes.txt",
        "hollama eval qwen.hef --float ./Qwen2-1.5B --tasks wikitext=wiki.test.raw,c4=c4.jsonl --results qwen.jsonl",
        "hollama eval qwen.hef --tasks hellaswag=hellaswag_val.txt.bz2,mmlu=./mmlu --limit 200 --devices 2",
        "hollama eval qwen.hef --adapter poet --float ./Qwen2-1.5B --float-adapter ./lora --tasks text=poems.txt",
        "hollama eval ./Qwen2-1.5B --tasks lambada --json qwen.json",
    )
    add_words(
        parser,
        "MODEL",
        "a model, a .hef file, or a checkpoint (a folder, a .gguf file, or what `hollama parse` made of it)",
    )
    parser.add_argument("--tasks", action="append", default=[], metavar="TASK[=FILE],...", help="what to measure")
    parser.add_argument("--float", type=Path, metavar="CHECKPOINT", help="the model before quantisation, to compare")
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="the first N items of each task (of MMLU: subject) only"
    )
    parser.add_argument(
        "--adapter", metavar="NAME", help="which of the package's answers [the model's own, of a file none]"
    )
    parser.add_argument("--float-adapter", type=Path, metavar="PATH", help="the LoRA that the checkpoint gets")
    parser.add_argument("--context", type=positive, metavar="N", help="tokens of a window [the model's context]")
    parser.add_argument("--batch", type=positive, default=16, metavar="N", help="items at once on a device [16]")
    parser.add_argument("--devices", type=positive, default=1, metavar="N", help="processes, each with its model [1]")
    parser.add_argument("--ray", action="store_true", help="deal out to --devices workers of a Ray cluster instead")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="keep every item's result there, and go on from it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too; - for stdout")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--subjects", action="store_true", help="print the figures of MMLU's subjects too")
    parser.add_argument("--no-speed", action="store_true", help="leave out times and memory")


def run(arguments: argparse.Namespace) -> int:
    from hollama.evaluate.evaluation import evaluate
    from hollama.evaluate.report import as_json
    from hollama.plugins import load_plugins

    to_stdout = arguments.json and str(arguments.json) == "-"
    for option, target in (("--results", arguments.results), ("--json", None if to_stdout else arguments.json)):
        _check_target(option, target)
    plan, plugins = _plan(arguments, _sources(arguments.tasks)), load_plugins()
    _check_apart(arguments.json, plan)
    try:
        with progress(sys.stderr) as shown:
            outcomes = evaluate(plan, plugins, lambda *step: shown.advance(*step, sizes=False))
    except KeyboardInterrupt:
        if plan.results:
            print(f"\n{plan.results} keeps what was found; the same command goes on from there", file=sys.stderr)
        raise
    measured = plan.subjects[-1].backend and not arguments.no_speed
    device = _device(plan.subjects[-1], plugins) if measured else None
    names = [*([str(arguments.float)] if arguments.float else []), arguments.words[0]]
    report = _report(plan, list(map(_named, names, plan.subjects)), outcomes, device)
    print(
        "\n".join(report_lines(report, arguments.markdown, arguments.subjects)),
        file=sys.stderr if to_stdout else sys.stdout,
    )
    if arguments.json:
        text = json.dumps(as_json(report), indent=2, allow_nan=False) + "\n"
        print(text, end="") if to_stdout else _write(arguments.json, text)
    return 0


def _check_target(option: str, target: Path | None) -> None:
    """Before hours of work for what cannot be written."""
    if target is None:
        return
    other = target.exists() and not target.is_file()
    if "\0" in str(target) or other or not target.absolute().parent.is_dir():
        raise UsageError(f"{option}: {target} cannot be written; name a file in a folder that there is")


def _check_apart(target: Path | None, plan: Plan) -> None:
    """The figures replace what is in their file."""
    from hollama.evaluate.data import FileSource

    data = [source.path for source in plan.sources.values() if isinstance(source, FileSource)]
    read = [*data, *(subject.path for subject in plan.subjects), *([plan.results] if plan.results else [])]
    if target and target.resolve() in (path.resolve() for path in read):
        raise UsageError(f"--json: {target} would replace what is read; name another file")


def _write(target: Path, text: str) -> None:
    from hollama.formats.files import atomic_write

    with atomic_write(target) as file:
        file.write(text.encode())


def _sources(words: list[str]) -> dict[str, Source]:
    """Where each task's data comes from, in the order in which they were named."""
    from hollama.evaluate.tasks import TASKS

    found: dict[str, Source] = {}
    for part in ",".join(words).split(","):
        name, equals, place = part.strip().partition("=")
        if name not in TASKS:
            wrong = f'there is no task "{name}"' if name else "no --tasks; write such as --tasks text=notes.txt"
            raise UsageError(f"{wrong}; there are: {', '.join(TASKS)}; see hollama eval --help")
        if name in found:
            raise UsageError(f"the task {name} is named twice; run the command for each of its files")
        found[name] = _source(name, place, bool(equals))
    return found


def _source(name: str, place: str, given: bool) -> Source:
    from hollama.evaluate.data import FileSource, HubSource
    from hollama.evaluate.tasks import TASKS

    hub = TASKS[name].hub
    if place.startswith(_HUB):
        dataset, _, config = place.removeprefix(_HUB).partition(":")
        return HubSource(dataset, config or None)
    if given:
        if not Path(place).exists():
            raise UsageError(f"{name}: there is no file {place!r}; for a data set of the hub write {name}={_HUB}NAME")
        return FileSource(Path(place).absolute())
    if hub is None:
        raise UsageError(f"{name} needs a file: --tasks {name}=FILE")
    return hub


def _plan(arguments: argparse.Namespace, sources: dict[str, Source]) -> Plan:
    from hollama.evaluate.evaluation import Plan

    (name,) = exactly(1, arguments.words)
    return Plan(
        subjects=_subjects(name, arguments),
        sources=sources,
        limit=arguments.limit,
        at_once=arguments.batch,
        devices=arguments.devices,
        ray=arguments.ray,
        results=arguments.results,
    )


def _subjects(name: str, arguments: argparse.Namespace) -> tuple[Subject, ...]:
    """The float reference comes first."""
    from hollama.evaluate.subject import subject

    settings, lora = load_settings(os.environ), arguments.float_adapter and arguments.float_adapter.absolute()
    path, own = _place(settings, name)
    adapter = own if arguments.adapter is None else arguments.adapter
    found = subject(path, settings.backend, arguments.context, adapter, lora)
    if arguments.float is None:
        if lora and found.backend:
            raise UsageError("--float-adapter: no checkpoint gets it; name that with --float")
        return (found,)
    if not found.backend:
        raise UsageError(f"--float: {path} is a checkpoint itself; name the package that was compiled from it")
    if found.adapter and not lora:
        wrong = f"--float: the checkpoint has no adapter {found.adapter}"
        raise UsageError(f"{wrong}; name its folder or file with --float-adapter, or compare with --adapter ''")
    try:
        return subject(arguments.float.absolute(), "", found.context, lora=lora), found
    except EvaluationError as error:
        raise EvaluationError(f"--float: {error}; expected the checkpoint that {path} was compiled from") from None


def _place(settings: Settings, name: str) -> tuple[Path, str]:
    """A file or folder where there is one; else the package of an installed model, and the adapter it asks for."""
    if name.endswith((".hef", ".gguf", ".har")) or os.sep in name or Path(name).is_dir():
        if not Path(name).exists():
            raise UsageError(
                f"there is no {name}; expected a .hef file, a checkpoint (a folder, .gguf or .har) or a model"
            )
        return Path(name).absolute(), ""
    from hollama.runtime.embedded import EMBEDDED, install_embedded
    from hollama.store.store import Store

    store = Store(settings.models, noprune=True)
    if name == EMBEDDED:
        install_embedded(store)
    model = store.find(name)
    package = store.package(model)
    if package is None:
        raise StoreError(f"{name} has no package yet; run it once, or compile it with `hollama compile`")
    return package, str(model.parameters.get("adapter", model.adapter))


def _named(name: str, subject: Subject) -> str:
    adapter = subject.adapter or (subject.lora.name if subject.lora else "")
    return f"{name} with adapter {adapter}" if adapter else name


def _report(plan: Plan, names: Sequence[str], outcomes: Sequence[Outcome], device: Device | None) -> Report:
    """`names` are the subjects', as the user wrote them."""
    from hollama.evaluate.report import Report
    from hollama.formats.package import read_info

    main = plan.subjects[-1]
    info = read_info(main.path) if main.backend else None
    return Report(
        models={subject.kind: name for subject, name in zip(plan.subjects, names, strict=True)},
        backend=main.backend,
        scheme=info.quantization if info else "",
        parameters=info.parameter_count if info else None,
        context=main.context,
        outcomes=outcomes,
        device=device,
    )


def _device(subject: Subject, plugins: Plugins) -> Device:
    """Measured when the evaluation is over, on a model that nothing else is asked of."""
    from hollama.cli.measure import Load, measure
    from hollama.cli.roofline import read_demand
    from hollama.engine import Engine
    from hollama.evaluate.report import Device

    prompt = min(_PROMPT, subject.context // 2)
    load = Load(prompt, batch=1, generate=min(_ANSWER, subject.context - prompt))
    model = subject.load(plugins, parallel=1)
    samplers = [entry.spec for entry in plugins.samplers.values()]
    engine = Engine(model, samplers, parallel=1, context=subject.context)
    energy = plugins.backend(subject.backend).energy
    try:
        used, began = energy(), time.perf_counter()
        speed, memory = asyncio.run(measure(engine, load, model.vocab_size, _REPEAT)), model.memory
        watts = mean_power(used, energy(), time.perf_counter() - began)
    finally:
        engine.close()
    return Device(
        prompt_tokens=prompt,
        ttft=speed.ttft,
        prefill_tps=speed.prefill_tps,
        decode_tps=speed.decode_tps,
        kv_cache_tokens=subject.context,
        kv_cache_bytes=read_demand(subject.path).cache_bytes * subject.context,
        package_bytes=subject.path.stat().st_size,
        memory_bytes=memory,
        watts=watts,
    )


def mean_power(before: float | None, after: float | None, seconds: float) -> float | None:
    """Watts, of joules counted before and after; None where nobody counts, or where the counter began anew."""
    if before is None or after is None or after < before:
        return None
    return (after - before) / seconds


def report_lines(report: Report, as_markdown: bool, subjects: bool = False) -> list[str]:
    """The report for people; with `subjects` those of MMLU too."""
    from hollama.evaluate.report import device_rows, markdown, quality

    lay_out = markdown if as_markdown else table
    lines = [_head(report), "", *lay_out(quality(report, subjects))]
    if report.device:
        lines += ["", *lay_out(device_rows(report.device))]
    return [line.rstrip() for line in lines]


def _head(report: Report) -> str:
    main = Path(report.models.get("quantised") or report.models["float"]).name
    if not report.backend:
        return f"{main} in float32, context {report.context}"
    size = f"{human_number(report.parameters or 0)} parameters, {report.scheme}"
    beside = f", beside {Path(report.models['float']).name} in float32" if "float" in report.models else ""
    return f"{main} ({size}) on {report.backend}{beside}, context {report.context}"
