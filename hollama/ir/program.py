"""A graph with its weights as a program of the native executor: values get their places, instructions their addresses.

    program = compile_program(graph, weights, Layout(kernels="avx2", threads=2, rows=512, context=2048, memory=free))

Weights are pointed to where they lie, never copied. Knows no package and no pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hollama.errors import BackendError
from hollama.ir.fusion import Plan, Shape, Step, Value
from hollama.ir.graph import Graph
from hollama.ir.quantised import QuantisedWeights
from hollama.kernels import golden, native
from hollama.kernels.golden import PackedLinear, Quantisation
from hollama.kernels.native import F32, Operation

_PIECE = 4096  # positions


@dataclass(frozen=True)
class Layout:
    """How a program is to run: the instruction set, and what it has to hold at most."""

    kernels: str
    threads: int
    rows: int  # of a step
    context: int  # tokens
    memory: int  # bytes that values and tables may take


@dataclass
class Tables:
    """What programs over the same weights share: linear layers with the sums of their rows, angles of all positions."""

    layers: Layers
    angles: tuple[F32, F32]  # cos and sin, (context, head_dim)

    @classmethod
    def make(cls, weights: QuantisedWeights, layout: Layout) -> Tables:
        if 2 * layout.context * weights.theta.nbytes > layout.memory:
            raise BackendError(f"the angles of {layout.context} positions exceed the free memory; ask for less context")
        return cls(Layers(weights, layout.threads), _angles(weights.theta, layout.context))

    @property
    def nbytes(self) -> int:
        """Bytes of the angles."""
        return sum(array.nbytes for array in self.angles)


def compile_program(
    graph: Graph, weights: QuantisedWeights, layout: Layout, tables: Tables | None = None
) -> native.Program:
    """Reads all weights of linear layers that no other program with these tables has read.

    Raises BackendError for weights or graphs that the executor cannot take, and where memory would not suffice, before
    any is taken.
    """
    weights.check_positions(graph, layout.context)
    tables = tables or Tables.make(weights, layout)
    plan = Plan(graph, weights.ranges, highest_ranks(weights))
    places, shapes = assign_places(plan)
    layers, (cosine, sine) = tables.layers, tables.angles
    operands, sites = _Operands(places), _Sites(weights, layers)
    instructions = [_instruction(step, operands, layers, sites, graph.head_dim) for step in plan.steps]
    pairs = sites.pairs
    if not weights.table.flags.aligned or not weights.table.flags.c_contiguous:
        raise BackendError("the embedding table does not start at a whole number; compile the model again")
    buffers = [native.Buffer(shape.kind, shape.width, shape.selected) for shape in shapes]
    spec = native.Spec(
        kernels=layout.kernels.encode(), threads=layout.threads, rows=layout.rows, context=layout.context,
        shape=native.KvShape(graph.head_dim, graph.kv_heads, graph.caches),
        buffers=len(buffers), layers=len(layers.layers), instructions=len(instructions),
        logits=places[plan.logits.buffer],
        buffer=(native.Buffer * len(buffers))(*buffers), layer=(native.Layer * len(layers.layers))(*layers.layers),
        instruction=(native.Instruction * len(instructions))(*instructions),
        adapters=len(weights.adapters), sites=len(sites.indices), pair=(native.Pair * len(pairs))(*pairs),
        table=native.address(weights.table), table_count=weights.table.size, vocabulary=len(weights.table),
        cosine=native.address(cosine), sine=native.address(sine), angles=cosine.size,
    )  # fmt: skip
    return native.Program(spec, [weights, *layers.kept, cosine, sine], layout.memory - tables.nbytes)


def _angles(theta: F32, context: int) -> tuple[F32, F32]:
    """cos and sin of all positions, made in pieces: on the way they take five times the memory."""
    cosine, sine = np.empty((2, context, len(theta)), np.float32)
    for start in range(0, context, _PIECE):
        piece = slice(start, min(start + _PIECE, context))
        cosine[piece], sine[piece] = golden.cos_sin(np.arange(piece.start, piece.stop), theta)
    return cosine, sine


def assign_places(plan: Plan) -> tuple[list[int], list[Shape]]:
    """Which place each buffer takes, and the places' shapes: a place is free again after its value's last use.

    A sum is made in place where its addend ends with it.
    """
    last = {value.buffer: index for index, step in enumerate(plan.steps) for value in _touched(step)}
    last[plan.logits.buffer] = len(plan.steps)
    places, shapes, free = [-1] * len(plan.shapes), list[Shape](), dict[Shape, list[int]]()

    def release(value: Value | None, index: int) -> None:
        if value and last.get(value.buffer) == index:
            free.setdefault(plan.shapes[value.buffer], []).append(places[value.buffer])
            del last[value.buffer]

    for index, step in enumerate(plan.steps):
        if step.operation == Operation.LINEAR:
            release(step.reads[1], index)
        for value in (step.output, step.quantised):
            if value:
                shape = plan.shapes[value.buffer]
                if not free.get(shape):
                    free[shape] = [len(shapes)]
                    shapes.append(shape)
                places[value.buffer] = free[shape].pop()
        for touched in _touched(step):
            release(touched, index)
    return places, shapes


def _touched(step: Step) -> Iterator[Value]:
    yield from (value for value in (*step.reads, step.output, step.quantised) if value)


@dataclass
class Layers:
    """The table of linear layers, each in it once."""

    weights: QuantisedWeights
    threads: int
    layers: list[native.Layer] = field(default_factory=list)
    kept: list[object] = field(default_factory=list)
    indices: dict[str, int] = field(default_factory=dict)

    def index(self, name: str, packed: PackedLinear | None = None) -> int:
        if name not in self.indices:
            packed = packed or self.weights.linears[name]
            row_sum = native.inspect(packed, self.threads)
            self.indices[name] = len(self.layers)
            self.layers.append(native.layer(packed, row_sum))
            self.kept += [packed, row_sum]
        return self.indices[name]


def highest_ranks(weights: QuantisedWeights) -> dict[str, int]:
    """The linear nodes that adapters change, and the highest rank of those who do."""
    ranks: dict[str, int] = {}
    for pairs in weights.adapters.values():
        for name, pair in pairs.items():
            ranks[name] = max(ranks.get(name, 0), pair.up.inputs)
    return ranks


@dataclass
class _Sites:
    """The table of what adapters do: for each linear node that one changes, a pair of layers for each adapter."""

    weights: QuantisedWeights
    layers: Layers
    indices: dict[str, int] = field(default_factory=dict)
    pairs: list[native.Pair] = field(default_factory=list)

    def index(self, node: str) -> int:
        """-1 for a node that none changes."""
        if node not in self.indices and any(node in pairs for pairs in self.weights.adapters.values()):
            self.indices[node] = len(self.indices)
            self.pairs += [self._pair(adapter, node) for adapter in self.weights.adapters]
        return self.indices.get(node, -1)

    def _pair(self, adapter: str, node: str) -> native.Pair:
        pair = self.weights.adapters[adapter].get(node)
        if pair is None:
            return native.Pair(-1, -1, 1.0, 0)
        label, between = f"{adapter}/{node}", pair.between
        down, up = (self.layers.index(f"{label}/{way}", x) for way, x in (("down", pair.down), ("up", pair.up)))
        return native.Pair(down, up, between.scale, between.zero_point)


@dataclass(frozen=True)
class _Operands:
    places: list[int]

    def __call__(self, value: Value | None) -> native.Operand:
        return native.Operand(self.places[value.buffer], value.column) if value else native.Operand(-1, 0)


def _instruction(step: Step, operands: _Operands, layers: Layers, sites: _Sites, head_dim: int) -> native.Instruction:
    norms = layers.weights.norms
    reads = [operands(value) for value in (*step.reads, None, None, None)[:3]]
    instruction = native.Instruction(
        step.operation, step.width, step.heads, step.index, step.rotate, sites.index(step.site), step.bidirectional,
        *reads,
        operands(step.output), operands(step.quantised),
    )  # fmt: skip
    if step.operation in (Operation.LINEAR, Operation.GATED_LINEAR):
        instruction.index = layers.index(step.weights[0])
    else:
        for which, name in enumerate(step.weights):
            if name:
                instruction.weights[which] = native.address(norms[name])
                instruction.weight_counts[which] = norms[name].size
                instruction.eps[which] = step.eps[which]
    for which, (scale, zero_point) in enumerate(_scales(step, head_dim)):
        instruction.scale[which] = scale
        instruction.zero_point[which] = zero_point
    return instruction


def _scales(step: Step, head_dim: int) -> list[tuple[float, int]]:
    """scale and zero_point of an instruction, as `c/executor.h` lists them."""
    if step.operation != Operation.ATTEND:
        return [(of.scale, of.zero_point) for of in step.of]
    q, k, v, *rest = step.of
    made: Quantisation = rest[0] if rest else Quantisation(1.0, 0)
    step_of_scores = np.float32(q.scale) * np.float32(k.scale) * np.float32(math.log2(math.e) / math.sqrt(head_dim))
    return [(made.scale, made.zero_point), (float(step_of_scores), 0), (v.scale, v.zero_point)]
