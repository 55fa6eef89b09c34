"""Calibration texts on their way through a graph, a few layers at a time. Knows no quantisation.

A stream goes from where it stands to the input of the next linear layer, window by window, and gives the values that
are asked for on the way. Between the steps it keeps of each window what is still alive at a place shortly before, where
that is narrow, in a temporary file; only cheap nodes are evaluated twice, and the first layer of a wide feed-forward
part. So memory is that of one layer of a few windows; and weights may change between steps: all later values see the
changed ones.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hollama.ir.graph import Graph
from hollama.ir.interpreter import Arithmetic, Cache, Segment, Step, evaluate

F32 = NDArray[np.float32]
Found = TypeVar("Found")
_WIDEST = 3  # times the narrowest: what is kept of a token


@dataclass
class Stream:
    """`windows` are runs of token ids, each from an empty context; `constant`: its weights never change."""

    graph: Graph
    windows: Sequence[Sequence[int]]
    constant: bool = False
    position: int = 0  # of the node that comes next
    _places: list[int] = field(init=False)  # where to stop on the way to each node
    _alive: list[list[str]] = field(init=False)  # values before each node
    _starts: list[int] = field(init=False)  # of windows in the file, bytes
    _file: IO[bytes] = field(init=False)

    def __post_init__(self) -> None:
        alive = _alive(self.graph)
        widths = [sum(self.graph.by_name[name].width for name in names) for names in alive]
        self._alive, self._places = alive, _places(self.graph, widths, self.constant)
        most = 4 * max(widths[place] for place in self._places)
        self._starts = np.cumsum([0, *(most * len(window) for window in self.windows)]).tolist()
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the stream

    def work(self, number: int, end: int, arithmetic: Arithmetic, wanted: Collection[str]) -> dict[str, F32]:
        """Evaluate the nodes before `end` for one window; those of the wanted values that are alive or made on the way.

        To be called once for every window before `move`, from any thread.
        """
        stop, window = max(self._places[end], self.position), self.windows[number]
        last = max(stop, end)
        values = self._read(number)
        found = {name: value for name, value in values.items() if name in wanted}
        step = Step.of([Segment(Cache([], []), 0, window, range(len(window)))])
        for index in range(self.position, last):
            if index == stop:
                self._write(number, stop, values)
            node = self.graph.nodes[index]
            values[node.name] = evaluate(arithmetic, node, [values[name] for name in node.inputs], step)
            if node.name in wanted and index < end:
                found[node.name] = values[node.name]
            for name in self.graph.last_uses[index]:
                del values[name]
        if last == stop:
            self._write(number, stop, values)
        return found

    def move(self, end: int) -> None:
        """Go on from there: all windows were worked on."""
        self.position = max(self._places[end], self.position)

    def advance(self, end: int, arithmetic: Arithmetic, wanted: Collection[str]) -> Iterator[Mapping[str, F32]]:
        """Evaluate the nodes before `end`; of each window in order, those of the wanted values that are seen."""
        yield from in_order(lambda number: self.work(number, end, arithmetic, wanted), len(self.windows))
        self.move(end)

    def _read(self, number: int) -> dict[str, F32]:
        values, at, rows = {}, self._starts[number], len(self.windows[number])
        for name in self._alive[self.position]:
            value = np.empty((rows, self.graph.by_name[name].width), np.float32)
            _whole(os.preadv(self._file.fileno(), [value.data], at), value)
            values[name], at = value, at + value.nbytes
        return values

    def _write(self, number: int, place: int, values: Mapping[str, F32]) -> None:
        at = self._starts[number]
        for name in self._alive[place]:
            value = np.ascontiguousarray(values[name], np.float32)
            _whole(os.pwrite(self._file.fileno(), value.data, at), value)
            at += value.nbytes


def _whole(count: int, value: F32) -> None:
    """Raises OSError: a full disk takes a part of what is written before it says so."""
    if count != value.nbytes:
        raise OSError(errno.ENOSPC, "no space for temporary files (TMPDIR names their folder)", tempfile.gettempdir())


def in_order(work: Callable[[int], Found], count: int) -> Iterator[Found]:
    """What `work` makes of 0, 1, ... on all cores, each with one thread of BLAS; a few are made ahead."""
    threads = os.cpu_count() or 1
    waiting: deque[Future[Found]] = deque()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        try:
            for number in range(count):
                waiting.append(pool.submit(work, number))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _alive(graph: Graph) -> list[list[str]]:
    """The values that are alive before each node, and behind the last."""
    alive: list[list[str]] = [[]]
    for index, node in enumerate(graph.nodes):
        alive.append([name for name in [*alive[-1], node.name] if name not in graph.last_uses[index]])
    return alive


def _places(graph: Graph, widths: Sequence[int], constant: bool) -> list[int]:
    """For each node the place where to stop: the narrowest behind the last costly one before it, if that is narrow.

    Else it is one before that costly one, or, where weights are constant, the first narrow one behind the node.
    """
    most = _WIDEST * min(width for width in widths if width)
    places: list[int] = []
    costly = 0
    for end in range(len(widths)):
        near = min(range(end, costly - 1, -1), key=lambda place: widths[place])
        if widths[near] > most and costly:
            narrow = (place for place in range(end, len(widths)) if widths[place] <= most)
            near = next(narrow, places[costly - 1]) if constant else places[costly - 1]
        places.append(near)
        if end < len(graph.nodes) and graph.nodes[end].op in ("linear", "attention"):
            costly = end + 1
    return places
