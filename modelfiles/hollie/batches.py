"""Conversations -> batches of token ids: short ones packed into rows with a document mask, long ones a row each.

The order depends on the seed alone and a batch is found again by its place, so that training can resume anywhere.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from . import corpus
from .sample import Sample

LENGTHS = (128, 256, 384, 512, 1024, 2048)
PACKED = 256  # up to this length rows hold several conversations; longer ones have rows of their own
FILL, IGNORED = 256, -100
POOL = 4096  # conversations whose batches are shuffled together

Coded = tuple[list[int], list[bool]]  # token ids, and which of them are to be predicted


@dataclass(frozen=True)
class Batch:
    """ids and documents, each (rows, length); places (indices into rows times length) that predict the targets.

    Both are filled up to a multiple of FILL, the targets with IGNORED: every new size costs a kernel.
    """

    ids: Tensor
    places: Tensor
    targets: Tensor
    documents: Tensor | None


def coded(sample: Sample, compact: bool, tokenizer: Tokenizer) -> Coded:
    """The tokens of a conversation and which of them the model has to say."""
    pieces = corpus.segments(sample, compact)
    ids, said = [], []
    for encoding, (_, learned) in zip(tokenizer.encode_batch([text for text, _ in pieces]), pieces, strict=True):
        ids += encoding.ids
        said += [learned] * len(encoding.ids)
    return ids, said


def batch(rows: list[list[Coded]], length: int) -> Batch:
    """A batch of rows, each of which holds conversations one after the other."""
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    documents = torch.full((len(rows), length), -1)
    said = torch.zeros(len(rows), length, dtype=torch.bool)
    for r, row in enumerate(rows):
        at = 0
        for number, (tokens, wanted) in enumerate(row):
            span = slice(at, at := at + len(tokens))
            ids[r, span], said[r, span], documents[r, span] = torch.tensor(tokens), torch.tensor(wanted), number
    places, targets = said.flatten().nonzero()[:, 0] - 1, ids[said]
    missing = -len(places) % FILL
    places, targets = F.pad(places, (0, missing)), F.pad(targets, (0, missing), value=IGNORED)
    return Batch(ids, places, targets, documents if length <= PACKED else None)


def packed(short: list[Coded], length: int) -> list[list[Coded]]:
    """Rows of at most `length` tokens, filled best fit over a few open rows."""
    full: list[list[Coded]] = []
    rows: list[tuple[int, list[Coded]]] = []
    for one in short:
        size = len(one[0])
        fits = max((row for row in rows if row[0] + size <= length), key=lambda row: row[0], default=None)
        if fits is not None:
            rows.remove(fits)
        used, held = fits or (0, [])
        rows.append((used + size, [*held, one]))
        if len(rows) > 16:
            fullest = max(rows, key=lambda row: row[0])
            rows.remove(fullest)
            full.append(fullest[1])
    return full


def pool(number: int, seed: int, tokens: int, tokenizer: Tokenizer) -> list[Batch]:
    """The shuffled batches, of `tokens` tokens each, of one pool; conversations that fill no batch are dropped."""
    rng = random.Random(f"{seed}/{number}")
    sorted_in: dict[int, list[Coded]] = {length: [] for length in LENGTHS}
    for _ in range(POOL):
        one = coded(corpus.draw(rng), rng.random() < 0.5, tokenizer)
        if len(one[0]) <= LENGTHS[-1]:
            sorted_in[next(length for length in LENGTHS if len(one[0]) <= length)].append(one)
    made = []
    for length, all_of_it in sorted_in.items():
        rows, size = packed(all_of_it, length), tokens // length
        made += [batch(rows[at : at + size], length) for at in range(0, len(rows) - size + 1, size)]
    rng.shuffle(made)
    return made


def batches(seed: int, tokens: int, tokenizer: Tokenizer, start: tuple[int, int]) -> Iterator[tuple[tuple[int, int],
    Batch]]:
    """All batches from a place (pool, number in the pool) on, each with the place after it."""
    first, skipped = start
    for number in itertools.count(first):
        for at, one in enumerate(pool(number, seed, tokens, tokenizer)):
            if number > first or at >= skipped:
                yield (number, at + 1), one
