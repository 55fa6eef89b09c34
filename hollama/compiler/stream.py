"""Calibration texts on their way through a graph, a few layers at a time. Knows no quantisation.

A stream goes from where it stands to the input of the next linear layer, window by window, and gives the values that
are asked for on the way. Of each window it keeps only the residual stream at the last place where nothing else was
alive; what lies behind it is worked out again the next time. So memory is that of one layer of one window, and of one
row of `hidden` values a token; and weights may change between steps: all later values see the changed ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hollama.ir.graph import Graph
from hollama.ir.interpreter import Arithmetic, Cache, Segment, Step, evaluate

F32 = NDArray[np.float32]


@dataclass
class Stream:
    """`windows` are runs of token ids, each from an empty context."""

    graph: Graph
    windows: Sequence[Sequence[int]]
    position: int = 0  # of the node that comes next
    kept: list[dict[str, F32]] = field(init=False)  # of each window, the values that are still read
    places: list[int] = field(init=False)  # indices of nodes before which one value is alive

    def __post_init__(self) -> None:
        self.kept = [{} for _ in self.windows]
        self.places = _lonely_places(self.graph)

    def advance(self, end: int, arithmetic: Arithmetic, wanted: Collection[str]) -> Iterator[Mapping[str, F32]]:
        """Evaluate the nodes before `end`; of each window, those of the wanted values that were made on the way."""
        stop = max((place for place in self.places if self.position <= place <= end), default=self.position)
        for number, window in enumerate(self.windows):
            values, seen = dict(self.kept[number]), {}
            cache = Cache.empty(self.graph, len(window), np.float32)
            step = Step.of([Segment(cache, 0, window, range(len(window)))])
            for index in range(self.position, end):
                if index == stop:
                    self.kept[number] = dict(values)
                node = self.graph.nodes[index]
                values[node.name] = evaluate(arithmetic, node, [values[name] for name in node.inputs], step)
                if node.name in wanted:
                    seen[node.name] = values[node.name]
                for name in self.graph.last_uses[index]:
                    del values[name]
            if end == stop:
                self.kept[number] = values
            yield seen | {name: value for name, value in values.items() if name in wanted}
        self.position = stop


def _lonely_places(graph: Graph) -> list[int]:
    alive: set[str] = set()
    places = [0]
    for index, node in enumerate(graph.nodes):
        alive = (alive | {node.name}) - set(graph.last_uses[index])
        if len(alive) == 1:
            places.append(index + 1)
    return places
