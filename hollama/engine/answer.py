"""A job under way: what it has said, and when, and all that its context must hold. Knows no other job and no device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hollama.engine.chain import Chain, logprobs
from hollama.engine.drafter import Drafter
from hollama.engine.job import End, Job, Scored, Token
from hollama.engine.tokens import Tokens
from hollama.interfaces import Logits
from hollama.sampling.options import integer

Clock = Callable[[], int]  # nanoseconds

_UNLIMITED = 10  # contexts: what an answer without num_predict is bounded by, as in Ollama


class Delivery(Protocol):
    """The engine's end of a job's stream."""

    @property
    def cancelled(self) -> bool: ...

    def put(self, event: Token | Scored | End | BaseException) -> None: ...


@dataclass(frozen=True)
class Ticket:
    """A job that waits for a slot."""

    job: Job
    chain: Chain
    delivery: Delivery
    context: int  # tokens of context the job may fill
    most: int  # tokens of its answer
    keep: int  # tokens at the start of the window that a shift leaves alone
    guesses: int  # most at once


class Answer:
    """`window` is what the next token follows from: the prompt and all that was said, less what a shift forgot."""

    def __init__(self, ticket: Ticket, number: int, clock: Clock) -> None:
        self.ticket = ticket
        self.number = number  # in the order of submission
        self.window = Tokens(ticket.job.prompt, ticket.job.adapter)
        self.drafted = self.accepted = 0
        self._cached = 0
        self._tokens: list[int] = []
        self._generated = 0
        self._scored = ticket.job.scored_from or len(self.window)
        self._drafter = Drafter()
        self._clock = clock
        self._started = self._spoke = 0

    @property
    def full(self) -> bool:
        """Whether the window, after its prompt, leaves no room for the token it leads to."""
        return self._generated > 0 and len(self.window) >= self.ticket.context

    @property
    def mute(self) -> int:
        """How many tokens at the window's start there are whose logits nobody wants."""
        return (self._scored if self._scored < len(self.ticket.job.prompt) else len(self.window)) - 1

    def start(self, held: int) -> None:
        """Note that its first step comes, in a context that holds `held` tokens of its window already."""
        if not self._started:
            self._started, self._cached = self._clock(), held

    def score(self, rows: NDArray[np.float32]) -> list[Scored]:
        """Log-probabilities of the prompt's next tokens from the logits (tokens, vocabulary) that they follow."""
        found = []
        for row in rows:
            self.ticket.chain.require_sound(row)
            found.append(logprobs(row, self.ticket.job.prompt[self._scored], self.ticket.job.top_logprobs or 0))
            self._scored += 1
        values, top = zip(*found, strict=True) if found else ((), ())
        return [Scored(values, top)] if found else []

    def speak(self, logits: Logits) -> list[Token | End]:
        """Draw a token from the logits that follow the window, and add it; nothing but the end if none is wanted."""
        if not self._generated:
            self._spoke = self._clock()
        if not self.ticket.job.answered:
            return [self._end("length")]
        token = self.ticket.chain.pick(logits)
        self._generated += 1
        if token in self.ticket.job.stop_tokens:
            told = [Token(token, "", *self._logprobs(logits, token))] if self.ticket.job.scored_from else []
            return [*told, self._end("stop")]
        text, stopped = self.ticket.job.listener.accept(token)
        self._tokens.append(token)
        self.window.extend([token])
        self._drafter.follow(self.window.ids)
        said = Token(token, text, *self._logprobs(logits, token))
        reason = self._reason(stopped)
        return [said, self._end(reason)] if reason else [said]

    def guesses(self, most: int, least: float) -> list[int]:
        """Tokens that may come next, each with a probability of `least`; none that would fill the window."""
        room = min(self.ticket.context - len(self.window), self.ticket.most - self._generated) - 1
        return self._drafter.guess(self.window.ids, min(most, self.ticket.guesses, room), least)

    def shift(self) -> int:
        """Forget the older half of the window but for its first tokens, of which it returns the number."""
        keep = self.ticket.keep
        tail = self.window.ids[keep + (len(self.window) - keep) // 2 :].copy()
        self.window.cut(keep)
        self.window.extend(tail)
        self._drafter.jump(self.window.ids)
        return keep

    def _logprobs(self, logits: Logits, token: int) -> tuple[float | None, tuple[tuple[int, float], ...]]:
        count = self.ticket.job.top_logprobs
        return (None, ()) if count is None else logprobs(logits, token, count)

    def _reason(self, stopped: bool) -> str:
        if stopped:
            return "stop"
        return "length" if self._generated >= self.ticket.most or (self.full and not self.ticket.job.shift) else ""

    def _end(self, reason: str) -> End:
        return End(
            reason=reason,
            text=self.ticket.job.listener.flush(),
            prompt_tokens=len(self.ticket.job.prompt),
            cached_tokens=self._cached,
            prompt_ns=self._spoke - self._started,
            generated_tokens=self._generated,
            generation_ns=self._clock() - self._spoke,
            tokens=tuple(self._tokens),
            drafted_tokens=self.drafted,
            accepted_tokens=self.accepted,
        )


def most_tokens(job: Job, context: int) -> int:
    """The bound of an answer: num_predict, but never beyond ten contexts, which 0 and less stand for."""
    bound = _UNLIMITED * context
    wanted = integer(job.options, "num_predict", -1)
    return min(wanted, bound) if wanted > 0 else bound


def kept_tokens(job: Job, context: int) -> int:
    """Tokens at the start that a shift leaves alone: num_keep, less than 0 for the whole prompt."""
    wanted = integer(job.options, "num_keep", 4)
    return max(0, min(len(job.prompt) if wanted < 0 else wanted, context - 4))
