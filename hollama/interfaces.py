"""The seams of hollama: what a plugin implements, and nothing else.

A plugin author reads this page and `hookspecs.py`. Every seam is a Protocol (no base class to inherit) and what an
implementation can do is declared in frozen fields, never found out with `hasattr`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hollama.types import JsonObject, Thoughts

Logits = NDArray[np.float32]  # (vocabulary,)
T = TypeVar("T")

# ── samplers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Sampler(Protocol):
    """One link of the chain that turns a step's logits into the distribution a token is drawn from."""

    def apply(self, logits: Logits) -> Logits:
        """Return the new logits; `-inf` forbids a token. May reuse the array it was given."""
        ...

    def accept(self, token: int) -> None:
        """Learn which token was drawn."""
        ...

    def reset(self) -> None:
        """Forget everything learnt since the sampler was built."""
        ...

    def clone(self) -> Sampler:
        """An independent sampler in the same state."""
        ...


class Vocabulary(Protocol):
    """A loaded model's tokens, for samplers that look at the text of an answer."""

    stop_tokens: frozenset[int]

    def pieces(self) -> list[bytes]:
        """The bytes each token adds to running text, by id; empty for a control token. Slow: use it in `derive`."""
        ...

    def derive(self, make: Callable[[Vocabulary], T]) -> T:
        """What `make` makes of this vocabulary: made once for a loaded model, shared by all its requests."""
        ...


@dataclass(frozen=True)
class SamplerContext:
    """What a sampler may know of its request."""

    options: Mapping[str, Any]  # merged: built-in defaults < Modelfile < request; `format` is the request's
    prompt: Sequence[int]  # token ids
    vocab_size: int
    context: int  # tokens the model can hold
    vocabulary: Vocabulary | None = None  # None where only ids are known
    thoughts: Thoughts | None = None  # None where the answer begins at once


@dataclass(frozen=True)
class SamplerSpec:
    """A sampler on offer. `build` returns None where the options leave it switched off.

    A sampler without state may be a plain function from logits to logits. The chain runs in ascending `order`; ours
    keep llama.cpp's: constraint 50, penalties 100, top-k 200, typical-p 300, top-p 400, min-p 500, temperature 600,
    mirostat 700, greedy 900.
    """

    name: str
    order: int
    build: Callable[[SamplerContext], Sampler | Callable[[Logits], Logits] | None]
    options: tuple[str, ...] = ()  # names it reads, so that a Modelfile's PARAMETER may set them
    help: str = ""
    check: Callable[[Mapping[str, Any]], None] | None = None  # RequestError for bad options, before a model is loaded


# ── tokenizers ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Tokenizer(Protocol):
    """Text to token ids and back."""

    vocab_size: int

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        """Ids of `text`, special tokens written out in it included; `begin` adds what the model wants in front."""
        ...

    def piece(self, token: int) -> bytes:
        """The bytes a token adds to running text; empty for a control token."""
        ...

    def control(self, token: int) -> bool:
        """Whether the token is a control token, which is never shown."""
        ...


@dataclass(frozen=True)
class TokenizerSpec:
    """A kind of tokenizer: `open` reads the package's tokenizer resource; it raises FormatError if that lies."""

    name: str
    open: Callable[[bytes], Tokenizer]
    help: str = ""


# ── calls of tools ────────────────────────────────────────────────────────────────────────────────────────────────────

Call = tuple[str, JsonObject]  # a tool's name and its arguments


@dataclass(frozen=True)
class CallRegion:
    """A part of an answer that holds calls: from `opening` to `closing`, or to the answer's end where that is empty.

    `read` gives the calls in what is between, () where it holds none (then all of it is text), and None where a call
    is not complete: then the closing was part of it. It gets the request's tools; it must not raise.
    """

    opening: str
    closing: str
    read: Callable[[str, Sequence[JsonObject]], Sequence[Call] | None]


