"""What goes into the engine and what comes out. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hollama.interfaces import Vocabulary
from hollama.types import Thoughts


class Listener(Protocol):
    """Turns a job's tokens into text. Called on the engine's thread; if it raises, its job fails and no other."""

    def accept(self, token: int) -> tuple[str, bool]:
        """The text to show now (may be empty), and whether a stop string has ended the answer."""
        ...

    def flush(self) -> str:
        """What was held back, at the end."""
        ...


@dataclass(frozen=True)
class Job:
    """Continue `prompt` until a stop token, the listener or a limit of `options` ends it.

    `options` is complete: it has Ollama's names, `num_ctx` among them. With `scored_from` the prompt's own tokens get
    log-probabilities, from that one on (the first token has none: nothing stands before it), and a stop token is told
    like any other. What stands before may come from the prefix cache, what is scored is evaluated.
    """

    prompt: tuple[int, ...]
    listener: Listener
    options: Mapping[str, Any]
    stop_tokens: frozenset[int] = frozenset()
    shift: bool = True  # False: a full context ends the answer
    top_logprobs: int | None = None  # None: no log-probabilities at all
    vocabulary: Vocabulary | None = None  # for samplers; the engine does not look into it, nor into the thoughts
    thoughts: Thoughts | None = None
    scored_from: int | None = None  # 1 at least; None: no token of the prompt
    answered: bool = True  # False: it ends with the prompt, for the reason "length"
    adapter: str = ""  # of those that the model's limits name


@dataclass(frozen=True)
class Token:
    """One generated token; log-probabilities are natural and of the raw logits, `top` has the most probable first."""

    id: int
    text: str
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Scored:
    """The next tokens of the prompt, one at least, in order: the log-probability of each, and its `top` as a Token's.

    All of them come before the answer's first token.
    """

    logprobs: tuple[float, ...]
    top: tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True)
class End:
    """The end of a job. `reason` is "stop" or "length"; times are nanoseconds.

    `prompt_ns` runs from the job's first step to its first logits, `generation_ns` from there to the last token.
    `prompt_tokens` includes the `cached_tokens`; `generated_tokens` includes a stop token, `tokens` does not. Of the
    generated tokens, `accepted_tokens` were guessed before, among `drafted_tokens` guesses.
    """

    reason: str
    text: str
    prompt_tokens: int
    cached_tokens: int
    prompt_ns: int
    generated_tokens: int
    generation_ns: int
    tokens: tuple[int, ...]
    drafted_tokens: int = 0
    accepted_tokens: int = 0
