"""From a graph to the steps of the native executor: which operations become one, and which values are stored how.

A value is stored as f32, quantised for the linear layers that read it, or both; slices are columns of another value.
What is fused: quantisation with the operation before it, a sum with the linear layer before it, norm and rotation with
the attention behind them, a gated unit with the layer that makes both of its inputs. None of it changes a bit. Knows no
addresses, no pages and no threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hollama.errors import BackendError
from hollama.ir.graph import Graph, Node
from hollama.kernels.golden import Quantisation
from hollama.kernels.native import Kind, Operation

_BLOCK = 64  # columns whose activations are filled up together
_QUANTISES = (Operation.NORM, Operation.LAYER_NORM, Operation.GATED, Operation.GELU, Operation.GELU_TANH)


@dataclass(frozen=True)
class Value:
    """Columns of a buffer that is not yet given a place."""

    buffer: int
    column: int = 0


@dataclass(frozen=True)
class Step:
    """One instruction, as `c/executor.h` describes it. Quantisations: of the value, or of query, key and value."""

    operation: Operation
    width: int
    reads: tuple[Value | None, ...]
    output: Value | None = None
    quantised: Value | None = None
    heads: int = 1
    index: int = 0
    rotate: int = 0
    site: str = ""  # the linear node that adapters change
    bidirectional: bool = False
    weights: tuple[str, str] = ("", "")  # names
    eps: tuple[float, float] = (0.0, 0.0)
    of: tuple[Quantisation, ...] = ()


@dataclass(frozen=True)
class Shape:
    """What tells buffers apart: those of equal shape can take turns in one place."""

    kind: Kind
    width: int
    selected: bool


@dataclass
class Plan:
    """Steps over as many buffers as there are values. Raises BackendError for a graph that is no such program."""

    graph: Graph
    ranges: Mapping[str, Quantisation]
    adapted: Mapping[str, int] = field(default_factory=dict)  # linear nodes that adapters change, and the highest rank
    steps: list[Step] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    floats: dict[str, Value] = field(default_factory=dict)
    activations: dict[str, Value] = field(default_factory=dict)
    selected: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.uses = Counter(name for node in self.graph.nodes for name in node.inputs)
        self.readers: dict[str, list[Node]] = {node.name: [] for node in self.graph.nodes}
        for node in self.graph.nodes:
            for name in node.inputs:
                self.readers[name].append(node)
        self.absorbed = {name for node in self.graph.nodes for name in self._absorbed(node)}
        self.sums = self.graph.sums()
        self.gates = dict(self._gates())
        self.absorbed |= {name for layer in self.gates.values() for name in (layer.name, *self._slices(layer))}
        for node in self.graph.nodes:
            self._add(node)
        self.logits = self.floats[self.graph.output.name]
        shape = self.shapes[self.logits.buffer]
        if not shape.selected or shape.width != self.graph.output.width:
            raise BackendError("the native engine needs logits of selected rows, and whole ones")

    def _absorbed(self, node: Node) -> Iterator[str]:
        """Norms and rotations that nobody but this attention reads: they are done while its input is prepared."""
        if node.op == "attention":
            for name, heads in zip(node.inputs[:2], (node.heads, node.kv_heads), strict=True):
                yield from (part.name for part in self._chain(name, heads))

    def _chain(self, name: str, heads: int) -> list[Node]:
        """The nodes behind `name` that can be absorbed, the last first: rope, then rms_norm, each of them optional."""
        chain: list[Node] = []
        for op in ("rope", "rms_norm"):
            node = self.graph.by_name[name]
            if node.op == op and node.heads == heads and self.uses[name] == 1:
                chain.append(node)
                name = node.inputs[0]
        return chain

    def _gates(self) -> Iterator[tuple[str, Node]]:
        """Gated units that only linear layers read, with the linear layer whose halves they read and nobody else."""
        for node in self.graph.nodes:
            if node.op != "gated" or node.width % _BLOCK or self._needs_floats(node):
                continue
            gate, up = (self.graph.by_name[name] for name in node.inputs)
            slices = gate.op == up.op == "slice" and gate.inputs == up.inputs
            if not slices or gate.start or up.start != node.width:
                continue
            layer = self.graph.by_name[gate.inputs[0]]
            alone = self.uses[gate.name] == self.uses[up.name] == 1 and self.uses[layer.name] == 2
            if alone and layer.op == "linear" and layer.width == 2 * node.width:
                yield node.name, layer

    def _slices(self, layer: Node) -> list[str]:
        return [reader.name for reader in self.readers[layer.name]]

    def _add(self, node: Node) -> None:
        self.selected[node.name] = self._is_selected(node)
        if node.name in self.absorbed:
            return
        match node.op:
            case "slice":
                source = self.floats[node.inputs[0]]
                self.floats[node.name] = replace(source, column=source.column + node.start)
            case "linear":
                self._linear(node)
            case "attention":
                self._attention(node)
            case "add" if node.name in self.floats:  # done by the linear layer before it
                return
            case "rms_norm":
                self._emit(Operation.NORM, node, weights=(node.weight, ""), eps=(node.eps, 0.0), heads=node.heads)
            case "layer_norm":
                bias = f"{node.weight}.bias" if node.bias else ""
                self._emit(Operation.LAYER_NORM, node, weights=(node.weight, bias), eps=(node.eps, 0.0))
            case "position":
                self._emit(Operation.POSITION, node, weights=(node.weight, ""))
            case "gated" if node.name in self.gates:
                self._gated_linear(node, self.gates[node.name])
            case "gated":
                self._emit(Operation.GATED, node)
            case "embed":
                self._emit(Operation.EMBED, node, of=(self.ranges[node.name],))
            case _:
                self._emit(Operation[node.op.upper()], node, heads=node.heads)

    def _is_selected(self, node: Node) -> bool:
        """Whether a value has rows for the wanted tokens only; values of both sorts do not mix."""
        sorts = {self.selected[name] for name in node.inputs}
        if len(sorts) > 1 or (sorts == {True} and node.op in ("select", "rope", "attention")):
            raise BackendError(f'the native engine cannot run "{node.name}": it mixes selected rows with all of them')
        return node.op == "select" or sorts == {True}

    def _emit(self, operation: Operation, node: Node, **rest: Any) -> None:
        """An operation on whole values; norms, gated units and GELUs quantise what they make by themselves."""
        reads = tuple(self.floats[name] for name in node.inputs)
        fused = operation in _QUANTISES and self._feeds_linears(node)
        activation = self._new_activation(node) if fused else None
        output = self._new(Kind.FLOATS, node) if self._needs_floats(node) or not fused else None
        if fused:
            rest["of"] = (self.ranges[node.name],)
        if output:
            self.floats[node.name] = output
        self.steps.append(Step(operation, node.width, reads, output, activation, **rest))

    def _linear(self, node: Node) -> None:
        source, total = node.inputs[0], self.sums.get(node.name)
        activation = self._activation(source)
        added = self.floats[next(name for name in total.inputs if name != node.name)] if total else None
        output = self.floats[total.name if total else node.name] = self._new(Kind.FLOATS, node)
        reads = (activation, added, self._adapted(node))
        weights, of = (node.weight, ""), (self.ranges[source],)
        self.steps.append(Step(Operation.LINEAR, node.width, reads, output, weights=weights, of=of, site=node.name))

    def _gated_linear(self, node: Node, layer: Node) -> None:
        source = layer.inputs[0]
        reads = (self._activation(source), None, self._adapted(layer))
        quantised = self._new_activation(node)
        weights, of = (layer.weight, ""), (self.ranges[node.name], self.ranges[source])
        step = Step(Operation.GATED_LINEAR, node.width, reads, None, quantised, weights=weights, of=of, site=layer.name)
        self.steps.append(step)

    def _adapted(self, layer: Node) -> Value | None:
        """What adapters make of a linear layer's input, on its way from their layers down to those up."""
        if layer.name not in self.adapted:
            return None
        source, width = layer.inputs[0], self.adapted[layer.name]
        self.shapes.append(Shape(Kind.BYTES, width, self.selected[source]))
        between = Value(len(self.shapes) - 1)
        reads, of = (self._activation(source),), (self.ranges[source],)
        self.steps.append(Step(Operation.ADAPT, width, reads, None, between, of=of, site=layer.name))
        return between

    def _activation(self, name: str) -> Value:
        """The quantised value; quantised now if it is not yet."""
        if name not in self.activations:
            node, value = self.graph.by_name[name], self.floats[name]
            activation = self._new_activation(node)
            of = (self.ranges[name],)
            self.steps.append(Step(Operation.QUANTISE, node.width, (value,), None, activation, of=of))
        return self.activations[name]

    def _attention(self, node: Node) -> None:
        of = tuple(self.ranges[name] for name in node.inputs)
        sources, norms, rotate = [], ["", ""], 0
        for which, (name, heads) in enumerate(zip(node.inputs[:2], (node.heads, node.kv_heads), strict=True)):
            chain = self._chain(name, heads)
            sources.append(self.floats[chain[-1].inputs[0] if chain else name])
            rotate |= (1 << which) * any(part.op == "rope" for part in chain)
            norms[which] = next((part.name for part in chain if part.op == "rms_norm"), "")
        weights = [self.graph.by_name[name].weight if name else "" for name in norms]
        eps = [self.graph.by_name[name].eps if name else 0.0 for name in norms]
        queries = self._new(Kind.QUERIES, node)
        common: dict[str, Any] = {"heads": node.heads, "index": node.cache}
        self.steps.append(
            Step(
                Operation.PREPARE, node.width, (*sources, self.floats[node.inputs[2]]), None, queries, **common,
                rotate=rotate, weights=(weights[0], weights[1]), eps=(eps[0], eps[1]), of=of,
            )
        )  # fmt: skip
        apart = node.width // node.kv_heads % _BLOCK == 0
        activation = self._new_activation(node) if apart and self._feeds_linears(node) else None
        output = self.floats[node.name] = self._new(Kind.FLOATS, node)
        if activation:
            of = (*of, self.ranges[node.name])
        common["bidirectional"] = not node.causal
        self.steps.append(Step(Operation.ATTEND, node.width, (queries,), output, activation, **common, of=of))

    def _feeds_linears(self, node: Node) -> bool:
        return any(reader.op == "linear" for reader in self.readers[node.name])

    def _needs_floats(self, node: Node) -> bool:
        return node is self.graph.output or any(reader.op != "linear" for reader in self.readers[node.name])

    def _new_activation(self, node: Node) -> Value:
        kind = Kind.BYTES if self.ranges[node.name].bits == 8 else Kind.WORDS
        value = self.activations[node.name] = self._new(kind, node)
        return value

    def _new(self, kind: Kind, node: Node) -> Value:
        self.shapes.append(Shape(kind, node.width, self.selected[node.name]))
        return Value(len(self.shapes) - 1)
