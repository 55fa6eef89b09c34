"""KV memory in pages: what contexts read is what was written, whoever shares a page with them."""

import numpy as np
import pytest
from hollama_backends.pages import TOKENS, KvShape, PagePool, PageTable
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hollama.errors import OutOfPages

CONTEXT = 200
SHAPE = KvShape(caches=2, kv_heads=3, head_dim=4)


def values(seed, count):
    """Keys and values of `count` tokens for every cache."""
    size = (2, SHAPE.caches, SHAPE.kv_heads, count, SHAPE.head_dim)
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


class Contexts(RuleBasedStateMachine):
    """Contexts in few pages against arrays of their own."""

    def __init__(self):
        super().__init__()
        self.pool = PagePool(SHAPE, 6)
        self.held = []  # (table, array)

    @rule()
    def open(self):
        if len(self.held) < 5:
            self.held.append((PageTable(self.pool, CONTEXT), values(0, 0)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), seed=st.integers(0, 99), count=st.integers(1, 90))
    def write(self, data, seed, count):
        index = data.draw(st.integers(0, len(self.held) - 1))
        table, array = self.held[index]
        start = array.shape[3]
        count = min(count, CONTEXT - start)
        needed = table.missing(start, start + count)
        before = (list(table.pages), list(self.pool.free))
        try:
            table.make_writable(start, start + count)
        except OutOfPages:
            assert needed > len(self.pool.free)
            assert (table.pages, self.pool.free) == before
            return
        assert needed <= len(before[1])
        new = values(seed, count)
        table.write(new[0], new[1], start)
        self.held[index] = table, np.concatenate([array, new], axis=3)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def fork_or_rewind(self, data):
        index = data.draw(st.integers(0, len(self.held) - 1))
        table, array = self.held[index]
        position = data.draw(st.integers(0, array.shape[3]))
        if data.draw(st.booleans()) and len(self.held) < 5:
            free = len(self.pool.free)
            self.held.append((table.fork(position), array[:, :, :, :position]))
            assert len(self.pool.free) == free
        else:
            table.truncate(position)
            self.held[index] = table, array[:, :, :, :position]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def close(self, data):
        table, _ = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        table.truncate(0)

    @invariant()
    def all_is_as_written(self):
        self.pool.check(table for table, _ in self.held)
        for table, array in self.held:
            table.check(array.shape[3])
            keys, others = table.read(array.shape[3])
            np.testing.assert_array_equal(keys, array[0])
            np.testing.assert_array_equal(others, array[1])


TestContexts = Contexts.TestCase
TestContexts.settings = settings(max_examples=30, stateful_step_count=25)


def test_a_fork_costs_one_page_at_most():
    pool = PagePool(SHAPE, 4)
    table = PageTable(pool, CONTEXT)
    table.make_writable(0, TOKENS + 1)
    fork = table.fork(TOKENS + 1)
    assert fork.missing(TOKENS + 1, 2 * TOKENS) == 1
    fork.make_writable(TOKENS + 1, 2 * TOKENS)
    assert table.missing(TOKENS + 1, 2 * TOKENS) == 0
    assert table.pages[0] == fork.pages[0] and table.pages[1] != fork.pages[1]


def test_memory_that_nobody_wrote_to_costs_nothing():
    pool = PagePool(KvShape(8, 8, 64), 1 << 12)
    assert pool.memory.nbytes == 1 << 31
    assert pool.used_bytes == 0


@pytest.mark.parametrize("damage", ["free", "count", "lost"])
def test_the_check_finds_damage(damage):
    pool = PagePool(SHAPE, 4)
    table = PageTable(pool, CONTEXT)
    table.make_writable(0, 100)
    if damage == "free":
        pool.free.append(table.pages[0])
    elif damage == "count":
        pool.references[table.pages[0]] += 1
    else:
        pool.free.pop()
    with pytest.raises(AssertionError):
        pool.check([table])
