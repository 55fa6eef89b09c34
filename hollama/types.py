"""Values that travel between rooms: what was asked, what comes back. No behaviour, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

JsonObject = Mapping[str, Any]
OnProgress = Callable[[str, int, int], None]  # what is going on, how much of it is done, of how much


@dataclass(frozen=True)
class ToolCall:
    """One call of a function, asked for by a model or replayed from a conversation."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""
    index: int = 0


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str = ""
    thinking: str = ""
    images: tuple[bytes, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True)
class Thoughts:
    """An answer may begin with thoughts between these tags; `begun` says that the prompt ends within them already."""

    opening: str
    closing: str
    begun: bool = False


@dataclass(frozen=True)
class Terms:
    """What every generation request may say beside its prompt."""

    options: JsonObject = field(default_factory=dict)
    keep_alive: float | None = None  # seconds; infinite for ever, 0 to unload at the end, None for the default
    think: bool | str | None = None
    format: Any = None  # "json", a JSON schema, or None
    truncate: bool = True
    shift: bool = True
    logprobs: bool = False
    top_logprobs: int = 0
    render_only: bool = False
    echo: bool = False  # the answer begins with its prompt; with logprobs, with those of the prompt too
    answered: bool = True  # False: only the prompt is evaluated


@dataclass(frozen=True)
class ChatRequest:
    """Continue a conversation."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[JsonObject, ...] = ()
    terms: Terms = Terms()


@dataclass(frozen=True)
class GenerateRequest:
    """Complete a prompt."""

    model: str
    prompt: str
    suffix: str = ""
    system: str | None = None  # None: the model's own
    template: str | None = None  # None: the model's own
    tokens: tuple[int, ...] = ()  # the prompt as token ids, in place of text; it has to be raw
    raw: bool = False
    context: tuple[int, ...] = ()
    images: tuple[bytes, ...] = ()
    terms: Terms = Terms()


@dataclass(frozen=True)
class EmbedRequest:
    """A vector for each text; without texts only load the model, or unload it if it is not to be kept."""

    model: str
    texts: tuple[str, ...]
    truncate: bool = True  # False: a text that is too long is refused
    dimensions: int = 0  # of the vectors at most; 0 and less: as many as the model has
    normalised: bool = True  # False: as long as the model makes them
    options: JsonObject = field(default_factory=dict)
    keep_alive: float | None = None  # as in Terms


@dataclass(frozen=True)
class Embedded:
    """The vectors in the order of the texts; how many tokens those were; times in nanoseconds."""

    vectors: tuple[NDArray[np.float32], ...] = ()
    tokens: int = 0
    total_ns: int = 0
    load_ns: int = 0


@dataclass(frozen=True)
class TokenLogprob:
    """Natural logarithm of a token's probability, before any sampler touched the logits; None where none is known."""

    token: str
    logprob: float | None
    bytes: tuple[int, ...]
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Statistics:
    """Counts are tokens, times are nanoseconds of the monotonic clock."""

    total_ns: int = 0
    load_ns: int = 0
    prompt_tokens: int = 0
    prompt_ns: int = 0
    generated_tokens: int = 0
    generation_ns: int = 0
    cached_tokens: int = 0  # of the prompt, taken from the KV cache
    drafted_tokens: int = 0  # guesses of what the answer would say
    accepted_tokens: int = 0  # of those, the right ones
    first_token_ns: int = 0  # from the request to its first token; 0 where none came


@dataclass(frozen=True)
class Delta:
    """A piece of an answer."""

    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Finished:
    """The end of an answer: `reason` is "stop", "length", "load" or "unload"."""

    reason: str
    statistics: Statistics = Statistics()
    context: tuple[int, ...] = ()  # prompt and answer as token ids, for /api/generate


@dataclass(frozen=True)
class Rendered:
    """The prompt as the model would see it, when only that was asked for."""

    prompt: str
    image_count: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Heard:
    """What an answer or an embedding took, for whoever keeps count. `model` is the name of an installed one."""

    model: str
    statistics: Statistics


Event = Delta | Finished | Rendered
Tokens = Sequence[int]
