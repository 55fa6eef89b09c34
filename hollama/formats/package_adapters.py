"""Adapters inside a HEF package of ours: low-rank changes of its linear layers, which share everything else.

    hollama-adapter-<name>.safetensors    by linear node of the graph: NODE.down and NODE.up, each as a linear layer in
                                          `package_weights` without bias, and NODE.between, F32 (scale, zero point).
                                          The rank is a multiple of 16: weights of 0 fill it up

Knows no file format of adapters and nothing of how their ranges are found.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hollama.errors import HefError
from hollama.formats.package import Package, adapter_names, resource
from hollama.formats.package_weights import linear_arrays, read_array, read_linear
from hollama.formats.safetensors import SafetensorsFile, safetensors_chunks
from hollama.ir.graph import Graph
from hollama.ir.quantised import QuantisedPair
from hollama.kernels.golden import PANEL, Quantisation

Pairs = Mapping[str, QuantisedPair]  # by linear node

_BETWEEN = ".between"
_HIGHEST_RANK = 1 << 14


def adapter_resource(name: str, pairs: Pairs) -> tuple[str, bytes]:
    """The resource that `read_adapters` reads back: its name and content."""
    arrays = {name: array for node, pair in pairs.items() for name, array in _arrays(node, pair).items()}
    return _resource(name), b"".join(safetensors_chunks(arrays))


def read_adapters(hef: Package, graph: Graph) -> dict[str, Pairs]:
    """Map the adapters of a package, by name. Raises HefError, SafetensorsError."""
    return {name: _read_adapter(hef, graph, name) for name in adapter_names(hef)}


def _resource(name: str) -> str:
    return f"hollama-adapter-{name}.safetensors"


def _arrays(node: str, pair: QuantisedPair) -> dict[str, NDArray[np.generic]]:
    between = np.array([pair.between.scale, pair.between.zero_point], np.float32)
    layers = linear_arrays(f"{node}.down", pair.down) | linear_arrays(f"{node}.up", pair.up)
    return {**layers, f"{node}{_BETWEEN}": between}


def _read_adapter(hef: Package, graph: Graph, name: str) -> Pairs:
    stored = SafetensorsFile.from_buffer(resource(hef, _resource(name)))
    inputs = {node.name: graph.by_name[node.inputs[0]].width for node in graph.linears()}
    changed = [tensor.removesuffix(_BETWEEN) for tensor in stored.names if tensor.endswith(_BETWEEN)]
    for node in changed:
        if node not in inputs:
            raise HefError(f'adapter "{name}" changes the layer "{node:.50}", which the graph does not have')
    pairs = {node: _read_pair(stored, node, inputs[node], graph.by_name[node].width) for node in changed}
    unread = {*stored.names} - {name for node, pair in pairs.items() for name in _arrays(node, pair)}
    if unread or not pairs:
        raise HefError(f'adapter "{name}" changes {len(pairs)} layers, and has {len(unread)} tensors beside them')
    return pairs


def _read_pair(stored: SafetensorsFile, node: str, inputs: int, outputs: int) -> QuantisedPair:
    shape = stored.info(f"{node}.down.row_scale").shape
    rank = shape[0] if len(shape) == 1 else 0
    if not 0 < rank <= _HIGHEST_RANK or rank % PANEL:
        raise HefError(f'the adapter of "{node:.50}" has rank {rank}; expected a multiple of {PANEL}')
    down = read_linear(stored, f"{node}.down", inputs, rank, False)
    up = read_linear(stored, f"{node}.up", rank, outputs, False)
    scale, zero_point = read_array(stored, f"{node}{_BETWEEN}", "F32", (2,)).tolist()
    if not 1e-37 < scale < 1e37 or zero_point not in range(256):
        raise HefError(f'the range of the adapter of "{node:.50}" is {scale}, {zero_point}; it is damaged')
    return QuantisedPair(down, up, Quantisation(scale, int(zero_point)))
