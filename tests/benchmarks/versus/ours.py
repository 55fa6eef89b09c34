"""One measurement of hollama's engine in a process of its own, so that its memory is its own too; prints JSON.

python ours.py PACKAGE --prompt N --generate N [--batch N] [--repeat N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
from dataclasses import asdict
from pathlib import Path

from hollama.cli.measure import Load, measure
from hollama.config import load_settings
from hollama.engine import Engine
from hollama.formats.package import read_info
from hollama.plugins import load_plugins


async def speed(package: Path, load: Load, context: int, repeat: int) -> dict[str, float]:
    plugins, info = load_plugins(), read_info(package)
    model = plugins.backend(load_settings(os.environ).backend).load(package, context)
    samplers = [contribution.spec for contribution in plugins.samplers.values()]
    engine = Engine(model, samplers, parallel=load.batch, context=context)
    try:
        return asdict(await measure(engine, load, info.vocab_size, repeat))
    finally:
        await asyncio.to_thread(engine.close)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("--prompt", type=int, required=True)
    parser.add_argument("--generate", type=int, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    load = Load(options.prompt, options.batch, options.generate)
    result = asyncio.run(speed(options.package, load, options.context, options.repeat))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({**result, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
