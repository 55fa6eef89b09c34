"""`hollama bench`: how fast a model runs on this machine, and how fast it could at most; measured without a server."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hollama.cli.arguments import add_words, at_most, describe, positive
from hollama.cli.human import human_bytes, table
from hollama.config import Settings, load_settings
from hollama.errors import StoreError, UsageError

if TYPE_CHECKING:
    from hollama.cli.measure import Load, Speed
    from hollama.interfaces import LoadedModel
    from hollama.plugins import Plugins

_HEADER = ["DEPTH", "PROMPT", "BATCH", "GENERATE", "TTFT", "PREFILL", "OF ROOF", "DECODE", "OF ROOF"]
_ROOFLINE = "emulator"  # the backend that runs on the processor, whose limits are measured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Measure how fast a model runs here: in this process, on the backend that HOLLAMA_BACKEND names.\n"
        "TTFT is the time to the first token; speeds are tokens per second over the whole batch; all are medians.\n"
        "OF ROOF is the part of what this machine's memory and multipliers, measured too, allow (the roofline).",
        "hollama bench",
        "hollama bench hollie --prompt-tokens 96,512 --batch 1,4 --json hollie.json",
        "hollama bench ./model.hef --depth 0,1900 --repeat 10 --plot roofline.svg",
    )
    add_words(parser, "MODEL", "a model, or the path of a .hef file; without one, the embedded model")
    parser.add_argument("--prompt-tokens", type=_counts, default=(96,), metavar="N,...", help="lengths of prompt [96]")
    parser.add_argument("--depth", type=_depths, default=(0,), metavar="N,...", help="tokens held before [0]")
    parser.add_argument("--generate", type=positive, default=64, metavar="N", help="tokens to generate [64]")
    parser.add_argument("--batch", type=_counts, default=(1, 4), metavar="N,...", help="prompts at once [1,4]")
    parser.add_argument("--repeat", type=positive, default=3, metavar="N", help="runs to take the median of [3]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file too; - for stdout")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the roofline: .svg, .png or .pdf")


def _depths(text: str) -> tuple[int, ...]:
    return tuple(0 if part == "0" else positive(part) for part in text.split(","))


def _counts(text: str) -> tuple[int, ...]:
    return tuple(map(positive, text.split(",")))


def run(arguments: argparse.Namespace) -> int:
    from hollama.runtime.embedded import EMBEDDED

    settings = load_settings(os.environ)
    if arguments.plot:
        from hollama.cli.plot import check_plot

        check_plot(arguments.plot)
        if settings.backend != _ROOFLINE:
            raise UsageError(f"--plot: the limits of the backend {settings.backend} are not known; only the emulator's")
    name = "".join(at_most(1, arguments.words))
    package = _package(settings, name)
    report = {"model": name or EMBEDDED, **asyncio.run(_measured(settings, package, arguments))}
    to_stdout = arguments.json and str(arguments.json) == "-"
    print("\n".join(report_lines(report)), file=sys.stderr if to_stdout else sys.stdout)
    if arguments.json:
        text = json.dumps(report, indent=2) + "\n"
        print(text, end="") if to_stdout else arguments.json.write_text(text, "utf-8")
    if arguments.plot:
        from hollama.cli.plot import plot_roofline

        plot_roofline(report, arguments.plot)
    return 0


def _package(settings: Settings, name: str) -> Path:
    """The package to measure; the embedded model is put into the store if it is asked for and missing."""
    if name.endswith(".hef"):
        return Path(name)
    from hollama.runtime.embedded import EMBEDDED, install_embedded
    from hollama.store.store import Store

    store = Store(settings.models, noprune=True)
    if name in ("", EMBEDDED):
        install_embedded(store)
    found = store.package(store.find(name or EMBEDDED))
    if found is None:
        raise StoreError(f"{name} has no package yet; run it once, or compile it with `hollama compile`")
    return found


async def _measured(settings: Settings, package: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    from hollama.cli.measure import Load, peak_memory
    from hollama.formats.package import read_info
    from hollama.plugins import load_plugins

    plugins, info = load_plugins(), read_info(package)
    _check_room(max(arguments.depth) + max(arguments.prompt_tokens) + arguments.generate, info.context)
    start = time.perf_counter()
    model = plugins.backend(settings.backend).load(package, info.context)
    loaded = time.perf_counter() - start
    talks = model.limits.generates
    sizes = product(arguments.depth if talks else (0,), arguments.prompt_tokens, arguments.batch)
    loads = [Load(prompt, batch, arguments.generate * talks, depth) for depth, prompt, batch in sizes]
    speeds, held = await _speeds(model, plugins, loads, arguments.repeat)
    peak = peak_memory()
    about = {"package": str(package), "backend": settings.backend, "architecture": info.architecture}
    memory = {"parameters": info.parameter_count, "model_bytes": held, "peak_rss_bytes": peak}
    timing = {"load_seconds": loaded, "repeat": arguments.repeat}
    runs: list[dict[str, Any]] = [{**asdict(load), **asdict(speed)} for load, speed in zip(loads, speeds, strict=True)]
    limits = _held_against_the_machine(package, loads, speeds, runs) if settings.backend == _ROOFLINE else {}
    return {**about, **memory, **timing, **limits, "runs": runs}


async def _speeds(model: LoadedModel, plugins: Plugins, loads: Sequence[Load], repeat: int) -> tuple[list[Speed], int]:
    """Of every load; and the bytes that the model held at the end."""
    from hollama.cli.measure import measure
    from hollama.engine import Engine

    samplers = [contribution.spec for contribution in plugins.samplers.values()]
    engine = Engine(model, samplers, parallel=max(load.batch for load in loads), context=model.limits.context)
    try:
        return [await measure(engine, load, model.vocab_size, repeat) for load in loads], model.memory
    finally:
        await asyncio.to_thread(engine.close)


def _held_against_the_machine(
    package: Path, loads: Sequence[Load], speeds: Sequence[Speed], runs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Measure the machine, when the model is gone; adds to each run what it asked for, and which part that was."""
    from hollama.cli.roofline import emulators_machine, reached, read_demand

    demand = read_demand(package)
    machine = emulators_machine(demand)
    for load, speed, run in zip(loads, speeds, runs, strict=True):
        for kind, found in reached(demand, load, speed, machine).items():
            run[kind] = {**asdict(found.cost), "seconds": found.seconds, "part": found.part}
    return {"machine": asdict(machine), "demand": asdict(demand)}


