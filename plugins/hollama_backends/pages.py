"""KV memory in pages of 64 tokens, which contexts with a common beginning share. Knows no model, only its shape.

A page holds 64 positions of all caches, as `hollama/kernels/c/kernels.h` lays them out, and counts who refers to it.
Whoever writes into a page that others refer to gets a copy of its own first.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.errors import OutOfPages

TOKENS = 64  # of a page
Bytes = NDArray[np.uint8]


def pages_for(tokens: int) -> int:
    return -(-tokens // TOKENS)


@dataclass(frozen=True)
class KvShape:
    """Sizes of a model's caches: keys and values (kv_heads, tokens, head_dim) of 8 bits in each."""

    caches: int
    kv_heads: int
    head_dim: int

    @property
    def page_bytes(self) -> int:
        return 2 * self.caches * self.kv_heads * TOKENS * self.head_dim


class PagePool:
    """`capacity` pages. Memory is reserved at once, but costs nothing before it is written to."""

    def __init__(self, shape: KvShape, capacity: int) -> None:
        self.shape = shape
        self.capacity = capacity
        size = max(1, capacity * shape.page_bytes)
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.memory: NDArray[np.int8] = np.frombuffer(memory, np.int8)[: capacity * shape.page_bytes].reshape(
            capacity, shape.caches, 2, shape.kv_heads, TOKENS * shape.head_dim
        )
        self.address: int = self.memory.ctypes.data
        self.references = [0] * capacity
        self.free = list(reversed(range(capacity)))

    @property
    def used_bytes(self) -> int:
        return (self.capacity - len(self.free)) * self.shape.page_bytes

    def require(self, count: int) -> None:
        """Raise OutOfPages unless `count` pages are free."""
        if count > len(self.free):
            raise OutOfPages(
                f"{count} more pages of {TOKENS} tokens are needed, {len(self.free)} of {self.capacity} are free: "
                "close a context, or raise HOLLAMA_KV_CACHE"
            )

    def take(self) -> int:
        self.require(1)
        page = self.free.pop()
        self.references[page] = 1
        return page

    def share(self, page: int) -> int:
        self.references[page] += 1
        return page

    def release(self, page: int) -> None:
        self.references[page] -= 1
        if not self.references[page]:
            self.free.append(page)

    def own(self, page: int) -> int:
        """The page itself if nobody else refers to it, else a copy that takes its place."""
        if self.references[page] == 1:
            return page
        copy = self.take()
        self.memory[copy] = self.memory[page]
        self.release(page)
        return copy

    def check(self, tables: Iterable[PageTable]) -> None:
        """Raise AssertionError unless references and free pages are those that `tables` leave."""
        held = Counter(page for table in tables for page in table.pages)
        assert len(set(self.free)) == len(self.free), "a page is free twice"
        assert not held.keys() & set(self.free), "a page is free and in use"
        assert len(held) + len(self.free) == self.capacity, "a page is lost"
        assert {page: count for page, count in enumerate(self.references) if count} == held, "references are miscounted"


@dataclass(eq=False)
class PageTable:
    """The pages of one context, the first 64 tokens' first. `addresses` (uint64) has them as kernels read them."""

    pool: PagePool = field(repr=False)
    context: int  # most tokens
    pages: list[int] = field(default_factory=list)
    addresses: NDArray[np.uint64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.addresses = np.zeros(max(1, pages_for(self.context)), np.uint64)
        self._note(0)

    def missing(self, start: int, stop: int) -> int:
        """How many pages must be free before the positions [start, stop) can be written."""
        shared = sum(self.pool.references[page] > 1 for page in self.pages[start // TOKENS : pages_for(stop)])
        return shared + max(0, pages_for(stop) - len(self.pages))

    def make_writable(self, start: int, stop: int) -> None:
        """Let the positions [start, stop) lie in pages of this context's own. Raises OutOfPages, changing nothing."""
        self.pool.require(self.missing(start, stop))
        first = start // TOKENS
        for index in range(first, min(len(self.pages), pages_for(stop))):
            self.pages[index] = self.pool.own(self.pages[index])
        while len(self.pages) < pages_for(stop):
            self.pages.append(self.pool.take())
        self._note(first)

    def truncate(self, position: int) -> None:
        """Let go of the pages behind the first `position` tokens."""
        keep = pages_for(position)
        for page in self.pages[keep:]:
            self.pool.release(page)
        del self.pages[keep:]
        self.addresses[keep:] = 0

    def fork(self, position: int) -> PageTable:
        """Another context with the same first `position` tokens, in the same pages."""
        return PageTable(self.pool, self.context, [self.pool.share(page) for page in self.pages[: pages_for(position)]])

    def read(self, position: int) -> tuple[list[Bytes], list[Bytes]]:
        """Keys and values of the first `position` tokens, each (kv_heads, position, head_dim) for every cache."""
        shape, pages = self.pool.shape, self.pages[: pages_for(position)]
        heads, size, count = shape.kv_heads, shape.head_dim, len(pages)
        held = self.pool.memory[pages].view(np.uint8) ^ np.uint8(128)
        keys, values = held[:, :, 0], held[:, :, 1]
        keys = keys.reshape(count, shape.caches, heads, size // 4, TOKENS, 4).transpose(1, 2, 0, 4, 3, 5)
        values = values.reshape(count, shape.caches, heads, TOKENS // 4, size, 4).transpose(1, 2, 0, 3, 5, 4)
        whole = (shape.caches, heads, count * TOKENS, size)
        return list(keys.reshape(whole)[:, :, :position]), list(values.reshape(whole)[:, :, :position])

    def write(self, keys: Sequence[NDArray[Any]], values: Sequence[NDArray[Any]], start: int) -> None:
        """Store keys and values (kv_heads, tokens, head_dim) of every cache from position `start` on.

        Their pages must be writable.
        """
        shape, tokens = self.pool.shape, np.arange(start, start + keys[0].shape[1])
        heads, size = shape.kv_heads, shape.head_dim
        for cache, (key, value) in enumerate(zip(keys, values, strict=True)):
            for page in range(start // TOKENS, pages_for(start + len(tokens))):
                chosen = tokens // TOKENS == page
                at = tokens[chosen] % TOKENS
                to_keys, to_values = self.pool.memory[self.pages[page], cache].view(np.uint8)
                pieces = key[:, chosen].reshape(heads, -1, size // 4, 4).transpose(0, 2, 1, 3)
                to_keys.reshape(heads, size // 4, TOKENS, 4)[:, :, at] = pieces ^ np.uint8(128)
                pieces = value[:, chosen].transpose(1, 0, 2)
                to_values.reshape(heads, TOKENS // 4, size, 4)[:, at // 4, :, at % 4] = pieces ^ np.uint8(128)

    def check(self, position: int) -> None:
        """Raise AssertionError unless the pages are those of `position` tokens, and the addresses theirs."""
        assert len(self.pages) == pages_for(position), f"{len(self.pages)} pages for {position} tokens"
        expected = [self._address(page) for page in self.pages]
        assert self.addresses[: len(self.pages)].tolist() == expected, "an address is wrong"

    def _address(self, page: int) -> int:
        return self.pool.address + page * self.pool.shape.page_bytes

    def _note(self, first: int) -> None:
        for index in range(first, len(self.pages)):
            self.addresses[index] = self._address(self.pages[index])
