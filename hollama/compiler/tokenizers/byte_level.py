"""Byte-level BPE, as GPT-2 has it: words are spelt in 256 characters that stand for bytes, then merged by rank."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from tokenizers import AddedToken, decoders
from tokenizers.models import BPE
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import ByteLevel

from hollama.compiler.tokenizers.assemble import assemble, library_errors
from hollama.compiler.tokenizers.families import Family
from hollama.errors import CompileError

_NEVER_IN_UTF8 = frozenset("ÀÁõö÷øùúûüýþÿ")  # the bytes C0, C1 and F5 to FF


def byte_level(
    vocab: Mapping[str, int],
    merges: Iterable[tuple[str, str]],
    family: Family,
    *,
    added: Mapping[int, AddedToken],
    bos: int | None,
    normalizer: Normalizer | None = None,
) -> bytes:
    """The bytes of a tokenizer.json; merges come best first. Raises CompileError for merges of unknown tokens."""
    missing = [char for char in ByteLevel.alphabet() if char not in vocab and char not in _NEVER_IN_UTF8]
    if missing:
        logging.getLogger(__name__).warning(
            "the vocabulary lacks %d bytes of UTF-8, which texts will lose", len(missing)
        )
    ranked = list(dict.fromkeys(merges))
    _check_merges(vocab, ranked)
    with library_errors("the vocabulary makes no tokenizer"):
        model = BPE(dict(vocab), ranked, ignore_merges=family.whole_words)
    return assemble(
        model,
        added=added,
        bos=bos,
        decoder=decoders.ByteLevel(),
        normalizer=normalizer,
        pre_tokenizer=family.pre_tokenizer(),
    )


def parse_merges(lines: Sequence[object]) -> list[tuple[str, str]]:
    """Merges written as "left right". Raises CompileError."""
    merges = []
    for rank, line in enumerate(lines):
        left, _, right = line.partition(" ") if isinstance(line, str) else ("", "", "")
        if not left or not right or " " in right:
            raise CompileError(f"merge {rank} is {line!r:.60}; expected two tokens with a space between")
        merges.append((left, right))
    return merges


def _check_merges(vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
    for rank, (left, right) in enumerate(merges):
        for token in (left, right, left + right):
            if token not in vocab:
                raise CompileError(f"merge {rank}, {left!r:.60} with {right!r:.60}, needs the token {token!r:.60}")
