"""The native executor: logits of every step equal the golden interpreter's, and no program leaves its memory."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest
from hollama_backends.pages import KvShape, PagePool, PageTable
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import BackendError
from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import Cache, Segment, run
from hollama.ir.program import Layout, compile_program
from hollama.ir.quantised import QuantisedAdapter, QuantisedArithmetic, QuantisedWeights
from hollama.kernels import native
from tests.kernels.models import random_model, random_weights, with_adapters

CONTEXT, ROWS, MEMORY = 200, 96, 1 << 28


def available() -> tuple[str, ...]:
    try:
        return native.sets()
    except BackendError:
        return ()


SETS = available()
pytestmark = pytest.mark.skipif(not SETS, reason="hollama was installed without its native library")


@dataclass
class Twins:
    """A model in both engines; contexts are pairs of a table of pages and a plain cache."""

    graph: Graph
    weights: QuantisedWeights
    kernels: str = SETS[0] if SETS else ""
    threads: int = 2
    lengths: list[int] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)  # adapters of contexts

    def __post_init__(self) -> None:
        layout = Layout(self.kernels, self.threads, ROWS, CONTEXT, MEMORY)
        self.program = compile_program(self.graph, self.weights, layout)
        self.golden = QuantisedArithmetic(self.graph, self.weights, CONTEXT)
        shape = KvShape(self.graph.caches, self.graph.kv_heads, self.graph.head_dim)
        self.pool = PagePool(shape, 24)
        self.tables: list[PageTable] = []
        self.caches: list[Cache] = []
        names = self.weights.adapters
        self.adapters = [QuantisedAdapter.of(self.graph, self.weights, name) for name in names]

    def open(self, adapter: int = -1) -> int:
        self.chosen.append(adapter)
        self.tables.append(PageTable(self.pool, CONTEXT))
        self.caches.append(self.golden.cache(CONTEXT))
        self.lengths.append(0)
        return len(self.lengths) - 1

    def fork(self, context: int, position: int) -> int:
        other = self.open(self.chosen[context])
        self.tables[other] = self.tables[context].fork(position)
        for mine, copy in zip(self.both(context), self.both(other), strict=True):
            copy[:] = mine
        self.lengths[other] = position
        return other

    def rewind(self, context: int, position: int) -> None:
        self.tables[context].truncate(position)
        self.lengths[context] = position

    def adapter(self, context: int) -> QuantisedAdapter | None:
        return self.adapters[self.chosen[context]] if self.chosen[context] >= 0 else None

    def both(self, context: int) -> list[np.ndarray]:
        return [*self.caches[context].keys, *self.caches[context].values]

    def step(self, batch: dict[int, tuple[list[int], int]]) -> None:
        """Feed (tokens, wanted) to contexts; assert that both engines agree, on logits and on what they cache."""
        segments, wanted, first = [], [], 0
        for context, (tokens, count) in batch.items():
            start = self.lengths[context]
            self.tables[context].make_writable(start, start + len(tokens))
            address = self.tables[context].addresses.ctypes.data
            segments.append((first, len(tokens), start, self.chosen[context], address))
            first += len(tokens)
            wanted += range(first - count, first)
        tokens = np.array([token for tokens, _ in batch.values() for token in tokens], np.int32)
        found = self.program.step(tokens, np.array(segments, native.SEGMENT), np.array(wanted, np.int32))
        expected = run(self.graph, self.golden, [
            Segment(self.caches[context], self.lengths[context], tokens, range(-count, 0), self.adapter(context))
            for context, (tokens, count) in batch.items()
        ])  # fmt: skip
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
        for context, (tokens, _) in batch.items():
            self.lengths[context] += len(tokens)
            keys, values = self.tables[context].read(self.lengths[context])
            for mine, theirs in zip((*keys, *values), self.both(context), strict=True):
                np.testing.assert_array_equal(mine, theirs[:, : self.lengths[context]])

    def close(self) -> None:
        self.pool.check(self.tables)
        self.program.close()


def draw_batch(data: st.DataObject, twins: Twins) -> dict[int, tuple[list[int], int]]:
    room, batch = ROWS, {}
    token = st.integers(0, twins.graph.output.width - 1)
    for context in data.draw(st.lists(st.sampled_from(range(len(twins.lengths))), min_size=1, unique=True)):
        most = min(room, CONTEXT - twins.lengths[context], data.draw(st.sampled_from([1, 1, 7, 70])))
        if most > 0:
            tokens = data.draw(st.lists(token, min_size=1, max_size=most))
            batch[context] = tokens, data.draw(st.integers(0, len(tokens)))
            room -= len(tokens)
    return batch


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from(SETS or ("none",)), st.sampled_from([1, 2, 3]), st.data())
def test_any_model_any_batches_any_threads_any_adapters(seed, kernels, threads, data):
    graph, weights = random_model(seed)
    count = data.draw(st.integers(0, 3))
    twins = Twins(graph, with_adapters(seed, graph, weights, count), kernels, threads)
    adapters = st.integers(-1, count - 1)
    twins.open(data.draw(adapters))
    for _ in range(data.draw(st.integers(1, 6))):
        context = data.draw(st.sampled_from(range(len(twins.lengths))))
        position = data.draw(st.integers(0, twins.lengths[context]))
        match data.draw(st.sampled_from(["step", "step", "open", "fork", "rewind"])):
            case "open":
                twins.open(data.draw(adapters))
            case "fork":
                twins.fork(context, position)
            case "rewind":
                twins.rewind(context, position)
        if batch := draw_batch(data, twins):
            twins.step(batch)
    twins.close()


@pytest.mark.parametrize("kernels", SETS)
def test_every_set_with_all_that_a_step_can_mix(kernels):
    """A long prompt, a chunk deep in a context, an answer, guesses: more threads than cores."""
    shape = {"hidden": 130, "intermediate": 1100, "head_dim": 32, "heads": 6, "kv_heads": 2, "qk_norm": True}
    twins = Twins(*random_model(5, "llama", **shape))
    twins.close()
    twins = Twins(twins.graph, twins.weights, kernels, threads=5)
    a, b, c = (twins.open() for _ in range(3))
    rng = np.random.default_rng(0)

    def tokens(count: int) -> list[int]:
        return rng.integers(0, twins.graph.output.width, count).tolist()

    twins.step({a: (tokens(90), 0)})
    twins.step({a: (tokens(40), 2), b: (tokens(50), 50)})
    twins.step({c: (tokens(1), 1), a: (tokens(5), 5), b: (tokens(1), 1)})
    twins.close()


@pytest.mark.parametrize("kernels", SETS)
def test_every_set_with_adapters_side_by_side(kernels):
    """Long runs of one adapter, neighbours with others and without, gated layers in pieces, logits of some rows."""
    graph, weights = random_model(7, "llama", hidden=130, intermediate=1088, head_dim=32, heads=6, kv_heads=2, vocab=70)
    twins = Twins(graph, with_adapters(3, graph, weights, 3), kernels, threads=3)
    contexts = [twins.open(adapter) for adapter in (0, 0, -1, 1, 2)]
    rng = np.random.default_rng(0)

    def tokens(count: int) -> list[int]:
        return rng.integers(0, 70, count).tolist()

    twins.step({contexts[0]: (tokens(90), 70)})
    twins.step({context: (tokens(17), 3) for context in contexts})
    twins.step({context: (tokens(1), 1) for context in contexts})
    twins.close()


def test_an_adapter_changes_the_logits_of_its_context_only():
    graph, weights = random_model(7, "llama", hidden=64)
    arithmetic, adapted = QuantisedArithmetic(graph, weights, CONTEXT), with_adapters(3, graph, weights, 1)
    adapter = QuantisedAdapter.of(graph, adapted, "a0")
    batch = [Segment(arithmetic.cache(4), 0, [1, 2, 3, 4], adapter=x) for x in (None, adapter, None)]
    plain, changed, other = run(graph, arithmetic, batch)
    assert plain.tobytes() == other.tobytes() != changed.tobytes()


def odd_graph(causal: bool = True) -> Graph:
    """Values with several readers, of which nothing can be fused: a decoder that none of ours is."""
    size, width = 8, 16
    nodes = [
        Node("embed", "e", (), width, weight="e"),
        Node("rms_norm", "n", ("e",), width, weight="n", eps=1e-5),
        Node("position", "p", (), width, weight="p"),
        Node("layer_norm", "ln", ("p",), width, weight="ln", eps=1e-5),  # without a bias
        Node("gelu", "gelu", ("ln",), width),
        Node("gelu_tanh", "gelu_tanh", ("gelu",), width),
        Node("linear", "lg", ("gelu_tanh",), width, weight="l"),
        Node("add", "ne", ("n", "e"), width),  # the norm is read as floats too
        Node("add", "twice", ("ne", "lg"), width),
        Node("linear", "l", ("n",), width, weight="l"),
        Node("slice", "left", ("l",), 8, start=8),
        Node("linear", "s", ("left",), width, weight="s"),  # a part of a value goes into a linear layer
        Node("rope", "r", ("s",), width, heads=2),
        Node("add", "rl", ("r", "l"), width),  # the rotated value is read twice
        Node("attention", "a", ("r", "rl", "twice"), width, heads=2, kv_heads=2, causal=causal),
        Node("gated", "g", ("a", "s"), width),
        Node("add", "sum", ("g", "a"), width),
        Node("linear", "m", ("g",), width, weight="l"),  # a layer used twice
        Node("add", "m2", ("m", "m"), width),
        Node("add", "m3", ("m2", "sum"), width),
        Node("select", "last", ("m3",), width),
        Node("linear", "logits", ("last",), 21, weight="logits"),
    ]
    return Graph(tuple(nodes), size, 2, 1)


def odd_twins(causal: bool = True, **rest: object) -> Twins:
    graph = odd_graph(causal)
    theta = np.array([-1, -0.5, -0.1, -0.01, 1, 0.5, 0.1, 0.01], np.float32)
    weights = random_weights(np.random.default_rng(1), graph, theta)
    return Twins(graph, with_adapters(1, graph, weights, 2), **rest)


@pytest.mark.parametrize("kernels", SETS)
def test_whole_texts_that_see_themselves(kernels):
    twins = odd_twins(causal=False, kernels=kernels)
    twins.step({twins.open(): ([*range(21), *range(20), *range(21)], 3), twins.open(): ([1, 2], 2)})
    twins.step({twins.open(): ([4], 1), twins.open(): (list(range(17)), 17)})
    twins.close()


def test_more_context_than_there_are_positions_is_refused():
    graph, weights = odd_twins().graph, odd_twins().weights
    with pytest.raises(BackendError, match="200 positions, 201 were asked for"):
        compile_program(graph, weights, Layout(SETS[0], 1, ROWS, 201, MEMORY))
    with pytest.raises(BackendError, match="200 positions, 201 were asked for"):
        QuantisedArithmetic(graph, weights, 201)


@pytest.mark.parametrize("kernels", SETS)
def test_a_graph_that_cannot_be_fused(kernels):
    twins = odd_twins(kernels=kernels)
    contexts = [twins.open(adapter) for adapter in (-1, 1, 0)]
    twins.step({context: (list(range(20)), 3) for context in contexts})
    twins.step({context: ([4], 1) for context in contexts})
    twins.close()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([Node("add", "x", ("last", "m3"), 16), Node("linear", "out", ("x",), 21, weight="logits")], "mixes selected"),
        ([Node("rope", "x", ("last",), 16, heads=2), Node("linear", "out", ("x",), 21, weight="logits")], "mixes"),
        ([Node("linear", "out", ("m3",), 21, weight="logits")], "needs logits of selected rows"),
    ],
)
def test_graphs_of_which_no_program_can_be_made(nodes, message):
    twins = odd_twins()
    graph = Graph((*twins.graph.nodes[:-1], *nodes), 8, 2, 1)
    weights = random_weights(np.random.default_rng(1), graph, twins.weights.theta)
    with pytest.raises(BackendError, match=message):
        compile_program(graph, weights, Layout(SETS[0], 1, ROWS, CONTEXT, MEMORY))
    twins.close()


def test_what_does_not_fit_into_memory_is_refused_before_it_is_taken():
    graph, weights = random_model(1, "llama")
    with pytest.raises(BackendError, match="0 MiB are free"):
        compile_program(graph, weights, Layout(SETS[0], 1, ROWS, CONTEXT, 1 << 19))
    with pytest.raises(BackendError, match="exceed the free memory"):
        compile_program(graph, weights, Layout(SETS[0], 1, ROWS, 1 << 24, 1 << 19))


def test_weights_out_of_range_are_refused():
    graph, weights = random_model(1, "llama")
    weights.linears["logits"].packed.flat[3] &= 0xF0
    with pytest.raises(BackendError, match="out of range"):
        compile_program(graph, weights, Layout(SETS[0], 2, ROWS, CONTEXT, MEMORY))


@pytest.fixture
def small():
    twins = odd_twins()
    yield twins
    twins.close()


@pytest.mark.parametrize(
    ("tokens", "segment", "wanted", "message"),
    [
        ([21], (0, 1, 0), [0], "outside the vocabulary"),
        ([-1], (0, 1, 0), [0], "outside the vocabulary"),
        ([], (0, 0, 0), [], "no rows"),
        ([0] * (ROWS + 1), (0, ROWS + 1, 0), [0], "too many"),
        ([0], (0, 1, 0), [1], "not there"),
        ([0], (0, 1, 0), [0, 0], "more logits"),
        ([0], (0, 2, 0), [0], "do not make up"),
        ([0], (1, 1, 0), [0], "do not make up"),
        ([0, 0], (0, 1, 0), [0], "do not make up"),
        ([0], (0, 1, -1), [0], "exceeds the context"),
        ([0], (0, 1, CONTEXT), [0], "exceeds the context"),
        ([0], (0, 1, 64), [0], "page is missing"),
        ([0], (0, 1, 0, 2), [0], "adapter that is not there"),
        ([0], (0, 1, 0, -2), [0], "adapter that is not there"),
    ],
)
def test_steps_without_sense_are_refused(small, tokens, segment, wanted, message):
    table = PageTable(small.pool, CONTEXT)
    table.make_writable(0, 64)
    first, rows, start, adapter = (*segment, -1)[:4]
    segments = np.array([(first, rows, start, adapter, table.addresses.ctypes.data)], native.SEGMENT)
    with pytest.raises(BackendError, match=message):
        small.program.step(np.array(tokens, np.int32), segments, np.array(wanted, np.int32))
    table.truncate(0)


def test_a_closed_program_refuses():
    twins = odd_twins()
    twins.close()
    twins.close()
    with pytest.raises(BackendError, match="closed"):
        twins.program.step(np.zeros(1, np.int32), np.zeros(1, native.SEGMENT), np.zeros(0, np.int32))


def leaves(struct: ctypes.Structure, path: tuple = ()):
    """Where the numbers of a struct are, those of the structs in it included."""
    for name, kind, *_ in struct._fields_:
        value = getattr(struct, name)
        if isinstance(value, ctypes.Structure):
            yield from leaves(value, (*path, name))
        elif isinstance(value, ctypes.Array):
            yield from ((*path, name, index) for index in range(len(value)) if kind is not ctypes.c_void_p * 2)
        elif kind in (ctypes.c_int32, ctypes.c_int64):
            yield (*path, name)


def change(struct: object, path: tuple, value: int) -> None:
    *way, last = path
    for step in way:
        struct = getattr(struct, step) if isinstance(step, str) else struct[step]
    if isinstance(last, str):
        setattr(struct, last, value)
    else:
        struct[last] = value


# How long the arrays are that addresses point to: what checks rest on.
LENGTHS = {"buffers", "layers", "instructions", "table_count", "vocabulary", "angles", "weight_counts"}
LENGTHS |= {"adapters", "sites", "packed", "group_scale", "row_scale", "bias", "row_sum"}


@settings(max_examples=200)
@given(st.data())
def test_a_program_that_lies_is_refused_or_stays_inside_its_memory(data):
    """Run under AddressSanitizer this proves it; here it shows that nothing crashes."""
    twins = odd_twins()
    spec = twins.program._kept[0]
    targets = [spec, *spec.buffer[: spec.buffers], *spec.layer[: spec.layers], *spec.instruction[: spec.instructions]]
    targets += spec.pair[: spec.adapters * spec.sites]
    for _ in range(data.draw(st.integers(1, 3))):
        target = data.draw(st.sampled_from(targets))
        path = data.draw(st.sampled_from(list(leaves(target))))
        if not LENGTHS & set(path):
            change(target, path, data.draw(st.integers(-2, 40) | st.integers(-(2**31), 2**31 - 1)))
    spec.threads = min(spec.threads, 4)
    try:
        changed = native.Program(spec, twins.program._kept[1:], MEMORY)
    except BackendError:
        return
    finally:
        twins.program.close()
    table = PageTable(PagePool(KvShape(spec.shape.caches, spec.shape.kv_heads, spec.shape.head_dim), 4), CONTEXT)
    table.make_writable(0, 70)
    address = table.addresses.ctypes.data
    segments = np.array([(0, 2, 62, -1, address), (2, 4, 64, data.draw(st.integers(0, 1)), address)], native.SEGMENT)
    with suppress(BackendError):  # fewer rows, or a shorter context
        changed.step(np.arange(6, dtype=np.int32), segments, np.array([5, 1], np.int32))
    changed.close()
