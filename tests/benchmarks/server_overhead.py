"""What the server adds to the engine's time per token: streams through HTTP against the same jobs without a server.

    python tests/benchmarks/server_overhead.py model.hef [--streams 8] [--generate 64] [--rounds 5]

Both run in processes of their own, one after the other in every round; the client of the streams does nothing but read.
Tokens count while all streams decode.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from versus import ours
from versus.machine import measured
from versus.models import fill_store
from versus.servers import Server, our_server
from versus.weights import words

from hollama.cli.measure import speed_of

_PROMPT = 12  # words


async def through_http(server: Server, streams: int, generate: int) -> float:
    """Seconds a step: the time in which every stream gets one token."""
    bodies = [server.body(words(_PROMPT, seed=time.time_ns() % 2**32 + n), generate) for n in range(streams)]
    times = await asyncio.gather(*(_line_times(server, json.dumps(body).encode()) for body in bodies))
    return streams / speed_of(0.0, times, 1).decode_tps


async def _line_times(server: Server, body: bytes) -> list[float]:
    """When each line with a token came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST {server.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    times: list[float] = []
    async for line in reader:
        if b'"done":false' in line:
            times.append(time.perf_counter())
    writer.close()
    if len(times) < 2:
        raise RuntimeError("the server sent no tokens")
    return times


def alone(package: Path, streams: int, generate: int) -> float:
    """The same of the engine alone."""
    sizes = ["--prompt", str(3 * _PROMPT), "--generate", str(generate), "--batch", str(streams)]
    command = [sys.executable, ours.__file__, str(package), *sizes]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return streams / float(json.loads(done.stdout)["decode_tps"])


def served(store: Path, streams: int, generate: int) -> float:
    with our_server(store, frozenset(os.sched_getaffinity(0)), streams) as server:
        asyncio.run(through_http(server, streams, 8))  # loads the model
        return asyncio.run(through_http(server, streams, generate))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=60.0, metavar="S", help="seconds to wait for a quiet machine")
    options = parser.parse_args()
    sizes = (options.streams, options.generate)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        store, package = Path(folder) / "store", options.package.resolve()
        fill_store(store, package)
        for _ in range(options.rounds):
            http = measured(lambda: served(store, *sizes), options.patience)
            engine = measured(lambda: alone(package, *sizes), options.patience)
            ratios.append(http.value / engine.value)
            others = f"others used {http.others:.2f} and {engine.others:.2f} cores"
            steps = f"{http.value * 1e3:.2f} ms a step through HTTP, {engine.value * 1e3:.2f} ms alone"
            print(f"{steps}; {others}", flush=True)
    print(f"the server adds {median(ratios) - 1:.1%} with {options.streams} streams (median of {len(ratios)})")


if __name__ == "__main__":
    main()
