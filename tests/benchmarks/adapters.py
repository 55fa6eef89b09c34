"""What adapters cost: bytes beside their base, and time to change from one to another between two tokens.

    python tests/benchmarks/adapters.py CHECKPOINT [--adapters 3] [--rank 16] [--steps 60]

CHECKPOINT is a Hugging Face folder or a GGUF file. It is compiled, and adapters of random numbers for all of its layers
are added. Then each adapter decodes a context of its own, token by token: first each by itself, then in turn, so that
every step has another adapter than the one before. What a step in turn takes longer is what changing costs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from hollama.cli.human import human_bytes
from hollama.compiler import CompileSettings, read_adapter
from hollama.compiler.float_weights import rows_of
from hollama.compiler.package import compile_package
from hollama.compiler.pipeline import open_checkpoint
from hollama.config import load_settings
from hollama.formats.safetensors import write_safetensors
from hollama.interfaces import LoadedModel, Session, Work
from hollama.plugins import load_plugins

_CONTEXT = 512
_BEFORE = 16  # tokens of each context


def random_adapter(source: Path, folder: Path, rank: int, seed: int) -> Path:
    """A PEFT folder with a change of every linear layer but the head."""
    checkpoint = open_checkpoint(source)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    chance = np.random.default_rng(seed)
    tensors = {}
    for node in graph.linears():
        if node is graph.output:
            continue
        parts = sources[node.weight].parts
        inputs = graph.by_name[node.inputs[0]].width
        for part, rows in zip(parts, rows_of(checkpoint, node.width, parts), strict=True):
            tensors[f"base_model.model.{part}.lora_A.weight"] = 0.02 * chance.standard_normal(
                (rank, inputs), np.float32
            )
            tensors[f"base_model.model.{part}.lora_B.weight"] = 0.02 * chance.standard_normal((rows, rank), np.float32)
    folder.mkdir()
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank}))
    return folder


def milliseconds(model: LoadedModel, sessions: list[Session]) -> float:
    """Of a step, in the middle: one token for each session in turn."""
    times = []
    for session in sessions:
        began = time.perf_counter()
        model.step([Work(session, [1])])
        times.append(1e3 * (time.perf_counter() - began))
    return median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--adapters", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60, help="of each adapter")
    options = parser.parse_args()
    plugins = load_plugins()
    specs = [entry.spec for entry in plugins.adapters.values()]
    settings = CompileSettings(context=_CONTEXT, rotates=False, gptq=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compile_package(options.checkpoint, folder / "alone.hef", settings, lambda *_: None)
        adapters = tuple(
            read_adapter(f"a{n}", random_adapter(options.checkpoint, folder / f"a{n}", options.rank, n), specs)
            for n in range(options.adapters)
        )
        settings = replace(settings, adapters=adapters)
        compile_package(folder / "alone.hef", folder / "adapted.hef", settings, lambda *_: None)
        alone, adapted = ((folder / f"{kind}.hef").stat().st_size for kind in ("alone", "adapted"))
        model = plugins.backend(load_settings(os.environ).backend).load(folder / "adapted.hef", _CONTEXT)
        sessions = [model.open(adapter.name) for adapter in adapters]
        for session in sessions:
            model.step([Work(session, [1] * _BEFORE)])
        apart = median(milliseconds(model, [session] * options.steps) for session in sessions)
        in_turn = milliseconds(model, sessions * options.steps)
        model.close()
    each = (adapted - alone) / options.adapters
    print(f"base {human_bytes(alone)}; an adapter of rank {options.rank} {human_bytes(each)}, {each / alone:.1%} of it")
    print(f"a decode step {apart:.2f} ms, with another adapter than the step before {in_turn:.2f} ms", end="; ")
    print(f"changing costs {(in_turn - apart) / apart:.1%} of a step")


if __name__ == "__main__":
    main()
