"""Small random models in memory: a graph and its quantised weights, for tests that need many of them and no file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hollama.ir.graph import Graph
from hollama.ir.quantised import QuantisedPair, QuantisedWeights
from hollama.kernels import golden
from hollama.kernels.golden import PackedLinear, Quantisation
from hollama.models.decoder import DecoderShape
from hollama.models.table import ARCHITECTURES

f32 = np.float32
_ARCHITECTURES = ("llama", "gpt2", "bert", "nomic-bert")


def random_shape(rng: np.random.Generator, **changes: object) -> DecoderShape:
    kv_heads = int(rng.integers(1, 4))
    sizes: dict[str, Any] = {
        "vocab": int(rng.integers(5, 70)),
        "hidden": int(rng.choice([4, 36, 64, 130])),
        "intermediate": int(rng.choice([1, 64, 100, 1100])),
        "layers": int(rng.integers(1, 3)),
        "heads": kv_heads * int(rng.integers(1, 4)),
        "kv_heads": kv_heads,
        "head_dim": int(rng.choice([4, 8, 20, 32, 64])),
        "eps": 1e-6,
        "context": 200,
        "tied": True,
        "qkv_bias": bool(rng.integers(2)),
        "output_bias": bool(rng.integers(2)),
        "mlp_bias": bool(rng.integers(2)),
        "qk_norm": bool(rng.integers(2)),
    }
    sizes |= changes
    size = sizes["head_dim"]
    theta = (10000.0 ** (-np.arange(0, size, 2) / size)).astype(f32)
    return DecoderShape(**sizes, theta=theta)


def random_linear(rng: np.random.Generator, inputs: int, outputs: int, bias: bool) -> PackedLinear:
    """Weights that keep the magnitude of their inputs."""
    more = rng.standard_normal(outputs, f32) if bias else None
    if rng.integers(4) == 0:
        w = rng.integers(-127, 128, (outputs, inputs), np.int8)
        return golden.pack_bytes(w, (rng.uniform(0.5, 1.5, outputs) / (75 * np.sqrt(inputs))).astype(f32), more)
    group = int(rng.choice([0, 32, 64, 128]))
    w = rng.integers(-7, 8, (outputs, inputs)).astype(np.int8)
    scales = rng.integers(1, 19, (outputs, -(-inputs // group) if group else 1)).astype(np.uint8)
    row_scale = (rng.uniform(0.5, 1.5, outputs) / (40 * np.sqrt(inputs))).astype(f32)
    return golden.pack(w, scales, group, row_scale, more)


def random_weights(rng: np.random.Generator, graph: Graph, theta: golden.F32) -> QuantisedWeights:
    widths = {node.name: node.width for node in graph.nodes}
    linears, norms, ranges = {}, {}, {}
    for node in graph.nodes:
        if node.op == "embed":
            table = rng.integers(0, 1 << 16, (graph.output.width, node.width)).astype(np.uint16)
            ranges[node.name] = Quantisation(5e-5, int(rng.integers(30000, 36000)), 16)
        elif node.op in ("rms_norm", "layer_norm"):
            norms[node.weight] = (1 + 0.1 * rng.standard_normal(node.width // node.heads)).astype(f32)
            if node.bias:
                norms[f"{node.weight}.bias"] = 0.1 * rng.standard_normal(node.width, f32)
        elif node.op == "position":
            norms[node.weight] = 0.5 * rng.standard_normal((200, node.width), f32)
        elif node.op == "linear":
            linears[node.weight] = random_linear(rng, widths[node.inputs[0]], node.width, node.bias)
            ranges[node.inputs[0]] = random_range(rng, int(rng.choice([8, 8, 16])))
        elif node.op == "attention":
            ranges |= {name: random_range(rng, 8) for name in node.inputs[1:]}
            ranges[node.inputs[0]] = Quantisation(1.5e-4, 32768, 16)
    return QuantisedWeights(table, linears, norms, ranges, theta)


def random_adapter(rng: np.random.Generator, graph: Graph) -> dict[str, QuantisedPair]:
    """Pairs beside some of the linear layers, of ranks that do and do not fill panels and blocks."""
    widths = {node.name: node.width for node in graph.nodes}
    pairs = {}
    for node in graph.linears():
        if rng.integers(3):
            rank = int(rng.choice([1, 16, 48, 70, 130]))
            down = random_linear(rng, widths[node.inputs[0]], rank, False)
            up = random_linear(rng, rank, node.width, False)
            pairs[node.name] = QuantisedPair(down, up, random_range(rng, 8))
    return pairs


def with_adapters(seed: int, graph: Graph, weights: QuantisedWeights, count: int) -> QuantisedWeights:
    rng = np.random.default_rng(seed)
    return replace(weights, adapters={f"a{number}": random_adapter(rng, graph) for number in range(count)})


def random_range(rng: np.random.Generator, bits: int) -> Quantisation:
    """Real values of magnitude one fill it, and some leave it."""
    zero = int(rng.integers(90, 160)) << (bits - 8)
    return Quantisation(float(f32(rng.uniform(0.01, 0.04) / (1 << (bits - 8)))), zero, bits)


def random_model(seed: int, architecture: str | None = None, **changes: object) -> tuple[Graph, QuantisedWeights]:
    rng = np.random.default_rng(seed)
    shape = random_shape(rng, **changes)
    graph, _ = ARCHITECTURES[architecture or rng.choice(_ARCHITECTURES)].build(shape)
    return graph, random_weights(rng, graph, shape.signed_theta)
