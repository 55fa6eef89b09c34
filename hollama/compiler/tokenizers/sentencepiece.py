"""SentencePiece's BPE as a tokenizer.json: pieces are joined best score first, what has no piece is spelt in bytes.

There is no pre-tokenizer: a space is the character U+2581 like any other, and one is put in front of a text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, decoders, normalizers
from tokenizers.models import BPE

from hollama.compiler.tokenizers.assemble import assemble, library_errors
from hollama.errors import CompileError

_SPACE = "\u2581"


@dataclass(frozen=True)
class ScoredToken:
    """One piece; `joins` tells whether smaller pieces may be joined to it, as bytes and control tokens never are."""

    text: str
    score: float
    joins: bool


def sentencepiece_bpe(
    pieces: Sequence[ScoredToken],
    *,
    extra: Mapping[str, int],
    unknown: str | None,
    added: Mapping[int, AddedToken],
    bos: int | None,
    space_prefix: bool,
) -> bytes:
    """The bytes of a tokenizer.json; ids count `pieces`, `extra` are tokens beside them. Raises CompileError."""
    vocab = {piece.text: index for index, piece in enumerate(pieces)} | dict(extra)
    merges = merges_by_score(pieces)
    with library_errors("the vocabulary makes no tokenizer"):
        model = BPE(vocab, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    replace: list[normalizers.Normalizer] = [normalizers.Replace(" ", _SPACE)]
    prefix: list[normalizers.Normalizer] = [normalizers.Prepend(_SPACE)] if space_prefix else []
    strip: list[decoders.Decoder] = [decoders.Strip(" ", left=1)] if space_prefix else []
    return assemble(
        model,
        added=added,
        bos=bos,
        normalizer=normalizers.Sequence(prefix + replace),
        decoder=decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]),
    )


def merges_by_score(pieces: Sequence[ScoredToken]) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, best score first.

    Raises CompileError for a score that is no number.
    """
    for index, piece in enumerate(pieces):
        if math.isnan(piece.score):
            raise CompileError(f"token {index}, {piece.text!r:.60}, has a score that is no number")
    parts = {piece.text for piece in pieces if piece.joins}
    ranked = sorted((piece for piece in pieces if piece.joins), key=lambda piece: -piece.score)
    return [pair for piece in ranked for pair in _splits(piece.text, parts)]


def _splits(text: str, parts: set[str]) -> Iterable[tuple[str, str]]:
    """Every cut of `text` into two known pieces."""
    for at in range(1, len(text)):
        if text[:at] in parts and text[at:] in parts:
            yield text[:at], text[at:]
