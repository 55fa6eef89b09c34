"""LoRA adapters beside a quantised model: names become layers, pairs are quantised while the frozen model runs.

Each adapter is quantised by itself: weights of 8 bits down to the rank, of 4 bits in groups of 32 up from there, and 8
bits between them, whose range is that of the calibration text. All of 4 bits, two adapters made for other models kept
22 to 24 dB of signal to noise, and one of rank 16 that mends stories260K's own rounding (perplexity 9.99 to 9.47) lost
0.09 of that; with 8 bits down it loses 0.04, and with 8 bits up as well no less. Knows no file format of adapters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hollama.compiler.calibration import of_range
from hollama.compiler.gguf import halves
from hollama.compiler.rotation import Change, rotate
from hollama.compiler.rounding import round_linear
from hollama.compiler.rounding_bytes import round_bytes
from hollama.errors import CompileError, FormatError
from hollama.formats.package import check_adapter_name
from hollama.formats.package_weights import Origin
from hollama.interfaces import AdapterSpec, LowRankPair
from hollama.ir.floating import FloatPair
from hollama.ir.graph import Graph, Node
from hollama.ir.interpreter import F32, Segment, run
from hollama.ir.quantised import QuantisedArithmetic, QuantisedPair, QuantisedWeights
from hollama.kernels import golden
from hollama.kernels.golden import PANEL
from hollama.models.architecture import Architecture

_GROUP = 32
_LARGEST = 1e6  # of an update's values: what was trained has a millionth of it, and products of these stay finite
_HEAD_ROWS = 8  # of so many rows, one goes through a head that is adapted: its output is wide
_MARGIN = 1.5  # of ranges: 8 bits have them to spare beside weights of 4, and other texts may go further


@dataclass(frozen=True)
class AdapterFile:
    """An adapter as it was read: updates by the weights' names, the checkpoint's or those of GGUF."""

    name: str
    path: Path
    pairs: Mapping[str, LowRankPair]
    architecture: str | None = None  # that it was made for, where the file says it


@dataclass(frozen=True)
class QuantisedFile:
    """An adapter's pairs by linear node; `snr` is what they add over what is wrong with it, in decibels.

    It is None where they add nothing, as those of an adapter that was never trained.
    """

    name: str
    pairs: Mapping[str, QuantisedPair]
    snr: float | None

    @property
    def nbytes(self) -> int:
        layers = [layer for pair in self.pairs.values() for layer in (pair.down, pair.up)]
        return sum(layer.packed.nbytes + layer.group_scale.nbytes + layer.row_scale.nbytes for layer in layers)


def read_adapter(name: str, path: Path, specs: Iterable[AdapterSpec]) -> AdapterFile:
    """Read an adapter with whoever knows its format. Raises CompileError, which names the file."""
    kinds = list(specs)
    try:
        check_adapter_name(name)
        spec = next((spec for spec in kinds if spec.matches(path)), None)
        pairs, made_for = (spec.read(path), spec.architecture(path)) if spec else ({}, None)
    except (FormatError, OSError) as error:
        raise CompileError(f"{path}: {error}") from error
    if spec is None:
        wrong = "no adapter" if path.exists() else "there is no such file or folder"
        raise CompileError(f'adapter "{name}", {path}: {wrong}; expected {", ".join(spec.help for spec in kinds)}')
    return AdapterFile(name, path, pairs, made_for)


@dataclass(frozen=True)
class _Place:
    """Rows of a linear layer that are a weight of the checkpoint, and the heads that they stand in as pairs."""

    node: Node
    start: int
    rows: int
    inputs: int
    paired: int = 0


def attach(graph: Graph, origin: Origin, adapter: AdapterFile, architecture: Architecture) -> dict[str, FloatPair]:
    """The adapter's pairs by linear node: those of parts that were joined become one, in the bases of the layer.

    Raises CompileError for a weight that the model does not have, or has in another shape.
    """
    if adapter.architecture not in (None, architecture.name):
        made_for = f'made for the architecture "{adapter.architecture:.40}"'
        raise CompileError(f'{adapter.path}: {made_for}, the model is "{architecture.name}"')
    places = dict(_places(graph, origin, architecture))
    found: dict[str, list[tuple[_Place, F32, F32]]] = {}
    for weight, pair in adapter.pairs.items():
        if weight not in places:
            raise CompileError(f'{adapter.path}: "{weight:.100}" is no linear layer of this model')
        place, (outputs, inputs) = places[weight], (pair.b.shape[0], pair.a.shape[1])
        if (outputs, inputs) != (place.rows, place.inputs):
            raise CompileError(
                f'{adapter.path}: the update of "{weight:.100}" is for {outputs} outputs and {inputs} inputs, '
                f"the model's layer has {place.rows} and {place.inputs}"
            )
        if not (largest := _largest(pair)) <= _LARGEST:
            raise CompileError(
                f'{adapter.path}: the update of "{weight:.100}" has values up to {largest:.3g}; '
                f"expected {_LARGEST:,.0f} at most, the adapter is damaged"
            )
        up = (pair.b * np.float32(pair.scale)).astype(np.float32)
        up = halves(up, place.paired) if place.paired else up
        found.setdefault(place.node.name, []).append((place, pair.a, up))
    pairs = {name: _join(parts) for name, parts in found.items()}
    if origin.rotation is None:
        return pairs
    try:
        changes = rotate(graph, origin.gains, origin.rotation, origin.gains).changes
    except KeyError as error:
        raise CompileError(f"the package lacks the gain of {error}, by which its layers changed") from None
    return {name: _turn(pair, changes[graph.by_name[name].weight]) for name, pair in pairs.items()}


def _largest(pair: LowRankPair) -> float:
    """Of its values, with and without their scale; not a number if one of them is none."""
    down, up = (float(np.abs(half).max()) for half in (pair.a, pair.b))
    return max(down, up, up * abs(pair.scale)) if np.isfinite(down + up) else math.nan


def _turn(pair: FloatPair, change: Change) -> FloatPair:
    return FloatPair(change.inputs(pair.down), change.outputs(pair.up))


def _places(graph: Graph, origin: Origin, architecture: Architecture) -> Iterator[tuple[str, _Place]]:
    """By the weights' names, those of checkpoints and those of GGUF."""
    attention = next(node for node in graph.nodes if node.op == "attention")
    heads = {"q_proj": attention.heads, "k_proj": attention.kv_heads} if architecture.interleaved else {}
    for node in graph.linears():
        start, inputs = 0, graph.by_name[node.inputs[0]].width
        parts = origin.sources.get(node.weight, ())
        if sum(rows for _, rows in parts) != node.width:
            raise CompileError(f'"{node.weight}" is not made of the weights that the package names; compile it again')
        for part, rows in parts:
            # a head that shares the embedding's weights is adapted under a name of its own
            name = "lm_head.weight" if node.name == graph.output.name else f"{part}.weight"
            place = _Place(node, start, rows, inputs)
            yield name, place
            with suppress(KeyError):
                yield architecture.names(name), replace(place, paired=heads.get(part.rpartition(".")[2], 0))
            start += rows


