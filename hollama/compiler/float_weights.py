"""A checkpoint's weights as a graph names them, in float32: all at once, or each when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.checkpoint import Checkpoint, Tensors, weight
from hollama.ir.graph import Graph, Node
from hollama.models.decoder import Fused

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class FloatWeights(Mapping[str, F32]):
    """Read again each time; raises CompileError for what is missing, misshapen or not finite."""

    graph: Graph
    sources: Mapping[str, Fused]
    checkpoint: Checkpoint
    _nodes: dict[str, Node] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        nodes = {node.weight: node for node in self.graph.nodes if node.weight}
        object.__setattr__(self, "_nodes", nodes)

    def __getitem__(self, name: str) -> F32:
        node = self._nodes[name.removesuffix(".bias")]
        if name != node.weight and not node.bias:
            raise KeyError(name)
        return _read(node, name != node.weight, self.graph, self.sources, self.checkpoint)

    def __iter__(self) -> Iterator[str]:
        for name, node in self._nodes.items():
            yield name
            if node.bias:
                yield f"{name}.bias"

    def __len__(self) -> int:
        return sum(1 + node.bias for node in self._nodes.values())


def read_weights(graph: Graph, sources: Mapping[str, Fused], checkpoint: Checkpoint) -> dict[str, F32]:
    """All weights, parts joined. Raises CompileError for what is missing or misshapen."""
    return dict(FloatWeights(graph, sources, checkpoint))


def rows_of(checkpoint: Checkpoint, width: int, parts: tuple[str, ...]) -> list[int]:
    """Rows of each part of a joined matrix: query, key and value differ, all others are alike."""
    if len(parts) == 3:
        shape = checkpoint.shape
        return [shape.heads * shape.head_dim, *[shape.kv_heads * shape.head_dim] * 2]
    return [width // len(parts)] * len(parts)


def _read(node: Node, bias: bool, graph: Graph, sources: Mapping[str, Fused], checkpoint: Checkpoint) -> F32:
    """A node's weight, or its bias."""
    shape, tensors, source = checkpoint.shape, checkpoint.tensors, sources[node.weight]
    kind = "bias" if bias else "weight"
    if node.op in ("rms_norm", "layer_norm", "position"):
        sizes = (shape.context, node.width) if node.op == "position" else (node.width // node.heads,)
        return weight(tensors, f"{source.parts[0]}.{kind}", sizes)
    rows = [shape.vocab] if node.op == "embed" else rows_of(checkpoint, node.width, source.parts)
    inputs = node.width if node.op == "embed" else graph.by_name[node.inputs[0]].width
    columns = () if bias else (inputs,)
    found = [weight(tensors, f"{part}.{kind}", (n, *columns)) for part, n in zip(source.parts, rows, strict=True)]
    joined = found[0] if len(found) == 1 else np.concatenate(found)
    if source.first_row and not bias:
        joined = joined + _first_row(tensors, f"{source.first_row}.weight", node.width)
    return joined


def _first_row(tensors: Tensors, name: str, width: int) -> F32:
    """Of a matrix with any number of rows; zeros where there is none."""
    shape = tensors.shape(name)
    rows = shape[0] if shape and len(shape) == 2 and shape[0] else 1
    return np.zeros(width, np.float32) if shape is None else weight(tensors, name, (rows, width))[0]