@dataclass(frozen=True)
class CallFormatSpec:
    """How a family of models writes calls. The first in ascending `order` that `matches` a template's text is taken.

    A Modelfile's PARSER may name one too. Ours go from 100 to 900, which is plain JSON and matches every template.
    """

    name: str
    order: int
    matches: Callable[[str], bool]
    regions: tuple[CallRegion, ...] = ()
    frames: tuple[str, ...] = ()  # what stands around calls and text, and is dropped
    bare: bool = False  # an answer may also be the JSON of a call, without an opening
    tagged_json: bool = True  # Ollama's rule for Go templates (a tag, then JSON with a tool's name) can read it
    help: str = ""


# ── adapters ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class LowRankPair:
    """The update `scale * b @ a` of one linear layer: `a` is (rank, inputs), `b` is (outputs, rank), float32."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]
    scale: float


@dataclass(frozen=True)
class AdapterSpec:
    """A file format of LoRA adapters: `read` maps a checkpoint's weight names to their updates.

    `architecture` is GGUF's name of the model's that a file was made for, in formats that say it.
    """

    name: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Mapping[str, LowRankPair]]
    help: str = ""
    architecture: Callable[[Path], str | None] = lambda path: None


# ── backends ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Limits:
    """What a loaded model can do on its device."""

    context: int  # tokens a session can hold
    prefill_chunk: int  # most tokens of one piece of work
    sessions: int  # most sessions open at once
    rows: int = sys.maxsize  # most tokens of one step altogether; at least as many as sessions
    logits: bool = True  # False: the device samples by itself
    rewind: bool = True
    fork: bool = True
    save: bool = True
    adapters: tuple[str, ...] = ()
    hidden: int = 0  # width of the hidden states that `encode` gives; 0: it gives none
    generates: bool = True  # False: an encoder, which has no logits and takes a whole text as one piece


class Session(Protocol):
    """One context on the device: the KV cache of a conversation."""

    @property
    def position(self) -> int:
        """Tokens held."""
        ...

    def rewind(self, position: int) -> None:
        """Forget all tokens from `position` on."""
        ...

    def fork(self, position: int) -> Session:
        """A new session with the first `position` tokens of this one; what both hold may be kept once.

        Raises OutOfPages where the device has no memory for another context.
        """
        ...

    def save(self) -> bytes:
        """The context as bytes that `load` of the same package takes on any machine."""
        ...

    def load(self, data: bytes) -> None:
        """Replace the context; raises BackendError if the bytes are damaged or of another package."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Work:
    """Feed `tokens` to a session: a chunk of prefill, one token of decode, or one with guesses of what follows."""

    session: Session
    tokens: Sequence[int]
    wanted: int = 1  # how many of the last tokens want their logits or hidden states; 0 but for a prompt's last chunk


class LoadedModel(Protocol):
    """A package on a device."""

    @property
    def limits(self) -> Limits: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def memory(self) -> int:
        """Bytes held for weights and contexts."""
        ...

    @property
    def pages(self) -> tuple[int, int]:
        """Pages of KV memory in use, and how many there are; (0, 0) for a device that has none or does not tell."""
        ...

    def open(self, adapter: str = "") -> Session: ...

    def step(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        """Run one step for all of `work` (distinct sessions); logits (wanted, vocabulary) for each piece of it.

        A row never depends on what else is in the step, nor on how its session's tokens were cut into pieces. Raises
        OutOfPages, and changes nothing, where the device has no memory for the new tokens; BackendLost where nothing
        but loading the model again will help; BackendError otherwise.
        """
        ...

    def encode(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        """Run one step as `step` does; the values behind the last norm (wanted, hidden) for each piece of it.

        An encoder lets every token see all others of its piece, which has to begin its session.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class DeviceState:
    """What `hollama doctor` shows of a backend."""

    available: bool
    detail: str


@dataclass(frozen=True)
class BackendSpec:
    """An accelerator. `load` takes a HEF package and the context (tokens) wanted; raises BackendError."""

    name: str
    load: Callable[[Path, int], LoadedModel]
    probe: Callable[[], DeviceState]
    help: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)  # of the environment that it reads, and what they say
    energy: Callable[[], float | None] = lambda: None  # joules its device has used since some moment, where it tells