def _join(parts: Sequence[tuple[_Place, F32, F32]]) -> FloatPair:
    """Downs under each other, ups in blocks: each part has its own share of the rank."""
    down = np.concatenate([a for _, a, _ in parts])
    up, at = np.zeros((parts[0][0].node.width, len(down)), np.float32), 0
    for place, _, b in parts:
        up[place.start : place.start + place.rows, at : at + b.shape[1]] = b
        at += b.shape[1]
    return FloatPair(down, up)


def quantise_adapter(
    name: str, graph: Graph, weights: QuantisedWeights, pairs: Mapping[str, FloatPair], windows: Sequence[Sequence[int]]
) -> QuantisedFile:
    """Quantise an adapter on the frozen model: every layer's range is seen behind those already quantised.

    All windows of token ids run at once, so that each of the model's layers is unpacked once and none is kept.
    """
    context = max(map(len, windows))
    arithmetic = QuantisedArithmetic(graph, replace(weights, adapters={}), context, ahead=False)
    quantiser = _Quantiser(weights, pairs)
    every = _HEAD_ROWS if graph.output.name in pairs else context
    run(graph, arithmetic, [
        Segment(arithmetic.cache(len(window)), 0, window, range(0, len(window), every), quantiser) for window in windows
    ])  # fmt: skip
    return QuantisedFile(name, quantiser.quantised, quantiser.snr)


@dataclass
class _Quantiser:
    """An adapter that is quantised layer by layer, when it is first asked for what it adds."""

    weights: QuantisedWeights
    pairs: Mapping[str, FloatPair]
    quantised: dict[str, QuantisedPair] = field(default_factory=dict)
    signal: float = 0.0
    noise: float = 0.0

    @property
    def snr(self) -> float | None:
        return 10 * math.log10(self.signal / self.noise) if self.signal and self.noise else None

    def share(self, node: Node, x: F32) -> F32 | None:
        if node.name not in self.pairs:
            return None
        pair, of = self.pairs[node.name], self.weights.ranges[node.inputs[0]]
        centred = golden.quantise(x, of)
        filled = -len(pair.down) % PANEL
        down = round_bytes(np.pad(pair.down, ((0, filled), (0, 0))), None)
        up = round_linear(np.pad(pair.up, ((0, 0), (0, filled))), None, _GROUP)
        layers = golden.unpack(down, of.bits), golden.unpack(up, 8)
        seen = golden.linear(centred, layers[0], of)
        low, high = min(float(seen.min()), 0.0), max(float(seen.max()), 0.0)
        between = of_range(_MARGIN * low, _MARGIN * high, 8)
        self.quantised[node.name] = QuantisedPair(down, up, between)
        share = golden.adapt(centred, *layers, of, between)
        exact = centred * np.float32(of.scale) @ pair.down.T @ pair.up.T
        self.signal += float(np.square(exact, dtype=np.float64).sum())
        self.noise += float(np.square(exact - share, dtype=np.float64).sum())
        return share
