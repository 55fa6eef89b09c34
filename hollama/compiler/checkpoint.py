"""A checkpoint as the compiler sees it, whatever file it came from. Knows no quantisation and no package."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.tokenizers import begins_with, open_tokenizer
from hollama.errors import CompileError
from hollama.models.architecture import Architecture
from hollama.models.decoder import DecoderShape

_LARGEST = 1e6  # of any weight: what was trained has a thousandth of it, and sums of products stay finite


class Tensors(Protocol):
    """Weights by Hugging Face's names, read when asked for."""

    def shape(self, name: str) -> tuple[int, ...] | None:
        """None if there is no such weight."""
        ...

    def float32(self, name: str) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids that mean something, and how the two best known are written."""

    bos_id: int | None = None
    bos: str = ""
    eos: str = ""
    stop_ids: tuple[int, ...] = ()  # each of them ends an answer
    add_bos: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """Everything that becomes part of a package."""

    architecture: Architecture
    shape: DecoderShape
    tensors: Tensors
    tokenizer: bytes  # tokenizer.json
    special: SpecialTokens
    chat_template: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)  # generation defaults, Ollama's names
    metadata: Mapping[str, Any] = field(default_factory=dict)  # GGUF's keys


def weight(tensors: Tensors, name: str, expected: tuple[int, ...]) -> NDArray[np.float32]:
    """A weight, checked. Raises CompileError if it is missing, of another shape, not finite or beyond all sense."""
    shape = tensors.shape(name)
    if shape is None:
        raise CompileError(f'the checkpoint has no weight "{name}"; is it complete?')
    if shape != expected:
        raise CompileError(f'"{name}" has shape {shape}, the config says {expected}')
    values = tensors.float32(name)
    largest = max(float(values.max()), -float(values.min()))
    if not math.isfinite(largest):
        raise CompileError(f'"{name}" holds values that are not finite; the checkpoint is damaged')
    if largest > _LARGEST:
        raise CompileError(
            f'"{name}" holds values up to {largest:.3g}; expected {_LARGEST:,.0f} at most, the checkpoint is damaged'
        )
    return values


def describe(architecture: Architecture, shape: DecoderShape) -> dict[str, Any]:
    """GGUF's keys for a checkpoint that came without them."""
    name = architecture.name
    return {
        "general.architecture": name,
        f"{name}.attention.head_count": shape.heads,
        f"{name}.attention.head_count_kv": shape.kv_heads,
        f"{name}.{architecture.names.eps}": shape.eps,
        f"{name}.block_count": shape.layers,
        f"{name}.context_length": shape.context,
        f"{name}.embedding_length": shape.hidden,
        f"{name}.feed_forward_length": shape.intermediate,
        f"{name}.vocab_size": shape.vocab,
    }


def adds_bos(tokenizer: bytes) -> bool:
    """Whether a tokenizer.json puts something in front of a text by itself."""
    return bool(begins_with(open_tokenizer(tokenizer)))
