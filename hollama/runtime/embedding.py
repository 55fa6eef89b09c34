"""Texts to vectors: tokens that fit, the pooling that the model wants, the length that was asked for. Knows no HTTP.

Pooling is the metadata's `<architecture>.pooling_type`, as llama.cpp counts them. A decoder without one gives the state
of its last token, which alone has seen all the others; so did Ollama while it embedded with such models, before 0.30.
Source: facts about the API, 4.3 and 4.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast, get_args

import numpy as np

from hollama.engine import Pooling, Texts, Vector
from hollama.errors import ContextOverflow, RequestError
from hollama.formats.package import PackageInfo
from hollama.runtime.loading import Running
from hollama.types import EmbedRequest

_POOLINGS = ("none", "mean", "cls", "last", "rank")
_WORDPIECE = "bert"
_TOKENIZER = "tokenizer.ggml."


async def embed(running: Running, request: EmbedRequest, context: int, adapter: str) -> tuple[tuple[Vector, ...], int]:
    """A vector for each text, and how many tokens all of them had. `context` is tokens, `adapter` may be empty.

    Raises RequestError and its kind, in Ollama's words; BackendError.
    """
    way = pooling(running.info)
    texts = await asyncio.to_thread(_tokens, running, request, context)
    vectors = await running.engine.embed(Texts(texts, way, adapter))
    if not all(np.isfinite(vector).all() for vector in vectors):
        raise RequestError("embedding contains NaN or Inf values")
    finished = tuple(_finish(vector, request, is_normalised(running.info)) for vector in vectors)
    return finished, sum(map(len, texts))


def pooling(info: PackageInfo) -> Pooling:
    """Raises RequestError for a model whose states do not make one vector of a text."""
    number = info.metadata.get(f"{info.architecture}.pooling_type")
    if number is None:
        return "last"
    name = _POOLINGS[number] if type(number) is int and number in range(len(_POOLINGS)) else f"{number!s:.40}"
    if name not in get_args(Pooling):
        raise RequestError(f"Pooling type '{name}' is not OAI compatible. Please use a different pooling type")
    return cast(Pooling, name)


def is_normalised(info: PackageInfo) -> bool:
    """Whether the model's own vectors have the length 1."""
    name, known = info.architecture, info.metadata
    if f"{name}.pooling_type" not in known:
        return False
    foreign = name == _WORDPIECE and known.get(f"{_TOKENIZER}model", _WORDPIECE) != _WORDPIECE
    return bool(known.get(f"{name}.normalize_embeddings", not foreign and name != "nomic-bert"))


def _finish(vector: Vector, request: EmbedRequest, unit: bool) -> Vector:
    """The vector as it was asked for: of the length 1, and not longer than wanted."""
    if request.normalised or unit:
        vector = _normalise(vector)
    if 0 < request.dimensions < len(vector):
        return _normalise(vector[: request.dimensions])
    return vector


def _normalise(vector: Vector) -> Vector:
    wide = vector.astype(np.float64)
    return (wide / max(float(np.linalg.norm(wide)), 1e-12)).astype(np.float32)


def _tokens(running: Running, request: EmbedRequest, context: int) -> tuple[tuple[int, ...], ...]:
    encode, after = running.tokenizer.encode, _end(running.info)
    before = encode("", begin=True) if running.info.add_bos else []
    room = context - len(before) - len(after)
    if room < 1:
        raise ContextOverflow("input after truncation exceeds maximum context length")
    texts = [(*before, *_cut(encode, text, room, request.truncate), *after) for text in request.texts]
    if () in texts:
        raise RequestError("Input content cannot be empty")
    return tuple(texts)


def _cut(encode: Callable[[str], list[int]], text: str, room: int, truncate: bool) -> Sequence[int]:
    tokens = encode(text)
    if len(tokens) > room and not truncate:
        raise ContextOverflow("the input length exceeds the context length")
    return tokens[:room]


def _end(info: PackageInfo) -> list[int]:
    """What closes a text: the separator of WordPiece models, the end of those that want one."""
    known, wordpiece = info.metadata, info.metadata.get(f"{_TOKENIZER}model") == _WORDPIECE
    if not known.get(f"{_TOKENIZER}add_eos_token", wordpiece):
        return []
    names = ("seperator_token_id", "eos_token_id")  # llama.cpp's spelling
    found = (known.get(_TOKENIZER + name) for name in (names if wordpiece else names[1:]))
    ids = [token for token in (*found, *info.eos_token_ids) if isinstance(token, int)]
    return ids[:1]
