"""Reads the vocabulary in a GGUF file's metadata, by llama.cpp's rules. Opens no file.

Token types and defaults: src/llama-vocab.cpp, `llama_vocab::impl::load`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from gguf import TokenType
from numpy.typing import NDArray
from tokenizers import AddedToken

from hollama.compiler.tokenizers.assemble import MAX_ID, added_token, check_token
from hollama.compiler.tokenizers.byte_level import byte_level, parse_merges
from hollama.compiler.tokenizers.families import family
from hollama.compiler.tokenizers.sentencepiece import ScoredToken, sentencepiece_bpe
from hollama.compiler.tokenizers.wordpiece import marked, wordpiece
from hollama.errors import CompileError

_PREFIX = "tokenizer.ggml."
_SPECIAL = ("bos", "eos", "eot", "eom", "unknown")
_UNSET = 0xFFFFFFFF
_FIND_SPECIAL = (TokenType.CONTROL, TokenType.UNKNOWN)
_NEVER_JOINED = (TokenType.CONTROL, TokenType.UNKNOWN, TokenType.BYTE)
_SENTENCEPIECE_BOS = 1
_BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class _Vocabulary:
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    special: Mapping[str, int]  # "bos", "eos", ... to ids

    def ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def added(self) -> dict[int, AddedToken]:
        named = set(self.special.values())
        found = {}
        for index, (token, kind) in enumerate(zip(self.tokens, self.types, strict=True)):
            special = kind in _FIND_SPECIAL or index in named
            if special or kind == TokenType.USER_DEFINED:
                found[index] = added_token(token, special=special)
        return found


def from_gguf(metadata: Mapping[str, object]) -> bytes:
    """The bytes of a tokenizer.json. Raises CompileError for a vocabulary that is missing, contradictory or unknown."""
    model = metadata.get(f"{_PREFIX}model")
    build = _BUILDERS.get(model) if isinstance(model, str) else None
    if build is None:
        known = ", ".join(_BUILDERS)
        raise CompileError(f'the GGUF file\'s "{_PREFIX}model" is {model!r:.60}; expected one of {known}')
    return build(metadata)


def _byte_level(metadata: Mapping[str, object]) -> bytes:
    vocabulary = _vocabulary(metadata)
    found = family(metadata.get(f"{_PREFIX}pre"))
    return byte_level(
        vocabulary.ids(),
        parse_merges(_list(metadata, "merges")),
        found,
        added=vocabulary.added(),
        bos=_bos(metadata, vocabulary.special.get("bos"), default=found.adds_bos),
    )


def _sentencepiece(metadata: Mapping[str, object]) -> bytes:
    vocabulary = _vocabulary(metadata)
    scores = _numbers(metadata, "scores", len(vocabulary.tokens)).astype(float)
    unknown = vocabulary.special.get("unknown")
    return sentencepiece_bpe(
        [
            ScoredToken(token, score, kind not in _NEVER_JOINED)
            for token, score, kind in zip(vocabulary.tokens, scores.tolist(), vocabulary.types, strict=True)
        ],
        extra={},
        unknown=None if unknown is None else vocabulary.tokens[unknown],
        added=vocabulary.added(),
        bos=_bos(metadata, vocabulary.special.get("bos", _SENTENCEPIECE_BOS), default=True),
        space_prefix=_flag(metadata, "add_space_prefix", default=True),
    )


def _wordpiece(metadata: Mapping[str, object]) -> bytes:
    """Lower case whatever the file says, as llama.cpp."""
    vocabulary = _vocabulary(metadata)
    tokens = [marked(token) for token in vocabulary.tokens]
    added = {index: added_token(token, special=True) for index, token in enumerate(tokens) if token in _BERT_SPECIAL}
    return wordpiece(tokens, added=added, lowercase=True)


_BUILDERS: Mapping[str, Callable[[Mapping[str, object]], bytes]] = {
    "gpt2": _byte_level,
    "llama": _sentencepiece,
    "bert": _wordpiece,
}


def _vocabulary(metadata: Mapping[str, object]) -> _Vocabulary:
    listed = _list(metadata, "tokens")
    if not 0 < len(listed) <= MAX_ID:
        raise CompileError(f"the GGUF file's vocabulary has {len(listed)} tokens; expected 1 to {MAX_ID}")
    # An empty token is a placeholder that no text can become.
    tokens = tuple(check_token(token or f"[EMPTY_{index}]", index) for index, token in enumerate(listed))
    if len(set(tokens)) < len(tokens):
        first = {token: index for index, token in reversed(list(enumerate(tokens)))}
        twice = next(index for index, token in enumerate(tokens) if first[token] != index)
        raise CompileError(f"token {twice}, {tokens[twice]!r:.60}, is also token {first[tokens[twice]]}")
    types: tuple[int, ...] = (int(TokenType.NORMAL),) * len(tokens)
    if f"{_PREFIX}token_type" in metadata:
        types = tuple(_numbers(metadata, "token_type", len(tokens), kinds="iu").tolist())
    ids = {name: _token_id(metadata, name, len(tokens)) for name in _SPECIAL}
    return _Vocabulary(tokens, types, {name: index for name, index in ids.items() if index is not None})


def _list(metadata: Mapping[str, object], name: str) -> list[object]:
    value = metadata.get(_PREFIX + name)
    if not isinstance(value, list | tuple):
        raise CompileError(f'the GGUF file has no list "{_PREFIX}{name}"; is its vocabulary complete?')
    return list(value)


def _numbers(metadata: Mapping[str, object], name: str, count: int, kinds: str = "iuf") -> NDArray[np.generic]:
    """One number for each token."""
    value = metadata.get(_PREFIX + name)
    try:
        numbers = np.asarray(value)
    except (ValueError, OverflowError):
        numbers = np.empty(0)
    if numbers.ndim != 1 or len(numbers) != count or numbers.dtype.kind not in kinds:
        raise CompileError(f'the GGUF file\'s "{_PREFIX}{name}" should hold {count} numbers, one for each token')
    return numbers


def _flag(metadata: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = metadata.get(_PREFIX + name, default)
    if not isinstance(value, bool):
        raise CompileError(f'the GGUF file\'s "{_PREFIX}{name}" is {value!r:.60}; expected true or false')
    return value


def _token_id(metadata: Mapping[str, object], name: str, count: int) -> int | None:
    value = metadata.get(f"{_PREFIX}{name}_token_id")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise CompileError(f"the GGUF file's \"{_PREFIX}{name}_token_id\" is {value!r:.60}; expected a token's id")
    if value in (-1, _UNSET):
        return None
    if not 0 <= value < count:
        raise CompileError(f'the GGUF file\'s "{_PREFIX}{name}_token_id" is {value!r:.60}, with {count} tokens')
    return value


def _bos(metadata: Mapping[str, object], bos: int | None, *, default: bool) -> int | None:
    """The id to put in front of a text, if the model wants one there."""
    if not _flag(metadata, "add_bos_token", default=default):
        return None
    if bos is None and f"{_PREFIX}add_bos_token" in metadata:
        raise CompileError(f'the GGUF file asks for a token in front, but has no "{_PREFIX}bos_token_id"')
    return bos
