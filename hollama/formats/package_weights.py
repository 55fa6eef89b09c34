"""The model inside a HEF package of ours: graph, ranges and quantised weights. Knows no device and no tokenizer.

    hollama-graph.json            the graph (`hollama.ir.graph`), "ranges": {value: [scale, zero point, bits]} and
                                  "sources": {linear layer: [[the checkpoint's name of a part, its outputs], ...]},
                                  "turned": the seed by which its bases were turned, or null
    hollama-weights.safetensors   linear layers as NAME.packed and NAME.group_scale (U8), NAME.row_scale and NAME.bias
                                  (F32), as `hollama.kernels.packing.PackedLinear` describes them, without
                                  NAME.group_scale where weights have 8 bits; norms, their biases
                                  and the rows of positions as NAME (F32). Nothing is copied at load: the kernels read
                                  the file as it is mapped
    embeddings.bin                uint16 (vocabulary, hidden), as Hailo's; its range is that of the embed node
    rope_theta_data.bin           float32 (head_dim,), the first half negative, as Hailo's

Both network groups, `prefill` and `tbt`, run this graph and share all of it; so do those of adapters (see
`package_adapters`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.errors import HefError
from hollama.formats.files import Content
from hollama.formats.hef import EMBEDDINGS, GRAPH, ROPE_THETA, WEIGHTS
from hollama.formats.hef_groups import Cache, NetworkGroup, Tensor
from hollama.formats.package import BASE, Package, resource
from hollama.formats.safetensors import SafetensorsFile, safetensors_chunks
from hollama.ir.graph import Graph, Node
from hollama.ir.quantised import QuantisedWeights
from hollama.kernels.golden import HEAD_MAX, INPUTS_MAX, PackedLinear, Quantisation

F32 = NDArray[np.float32]
_GAIN = ".gain"
_LARGEST_GRAPH = 64 << 20
_QUERY_ZERO = 1 << 15


def read_model(hef: Package) -> tuple[Graph, QuantisedWeights]:
    """Map the model of a package; arrays stay in the file. Raises HefError, GraphError or SafetensorsError.

    Shapes and ranges are checked here, the packed weights by whoever reads them all anyway: they are most of the file.
    """
    data = resource(hef, GRAPH)
    if len(data) > _LARGEST_GRAPH:
        raise HefError(f"{GRAPH} has {len(data)} bytes; more than {_LARGEST_GRAPH} cannot be right")
    graph = Graph.from_json(bytes(data))
    if graph.head_dim % 4 or graph.head_dim > HEAD_MAX:
        raise HefError(f"{GRAPH}: heads of {graph.head_dim}; expected a multiple of 4, at most {HEAD_MAX}")
    ranges = _read_ranges(json.loads(bytes(data)))
    stored = SafetensorsFile.from_buffer(resource(hef, WEIGHTS))
    widths = {node.name: node.width for node in graph.nodes}
    linears = {
        node.weight: read_linear(stored, node.weight, widths[node.inputs[0]], node.width, node.bias)
        for node in graph.linears()
    }
    norms = {name: _read_unquantised(stored, name, node) for name, node in graph.unquantised().items()}
    embed = _embed_node(graph)
    table = _values(hef, EMBEDDINGS, "<u2")
    rows = graph.output.width if graph.generates else max(1, table.size // embed.width)
    if table.size != rows * embed.width:
        raise HefError(f"{EMBEDDINGS} has {table.size} values, expected {rows} rows of {embed.width}")
    theta = _values(hef, ROPE_THETA, "<f4")
    if theta.shape != (graph.head_dim,) or not np.isfinite(theta).all():
        raise HefError(f"{ROPE_THETA} has {theta.size} values, expected {graph.head_dim} finite ones")
    _check_ranges(graph, embed, ranges)
    return graph, QuantisedWeights(table.reshape(-1, embed.width), linears, norms, ranges, theta)


def _values(hef: Package, name: str, dtype: str) -> NDArray[Any]:
    """A resource that is nothing but numbers."""
    data = resource(hef, name)
    if len(data) % np.dtype(dtype).itemsize:
        raise HefError(f"{name} ends within a number, at {len(data)} bytes; compile the model again")
    return np.frombuffer(data, dtype)


@dataclass(frozen=True)
class Origin:
    """How the linear layers came from a checkpoint's weights, for adapters that were made for those.

    `sources` says which weights make each layer, and how many outputs they have; `rotation` is the seed by which the
    bases were turned, None if they were not, and `gains` those of the norms that then went into the layers, and the
    scales of gated units, by which their channels were sorted too, by their names.
    """

    sources: Mapping[str, Sequence[tuple[str, int]]]
    rotation: int | None = None
    gains: Mapping[str, F32] = field(default_factory=dict)


def read_origin(hef: Package, graph: Graph) -> Origin:
    """Raises HefError, for older packages too; SafetensorsError."""
    plain = json.loads(bytes(resource(hef, GRAPH)))
    keys = ("sources", "turned", "rotation")  # the last one of older packages, whose channels were not sorted
    sources, seed, older = (plain.get(key) if isinstance(plain, dict) else None for key in keys)
    seeded = older is None and (seed is None or (type(seed) is int and 0 <= seed < 1 << 64))
    if not isinstance(sources, dict) or not all(_is_source(parts) for parts in sources.values()) or not seeded:
        raise HefError("the package does not say which weights it was made of; compile the model again")
    stored = SafetensorsFile.from_buffer(resource(hef, WEIGHTS))
    gains = {}
    for node in graph.nodes:
        name = node.name if node.op == "gated" else node.weight
        if node.op in ("rms_norm", "gated") and f"{name}{_GAIN}" in stored.names:
            gains[name] = read_array(stored, f"{name}{_GAIN}", "F32", (node.width // node.heads,))
    return Origin({name: [(part, count) for part, count in parts] for name, parts in sources.items()}, seed, gains)


def _is_source(parts: object) -> bool:
    return isinstance(parts, list) and all(
        isinstance(part, list) and len(part) == 2 and isinstance(part[0], str) and type(part[1]) is int and part[1] > 0
        for part in parts
    )


def model_resources(graph: Graph, weights: QuantisedWeights, origin: Origin) -> dict[str, Content]:
    """The resources of a package that `read_model` reads back, adapters aside."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, linear in weights.linears.items():
        arrays |= linear_arrays(name, linear)
    arrays |= weights.norms
    arrays |= {f"{name}{_GAIN}": gain for name, gain in origin.gains.items()}
    described = json.loads(graph.to_json())
    described |= {"sources": origin.sources, "turned": origin.rotation}
    described["ranges"] = {name: [of.scale, of.zero_point, of.bits] for name, of in weights.ranges.items()}
    return {
        EMBEDDINGS: weights.table.astype("<u2", copy=False).reshape(-1).view(np.uint8).data,
        ROPE_THETA: weights.theta.astype("<f4").tobytes(),
        GRAPH: json.dumps(described, separators=(",", ":")).encode(),
        WEIGHTS: list(safetensors_chunks(arrays)),  # views: the weights are in memory once
    }


