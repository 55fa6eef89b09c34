"""SentencePiece's tokenizer.model: pieces with scores, and how text is normalised. Knows no algorithm that uses them.

The file is one protobuf message, described by `sentencepiece.proto`. A piece's id is its place. Exactly one piece is
the unknown one; BOS, EOS and padding are control pieces found by the names the trainer gave them. With byte fallback,
256 pieces `<0x00>` to `<0xFF>` spell what no other piece does.

Source: google/sentencepiece, src/sentencepiece_model.proto and src/model_interface.cc.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from hollama.errors import SentencePieceError
from hollama.formats import sentencepiece_pb2 as pb

MAX_SIZE = 16 << 20  # bytes; the largest known have 5 MB, and an empty piece of 2 bytes takes 50 in memory
ALGORITHMS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
BYTE_NAMES = frozenset(f"<0x{byte:02X}>" for byte in range(256))


class PieceType(IntEnum):
    """What a piece is for."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; a space is U+2581. The score is a log probability, or minus the rank of a merge."""

    text: str
    score: float
    type: PieceType


@dataclass(frozen=True)
class SentencePieceModel:
    """A whole tokenizer.model; ids count pieces from 0."""

    pieces: tuple[Piece, ...]
    algorithm: str  # "unigram", "bpe", "word" or "char"
    unk_id: int
    bos_id: int | None
    eos_id: int | None
    pad_id: int | None
    byte_fallback: bool
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool
    treat_whitespace_as_suffix: bool
    charsmap: bytes  # SentencePiece's compiled normalisation rules, empty for none

    @classmethod
    def open(cls, path: Path) -> SentencePieceModel:
        """Raises SentencePieceError, OSError."""
        with path.open("rb") as file:
            return cls.parse(file.read(MAX_SIZE + 1))

    @classmethod
    def parse(cls, data: bytes) -> SentencePieceModel:
        """The content of a tokenizer.model. Raises SentencePieceError."""
        if len(data) > MAX_SIZE:
            raise SentencePieceError(f"a SentencePiece model of more than {MAX_SIZE} bytes cannot be right")
        try:
            model: pb.Model = pb.Model.FromString(data)
        except DecodeError as error:
            raise SentencePieceError(f"not a SentencePiece model: {error}") from None
        pieces = tuple(_piece(i, piece) for i, piece in enumerate(model.pieces))
        trainer, normalizer = model.trainer, model.normalizer
        ids = _ids(pieces)
        if trainer.model_type not in ALGORITHMS:
            raise SentencePieceError(f"the SentencePiece model has the unknown type {trainer.model_type}")
        if trainer.byte_fallback and not ids.keys() >= BYTE_NAMES:
            raise SentencePieceError("the SentencePiece model promises byte fallback, but lacks some of the 256 bytes")
        return cls(
            pieces=pieces,
            algorithm=ALGORITHMS[trainer.model_type],
            unk_id=_unknown(pieces),
            bos_id=_control(pieces, ids, trainer.bos_piece),
            eos_id=_control(pieces, ids, trainer.eos_piece),
            pad_id=_control(pieces, ids, trainer.pad_piece),
            byte_fallback=trainer.byte_fallback,
            add_dummy_prefix=normalizer.add_dummy_prefix,
            remove_extra_whitespaces=normalizer.remove_extra_whitespaces,
            escape_whitespaces=normalizer.escape_whitespaces,
            treat_whitespace_as_suffix=trainer.treat_whitespace_as_suffix,
            charsmap=normalizer.charsmap,
        )


def _piece(index: int, piece: pb.Piece) -> Piece:
    try:
        kind = PieceType(piece.type)
    except ValueError:
        raise SentencePieceError(f"piece {index} has the unknown type {piece.type}") from None
    if not piece.text:
        raise SentencePieceError(f"piece {index} is empty")
    if not isinstance(piece.text, str):  # protobuf's reader gives bytes where a string is not UTF-8
        raise SentencePieceError(f"piece {index} is not UTF-8")
    if not math.isfinite(piece.score):
        raise SentencePieceError(f"piece {index}, {piece.text!r:.50}, has the score {piece.score}")
    if kind is PieceType.BYTE and piece.text not in BYTE_NAMES:
        raise SentencePieceError(f"piece {index}, {piece.text!r:.50}, should be a byte such as <0x0A>")
    return Piece(piece.text, piece.score, kind)


def _ids(pieces: Sequence[Piece]) -> Mapping[str, int]:
    ids = {piece.text: i for i, piece in enumerate(pieces)}
    if len(ids) < len(pieces):
        twice = next(piece.text for i, piece in enumerate(pieces) if ids[piece.text] != i)
        raise SentencePieceError(f"the SentencePiece model has the piece {twice!r:.50} twice")
    return ids


def _unknown(pieces: Sequence[Piece]) -> int:
    found = [i for i, piece in enumerate(pieces) if piece.type is PieceType.UNKNOWN]
    if len(found) != 1:
        raise SentencePieceError(f"the SentencePiece model has {len(found)} unknown pieces; expected one")
    return found[0]


def _control(pieces: Sequence[Piece], ids: Mapping[str, int], name: str) -> int | None:
    found = ids.get(name)
    return found if found is not None and pieces[found].type is PieceType.CONTROL else None
