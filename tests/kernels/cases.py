"""Cases of attention for the tests of the native kernels."""

import math
from dataclasses import dataclass

import numpy as np

from hollama.kernels import golden
from hollama.kernels.golden import Quantisation
from tests.kernels.native import fenced

f32 = np.float32
PAGE = 64


@dataclass(frozen=True)
class Case:
    """Queries of `rows` rows from position `start` on, and everything they see."""

    query: np.ndarray  # int16 (rows, heads, d), centred
    keys: np.ndarray  # uint8 (kv_heads, start + rows, d)
    values: np.ndarray
    start: int
    of: tuple[Quantisation, Quantisation, Quantisation]
    causal: bool = True

    def golden(self):
        return golden.attention(self.query.astype(f32), self.keys, self.values, self.start, self.of, self.causal)

    def step(self):
        q, k, _ = self.of
        return f32(f32(q.scale) * f32(k.scale)) * f32(math.log2(math.e) / math.sqrt(self.query.shape[2]))


def in_pages(case, caches, cache):
    """Pages that end where nobody may read, with noise where no token is."""
    kv_heads, total, d = case.keys.shape
    pages = []
    for first in range(0, total, PAGE):
        page = fenced(caches * 2 * kv_heads * PAGE * d)
        page[:] = np.random.default_rng(first).integers(0, 256, page.size, np.uint8)
        parts = page.view(np.int8).reshape(caches, 2, kv_heads, PAGE * d)[cache]
        count = min(PAGE, total - first)
        for head in range(kv_heads):
            keys, values = (x[head, first : first + count] ^ 0x80 for x in (case.keys, case.values))
            tokens = np.arange(count)
            parts[0, head].reshape(d // 4, PAGE, 4)[:, :count] = keys.view(np.int8).reshape(count, -1, 4).swapaxes(0, 1)
            parts[1, head].reshape(16, d, 4)[tokens // 4, :, tokens % 4] = values.view(np.int8)
        pages.append(page)
    return pages


def random_case(rng, start, rows, kv_heads, group, d, spread=1.0):
    """`spread` is about how far apart, in powers of two, the weights of tokens are."""
    total = start + rows
    query = np.clip(np.rint(rng.standard_normal((rows, kv_heads * group, d)) * 9000), -32768, 32767).astype(np.int16)
    keys, values = rng.integers(0, 256, (2, kv_heads, total, d), np.uint8)
    scale_q = spread / (9000 * 74 * d**0.5)  # times 1 for the keys: scores of standard deviation `spread`
    of = (
        Quantisation(float(f32(scale_q * d**0.5)), 32768, 16),
        Quantisation(1.0, int(rng.integers(0, 256))),
        Quantisation(float(f32(rng.random() + 0.01)), int(rng.integers(0, 256))),
    )
    return Case(query, keys, values, start, of)