def linear_arrays(name: str, linear: PackedLinear) -> dict[str, NDArray[np.generic]]:
    """The arrays that `read_linear` reads back."""
    arrays: dict[str, NDArray[np.generic]] = {f"{name}.packed": linear.packed}
    arrays |= {f"{name}.group_scale": linear.group_scale} if linear.bits == 4 else {}
    arrays[f"{name}.row_scale"] = linear.row_scale
    if linear.bias is not None:
        arrays[f"{name}.bias"] = linear.bias
    return arrays


def network_groups(
    graph: Graph, ranges: Mapping[str, Quantisation], context: int, chunk: int, adapters: Sequence[str] = ()
) -> tuple[NetworkGroup, ...]:
    """The edges of both groups: prefill runs `chunk` rows, tbt one. With adapters a pair of groups for each.

    An encoder has no tbt.
    """
    kinds = [("prefill", chunk), ("tbt", 1)][: 2 if graph.generates else 1]
    prefixes = [f"{name}__" for name in (BASE, *adapters)] if adapters else [""]
    return tuple(_group(f"{prefix}{kind}", graph, ranges, context, rows) for prefix in prefixes for kind, rows in kinds)


def _group(name: str, graph: Graph, ranges: Mapping[str, Quantisation], context: int, rows: int) -> NetworkGroup:
    embed = _embed_node(graph)
    table = ranges[embed.name]
    attention = [node for node in graph.nodes if node.op == "attention"]
    heads = attention[0].heads
    inputs = [Tensor(f"{name}/input_layer1", (1, rows, embed.width), "uint16", table.scale, table.zero_point)]
    inputs.append(Tensor(f"{name}/input_layer2", (1, rows, context * heads), "uint8"))
    for index, count in ((3, heads), (4, heads), (5, graph.kv_heads), (6, graph.kv_heads)):
        inputs.append(Tensor(f"{name}/input_layer{index}", (1, rows, count * graph.head_dim), "auto"))
    output = Tensor(f"{name}/output_layer1", (1, 1 if graph.generates else rows, graph.output.width), "auto")
    width = graph.kv_heads * graph.head_dim
    caches = []
    for node in attention:
        for cache_id, value in ((2 * node.cache, node.inputs[1]), (2 * node.cache + 1, node.inputs[2])):
            of, label = ranges[value], f"{name}/cache{cache_id}"
            caches.append(
                Cache(
                    cache_id,
                    Tensor(f"{label}_read", (1, context, width), "uint8", of.scale, of.zero_point),
                    Tensor(f"{label}_write", (1, rows, width), "uint8", of.scale, of.zero_point),
                )
            )
    return NetworkGroup(name, tuple(inputs), (output,), tuple(caches))


