"""`hollama bench`: how fast a model runs on this machine, measured without a server."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hollama.cli.arguments import add_words, at_most, describe, positive
from hollama.cli.human import human_bytes, table
from hollama.config import Settings, load_settings
from hollama.errors import StoreError, UsageError

if TYPE_CHECKING:
    from hollama.cli.measure import Load, Speed

_HEADER = ["PROMPT", "BATCH", "GENERATE", "TTFT", "PREFILL", "DECODE"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Measure how fast a model runs here: in this process, on the backend that HOLLAMA_BACKEND names.\n"
        "TTFT is the time to the first token; speeds are tokens per second over the whole batch; all are medians.",
        "hollama bench",
        "hollama bench hollie --prompt-tokens 96,512 --batch 1,4 --json hollie.json",
        "hollama bench ./model.hef --repeat 10",
    )
    add_words(parser, "MODEL", "a model, or the path of a .hef file; without one, the embedded model")
    parser.add_argument("--prompt-tokens", type=_counts, default=(96,), metavar="N,...", help="lengths of prompt [96]")
    parser.add_argument("--generate", type=positive, default=64, metavar="N", help="tokens to generate [64]")
    parser.add_argument("--batch", type=_counts, default=(1, 4), metavar="N,...", help="prompts at once [1,4]")
    parser.add_argument("--repeat", type=positive, default=3, metavar="N", help="runs to take the median of [3]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file too; - for stdout")


def _counts(text: str) -> tuple[int, ...]:
    return tuple(map(positive, text.split(",")))


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(os.environ)
    package = _package(settings, "".join(at_most(1, arguments.words)))
    report = asyncio.run(_measured(settings, package, arguments))
    to_stdout = arguments.json and str(arguments.json) == "-"
    print("\n".join(report_lines(report)), file=sys.stderr if to_stdout else sys.stdout)
    if arguments.json:
        text = json.dumps(report, indent=2) + "\n"
        print(text, end="") if to_stdout else arguments.json.write_text(text, "utf-8")
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
    from hollama.cli.measure import Load, measure
    from hollama.engine import Engine
    from hollama.formats.package import read_info
    from hollama.plugins import load_plugins

    plugins, info = load_plugins(), read_info(package)
    _check_room(max(arguments.prompt_tokens) + arguments.generate, info.context)
    start = time.perf_counter()
    model = plugins.backend(settings.backend).load(package, info.context)
    loaded = time.perf_counter() - start
    samplers = [contribution.spec for contribution in plugins.samplers.values()]
    engine = Engine(model, samplers, parallel=max(arguments.batch), context=info.context)
    try:
        loads = [Load(n, batch, arguments.generate) for n in arguments.prompt_tokens for batch in arguments.batch]
        rows = [_row(load, await measure(engine, load, info.vocab_size, arguments.repeat)) for load in loads]
        held = model.memory
    finally:
        await asyncio.to_thread(engine.close)
    about = {"package": str(package), "backend": settings.backend, "architecture": info.architecture}
    sizes = {"parameters": info.parameter_count, "model_bytes": held, "peak_rss_bytes": peak_memory()}
    return {**about, **sizes, "load_seconds": loaded, "repeat": arguments.repeat, "runs": rows}


def _row(load: Load, speed: Speed) -> dict[str, float]:
    return {**asdict(load), **asdict(speed)}


def _check_room(wanted: int, context: int) -> None:
    if wanted > context:
        raise UsageError(
            f"prompt and answer take {wanted} tokens, the model holds {context}; lower --prompt-tokens or --generate"
        )


def peak_memory() -> int:
    """The most bytes that this process ever held in memory; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def report_lines(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    rows = [
        [
            f"{run['prompt_tokens']}",
            f"{run['batch']}",
            f"{run['generate']}",
            f"{run['ttft'] * 1000:.1f} ms",
            f"{run['prefill_tps']:.1f}/s",
            f"{run['decode_tps']:.1f}/s" if run["decode_tps"] else "-",
        ]
        for run in report["runs"]
    ]
    head = f"{report['package']} on {report['backend']}: loaded in {report['load_seconds'] * 1000:.0f} ms"
    peak = f"model {human_bytes(report['model_bytes'])}, process at most {human_bytes(report['peak_rss_bytes'])}"
    return [head, "", *table([_HEADER, *rows]), "", f"memory: {peak}; medians of {report['repeat']} runs"]