def _check_room(wanted: int, context: int) -> None:
    if wanted > context:
        raise UsageError(
            f"depth, prompt and answer take {wanted} tokens, the model holds {context}; "
            "lower --depth, --prompt-tokens or --generate"
        )


def report_lines(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    rows = [
        [
            f"{run['depth']}",
            f"{run['prompt_tokens']}",
            f"{run['batch']}",
            f"{run['generate']}",
            f"{run['ttft'] * 1000:.1f} ms",
            f"{run['prefill_tps']:.1f}/s",
            _part(run, "prefill"),
            f"{run['decode_tps']:.1f}/s" if run["decode_tps"] else "-",
            _part(run, "decode"),
        ]
        for run in report["runs"]
    ]
    head = f"{report['model']} on {report['backend']}: loaded in {report['load_seconds'] * 1000:.0f} ms"
    peak = f"model {human_bytes(report['model_bytes'])}, process at most {human_bytes(report['peak_rss_bytes'])}"
    last = [f"memory: {peak}; medians of {report['repeat']} runs"]
    return [head, "", *table([_HEADER, *rows]), "", *_limits(report), *last]


def _part(run: dict[str, Any], kind: str) -> str:
    return f"{run[kind]['part']:.0%}" if kind in run else "-"


def _limits(report: dict[str, Any]) -> list[str]:
    if "machine" not in report:
        return []
    machine, demand = report["machine"], report["demand"]
    speed = f"{human_bytes(int(machine['bandwidth']))}/s and {machine['peak'] / 1e9:.0f} Gop/s"
    a_token = f"{human_bytes(demand['weight_bytes'])} and {(demand['layers'] + demand['logits']) / 1e6:.4g} Mop"
    return [f"machine: {speed} ({machine['kernels']}, {machine['threads']} threads); a token needs {a_token}"]