def _embed_node(graph: Graph) -> Node:
    found = [node for node in graph.nodes if node.op == "embed"]
    if len(found) != 1:
        raise HefError(f"the graph has {len(found)} embedding tables, expected one")
    return found[0]


def _read_ranges(plain: object) -> dict[str, Quantisation]:
    entries = plain.get("ranges") if isinstance(plain, dict) else None
    if not isinstance(entries, dict):
        raise HefError(f'{GRAPH} has no "ranges"')
    return {name: _read_range(name, entry) for name, entry in entries.items()}


def _read_range(name: str, entry: object) -> Quantisation:
    if isinstance(entry, list) and len(entry) == 3:
        scale, zero_point, bits = entry
        sound = isinstance(scale, float | int) and math.isfinite(scale) and 1e-37 < scale < 1e37
        if sound and bits in (8, 16) and isinstance(zero_point, int) and 0 <= zero_point < 1 << bits:
            return Quantisation(float(scale), zero_point, bits)
    raise HefError(f'{GRAPH}: the range of "{name:.50}" is {entry!r:.60}, expected [scale, zero point, 8 or 16]')


def _check_ranges(graph: Graph, embed: Node, ranges: Mapping[str, Quantisation]) -> None:
    needed = {embed.name: (16,)} | {node.inputs[0]: (8, 16) for node in graph.linears()}
    for node in graph.nodes:
        if node.op == "attention":
            query, key, value = node.inputs
            needed |= {query: (16,), key: (8,), value: (8,)}
    for name, bits in needed.items():
        if name not in ranges or ranges[name].bits not in bits:
            raise HefError(f'{GRAPH}: "{name}" needs a range of {" or ".join(map(str, bits))} bits')
    for node in graph.nodes:
        if node.op == "attention" and ranges[node.inputs[0]].zero_point != _QUERY_ZERO:
            raise HefError(f'{GRAPH}: the queries "{node.inputs[0]}" need the zero point {_QUERY_ZERO}')


def read_linear(stored: SafetensorsFile, name: str, inputs: int, outputs: int, has_bias: bool) -> PackedLinear:
    """A layer of these sizes. Raises HefError, SafetensorsError."""
    if inputs > INPUTS_MAX:
        raise HefError(f'"{name}" has {inputs} inputs; the accumulators hold at most {INPUTS_MAX}')
    grouped = f"{name}.group_scale"
    scales = (2 if stored.info(grouped).shape[2:3] == (2,) else 1) if grouped in stored.names else 0
    shapes = PackedLinear.shapes(inputs, outputs, scales)
    packed = read_array(stored, f"{name}.packed", "U8", shapes["packed"])
    no_scales = np.zeros(shapes["group_scale"], np.uint8)
    group_scale = read_array(stored, grouped, "U8", shapes["group_scale"]) if scales else no_scales
    row_scale = read_array(stored, f"{name}.row_scale", "F32", shapes["row_scale"])
    bias = read_array(stored, f"{name}.bias", "F32", shapes["bias"]) if has_bias else None
    if not np.isfinite(row_scale).all() or (bias is not None and not np.isfinite(bias).all()):
        raise HefError(f'"{name}": a scale or bias is not finite')
    return PackedLinear(inputs, outputs, packed, group_scale, row_scale, bias)


def _read_unquantised(stored: SafetensorsFile, name: str, node: Node) -> F32:
    rows = stored.info(name).shape[:1] if node.op == "position" else ()
    values: F32 = read_array(stored, name, "F32", (*rows, node.width // node.heads))
    if not np.isfinite(values).all():
        raise HefError(f'"{name}": a weight is not finite')
    return values


def read_array(stored: SafetensorsFile, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """A view of a tensor of this dtype and shape. Raises HefError, SafetensorsError."""
    info = stored.info(name)
    if info.dtype != dtype or tuple(info.shape) != shape:
        raise HefError(f'"{name}" is {info.dtype} {tuple(info.shape)}, the graph needs {dtype} {shape}')
    array = stored.array(name)
    if not array.flags.aligned:
        raise HefError(f'"{name}" starts in the middle of a number; compile the model again')
    return array
