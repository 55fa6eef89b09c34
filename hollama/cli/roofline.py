"""What a model asks of a machine, and how fast the machine could give it at most: the roofline. Measures nothing.

A step can be no faster than its bytes come from memory, nor than its operations are done. Both are counted from below:
weights are read once, keys and values once, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hollama.cli.measure import Load, Speed
from hollama.errors import BackendError
from hollama.formats.hef import GRAPH, WEIGHTS, Hef
from hollama.formats.package import resource
from hollama.formats.safetensors import SafetensorsFile
from hollama.ir.graph import Graph
from hollama.kernels import native
from hollama.kernels.machine import NUMPY, Machine, measure_machine


@dataclass(frozen=True)
class Cost:
    """Of a piece of work; a multiplication and an addition are two operations."""

    bytes: int
    operations: int

    def seconds(self, machine: Machine) -> float:
        """The least that it can take."""
        return max(self.bytes / machine.bandwidth, self.operations / machine.peak)

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / self.bytes


@dataclass(frozen=True)
class Demand:
    """Of a model: bytes of all weights and of the KV cache a token; operations a token but for the last layer, of the
    last layer, and of attention for each token it sees."""

    weight_bytes: int
    cache_bytes: int
    layers: int
    logits: int
    attention: int

    def decode(self, held: int, batch: int) -> Cost:
        """One token for each of `batch` contexts that hold `held` tokens."""
        operations = self.layers + self.logits + self.attention * (held + 1)
        return Cost(self.weight_bytes + batch * self.cache_bytes * held, batch * operations)

    def prefill(self, held: int, tokens: int, batch: int) -> Cost:
        """`tokens` more for each of `batch` contexts that hold `held`; only the last of them meets the last layer."""
        seen = tokens * held + tokens * (tokens + 1) // 2
        operations = tokens * self.layers + self.logits + self.attention * seen
        return Cost(self.weight_bytes + batch * self.cache_bytes * held, batch * operations)


@dataclass(frozen=True)
class Reached:
    """A measured piece of work: how long it took (seconds), and which part of the machine's most that is."""

    cost: Cost
    seconds: float
    part: float


def read_demand(package: Path) -> Demand:
    """Raises HefError, GraphError or SafetensorsError."""
    with Hef.open(package) as hef:
        graph = Graph.from_json(bytes(resource(hef, GRAPH)))
        weights = SafetensorsFile.from_buffer(resource(hef, WEIGHTS))
        held = sum(info.stop - info.start for info in weights.infos.values())
    widths = {node.name: node.width for node in graph.nodes}
    linears = {node.name: 2 * node.width * widths[node.inputs[0]] for node in graph.linears()}
    logits = linears.pop(graph.output.name, 0)
    heads = sum(node.heads for node in graph.nodes if node.op == "attention")
    cache = 2 * graph.caches * graph.kv_heads * graph.head_dim
    return Demand(held, cache, sum(linears.values()), logits, 4 * heads * graph.head_dim)


def reached(demand: Demand, load: Load, speed: Speed, machine: Machine) -> dict[str, Reached]:
    """Of prefill, and of decode where a token was decoded."""
    before = load.depth + load.prompt_tokens
    prefill = demand.prefill(load.depth, load.prompt_tokens, load.batch)
    found = {"prefill": _reached(prefill, load.prompt_tokens * load.batch / speed.prefill_tps, machine)}
    if speed.decode_tps:
        decode = demand.decode(before + load.generate // 2, load.batch)
        found["decode"] = _reached(decode, load.batch / speed.decode_tps, machine)
    return found


def _reached(cost: Cost, seconds: float, machine: Machine) -> Reached:
    return Reached(cost, seconds, cost.seconds(machine) / seconds)


def emulators_machine(demand: Demand, environment: Mapping[str, str] = os.environ) -> Machine:
    """Measure what the emulator uses: its kernels and threads, and memory as large as the weights.

    Raises BackendError for kernels that this machine cannot run.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = environment.get("HOLLAMA_THREADS", "").strip()
    kernels = environment.get("HOLLAMA_KERNELS", "").strip() or _best_kernels()
    return measure_machine(kernels, int(threads) if threads.isdecimal() else cores, demand.weight_bytes)


def _best_kernels() -> str:
    try:
        return native.sets()[0]
    except BackendError:
        return NUMPY
