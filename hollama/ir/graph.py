"""A model as a graph: nodes in execution order, each named after the value it makes. Knows shapes, no numbers.

Every value is a matrix (rows, width): one row a token. A node reads earlier values and, by name, weights and caches:

    embed      ()                 width = hidden                 weight: table
    position   ()                 width                          weight: a row for each position
    rms_norm   (x)                heads = how many equal parts are normed by themselves (1: the whole row)
    layer_norm (x)                bias optional
    linear     (x)                width outputs                  weight: matrix (outputs, inputs), bias optional
    slice      (x)                columns [start, start + width)
    rope       (x)                heads
    attention  (q, k, v)          heads, kv_heads, cache: the index of its KV cache; causal, or a text sees all of it
    gated      (gate, up)         silu(gate) * up
    gelu       (x)
    gelu_tanh  (x)                GELU by way of tanh
    add        (x, y)
    select     (x)                only the rows whose logits are wanted

As JSON (`hollama-graph.json`): {"format": 1, "nodes": [{"op", "name", "inputs", "width", ...}]}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from hollama.errors import FormatError

FORMAT = 1
OPS = {
    "embed": 0, "position": 0, "rms_norm": 1, "layer_norm": 1, "linear": 1, "slice": 1, "rope": 1, "attention": 3,
    "gated": 2, "gelu": 1, "gelu_tanh": 1, "add": 2, "select": 1,
}  # fmt: skip
_MOST_NODES = 100_000
_WIDEST = 1 << 24


class GraphError(FormatError):
    """A graph that contradicts itself."""


@dataclass(frozen=True)
class Node:
    """One operation; `width` is the width of the value it makes."""

    op: str
    name: str
    inputs: tuple[str, ...]
    width: int
    weight: str = ""
    bias: bool = False
    heads: int = 1
    kv_heads: int = 1
    cache: int = 0
    start: int = 0
    eps: float = 0.0
    causal: bool = True


@dataclass(frozen=True)
class Graph:
    """A whole model. `output` is the node that makes the logits, or an encoder's hidden states."""

    nodes: tuple[Node, ...]
    head_dim: int
    kv_heads: int
    caches: int
    by_name: Mapping[str, Node] = field(init=False, repr=False, compare=False)
    last_uses: tuple[tuple[str, ...], ...] = field(init=False, repr=False, compare=False)  # values done with, by node

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {node.name: node for node in self.nodes})
        _verify(self)
        object.__setattr__(self, "last_uses", _last_uses(self.nodes))

    @property
    def output(self) -> Node:
        return self.nodes[-1]

    @property
    def generates(self) -> bool:
        """Whether it makes logits; an encoder makes hidden states."""
        return self.output.op == "linear"

    def linears(self) -> list[Node]:
        return [node for node in self.nodes if node.op == "linear"]

    def without_head(self) -> Graph:
        """The graph that ends with what the head reads, the hidden states; an encoder's has no head."""
        *body, head = self.nodes
        if not self.generates:
            return self
        if not body or head.inputs != (body[-1].name,):
            raise GraphError(f'the head "{head.name}" does not read the value before it')
        return replace(self, nodes=tuple(body))

    def sums(self) -> dict[str, Node]:
        """The sum behind each linear layer whose output goes only into one, with something older."""
        order = {node.name: index for index, node in enumerate(self.nodes)}
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                readers[name].append(node)
        found = {}
        for node in self.linears():
            match readers[node.name]:
                case [Node("add") as total]:
                    other = next(name for name in total.inputs if name != node.name)
                    if order[other] < order[node.name]:
                        found[node.name] = total
        return found

    def unquantised(self) -> dict[str, Node]:
        """Names of the weights that stay in float32, norms, their biases and positions, with a node that reads each."""
        nodes = [node for node in self.nodes if node.op in ("rms_norm", "layer_norm", "position")]
        return {node.weight: node for node in nodes} | {f"{node.weight}.bias": node for node in nodes if node.bias}

    def to_json(self) -> bytes:
        plain = {"format": FORMAT, "head_dim": self.head_dim, "kv_heads": self.kv_heads, "caches": self.caches}
        defaults = {field.name: field.default for field in fields(Node) if field.default is not MISSING}
        nodes = [
            {key: value for key, value in asdict(node).items() if key not in defaults or value != defaults[key]}
            for node in self.nodes
        ]
        return json.dumps({**plain, "nodes": nodes}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Graph:
        """Raises GraphError for bytes that are no graph."""
        try:
            plain = json.loads(data)
            if plain["format"] != FORMAT:
                raise GraphError(f"graph format {plain['format']!r:.50} is not {FORMAT}; compile the model again")
            nodes = tuple(_node(fields) for fields in plain["nodes"])
            return cls(nodes, *(_count(plain, key) for key in ("head_dim", "kv_heads", "caches")))
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
            raise GraphError(f"the graph cannot be read: {error!r:.200}") from None


def _last_uses(nodes: tuple[Node, ...]) -> tuple[tuple[str, ...], ...]:
    last = {name: index for index, node in enumerate(nodes) for name in node.inputs}
    return tuple(tuple(name for name in dict.fromkeys(node.inputs) if last[name] == i) for i, node in enumerate(nodes))


def _node(plain: Mapping[str, Any]) -> Node:
    counts = {key: _count(plain, key) for key in ("width", "heads", "kv_heads", "cache", "start") if key in plain}
    eps = plain.get("eps", 0.0)
    if not isinstance(eps, int | float) or not 0 <= eps < 1:
        raise GraphError(f"eps is {eps!r:.50}, expected a small number")
    op, name, weight = (_text(plain.get(key, "")) for key in ("op", "name", "weight"))
    inputs = tuple(_text(value) for value in plain["inputs"])
    width = counts.pop("width", 0)
    bias, causal = plain.get("bias") is True, plain.get("causal") is not False
    return Node(op, name, inputs, width, weight, bias=bias, eps=float(eps), causal=causal, **counts)


def _count(fields: Mapping[str, Any], key: str) -> int:
    value = fields[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _WIDEST:
        raise GraphError(f"{key} is {value!r:.50}, expected a count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise GraphError(f"{value!r:.50} is no name")
    return value


def _verify(graph: Graph) -> None:
    """Prove that every node reads only what exists, in the widths it needs."""
    if not 0 < len(graph.nodes) <= _MOST_NODES or len(graph.by_name) != len(graph.nodes):
        raise GraphError("a graph has between one and 100,000 nodes, each with a name of its own")
    if graph.head_dim < 2 or graph.head_dim % 2 or not graph.kv_heads:
        raise GraphError("heads have an even, positive size, and there is at least one")
    widths: dict[str, int] = {}
    caches: set[int] = set()
    for node in graph.nodes:
        if node.op not in OPS or len(node.inputs) != OPS[node.op]:
            raise GraphError(f'"{node.name}": unknown operation "{node.op}" or wrong number of inputs')
        if any(name not in widths for name in node.inputs):
            raise GraphError(f'"{node.name}" reads a value that no earlier node makes')
        if not _fits(graph, node, [widths[name] for name in node.inputs]):
            raise GraphError(f'"{node.name}": the widths of its inputs do not fit')
        if node.op == "attention":
            caches.add(node.cache)
        widths[node.name] = node.width
    if caches != set(range(graph.caches)):
        raise GraphError("the attention nodes and the KV caches do not match one to one")


def _fits(graph: Graph, node: Node, inputs: list[int]) -> bool:
    match node.op:
        case "embed" | "linear":
            return node.width > 0
        case "position":
            return node.width > 0 and node.heads == 1
        case "layer_norm":
            return inputs[0] == node.width and node.heads == 1
        case "slice":
            return 0 < node.width <= inputs[0] - node.start
        case "rms_norm":
            return node.heads > 0 and inputs[0] == node.width and node.width % node.heads == 0
        case "rope":
            return inputs[0] == node.width == node.heads * graph.head_dim
        case "attention":
            q, k, v = inputs
            grouped = node.kv_heads == graph.kv_heads and node.heads % node.kv_heads == 0 and node.heads > 0
            full, shared = node.heads * graph.head_dim, node.kv_heads * graph.head_dim
            return grouped and q == node.width == full and k == v == shared
        case _:
            return all(width == node.width for width in inputs)
