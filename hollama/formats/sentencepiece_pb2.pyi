# ruff: noqa
# mypy: ignore-errors
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("pieces", "trainer", "normalizer")
    PIECES_FIELD_NUMBER: _ClassVar[int]
    TRAINER_FIELD_NUMBER: _ClassVar[int]
    NORMALIZER_FIELD_NUMBER: _ClassVar[int]
    pieces: _containers.RepeatedCompositeFieldContainer[Piece]
    trainer: Trainer
    normalizer: Normalizer
    def __init__(self, pieces: _Optional[_Iterable[_Union[Piece, _Mapping]]] = ..., trainer: _Optional[_Union[Trainer, _Mapping]] = ..., normalizer: _Optional[_Union[Normalizer, _Mapping]] = ...) -> None: ...

class Piece(_message.Message):
    __slots__ = ("text", "score", "type")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    text: str
    score: float
    type: int
    def __init__(self, text: _Optional[str] = ..., score: _Optional[float] = ..., type: _Optional[int] = ...) -> None: ...

class Trainer(_message.Message):
    __slots__ = ("model_type", "treat_whitespace_as_suffix", "byte_fallback", "bos_piece", "eos_piece", "pad_piece")
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    TREAT_WHITESPACE_AS_SUFFIX_FIELD_NUMBER: _ClassVar[int]
    BYTE_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    BOS_PIECE_FIELD_NUMBER: _ClassVar[int]
    EOS_PIECE_FIELD_NUMBER: _ClassVar[int]
    PAD_PIECE_FIELD_NUMBER: _ClassVar[int]
    model_type: int
    treat_whitespace_as_suffix: bool
    byte_fallback: bool
    bos_piece: str
    eos_piece: str
    pad_piece: str
    def __init__(self, model_type: _Optional[int] = ..., treat_whitespace_as_suffix: bool = ..., byte_fallback: bool = ..., bos_piece: _Optional[str] = ..., eos_piece: _Optional[str] = ..., pad_piece: _Optional[str] = ...) -> None: ...

class Normalizer(_message.Message):
    __slots__ = ("charsmap", "add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces")
    CHARSMAP_FIELD_NUMBER: _ClassVar[int]
    ADD_DUMMY_PREFIX_FIELD_NUMBER: _ClassVar[int]
    REMOVE_EXTRA_WHITESPACES_FIELD_NUMBER: _ClassVar[int]
    ESCAPE_WHITESPACES_FIELD_NUMBER: _ClassVar[int]
    charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool
    def __init__(self, charsmap: _Optional[bytes] = ..., add_dummy_prefix: bool = ..., remove_extra_whitespaces: bool = ..., escape_whitespaces: bool = ...) -> None: ...
