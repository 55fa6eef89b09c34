"""A job under way: what is still to be evaluated, what it has said, and when. Knows no other job and no device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hollama.engine.chain import Chain, logprobs
from hollama.engine.job import End, Job, Token
from hollama.engine.pool import Context
from hollama.interfaces import Logits
from hollama.sampling.options import integer

Clock = Callable[[], int]  # nanoseconds

_UNLIMITED = 10  # contexts: what an answer without num_predict is bounded by, as in Ollama


class Delivery(Protocol):
    """The engine's end of a job's stream."""

    @property
    def cancelled(self) -> bool: ...

    def put(self, event: Token | End | BaseException) -> None: ...


@dataclass(frozen=True)
class Ticket:
    """A job that waits for a slot."""

    job: Job
    chain: Chain
    delivery: Delivery
    context: int  # tokens of context the job may fill


class Slot:
    """One running job. `pending` is never empty: the tokens to evaluate before it can say the next one."""

    def __init__(self, ticket: Ticket, context: Context, clock: Clock) -> None:
        self.ticket = ticket
        self.context = context
        self.pending = list(ticket.job.prompt[len(context.tokens) :])
        self.served = 0  # the step that last evaluated a piece of its prompt
        self._cached = len(context.tokens)
        self._tokens: list[int] = []
        self._generated = 0
        self._most = most_tokens(ticket)
        self._clock = clock
        self._started = self._spoke = clock()

    @property
    def full(self) -> bool:
        """Whether the pending tokens leave no room for the one they lead to."""
        return len(self.context.tokens) + len(self.pending) >= self.ticket.context

    def evaluated(self, count: int) -> None:
        """Note that the context holds the first `count` pending tokens now."""
        self.context.tokens += self.pending[:count]
        del self.pending[:count]

    def speak(self, logits: Logits) -> list[Token | End]:
        """Draw a token from the logits that follow the last pending one; it is pending next."""
        if not self._generated:
            self._spoke = self._clock()
        token = self.ticket.chain.pick(logits)
        self._generated += 1
        if token in self.ticket.job.stop_tokens:
            return [self._end("stop")]
        text, stopped = self.ticket.job.listener.accept(token)
        self._tokens.append(token)
        self.pending = [token]
        said = Token(token, text, *self._logprobs(logits, token))
        reason = self._reason(stopped)
        return [said, self._end(reason)] if reason else [said]

    def shifted(self) -> tuple[int, list[int]]:
        """How much of a full context stays in place, and what follows it once the older half is forgotten."""
        window = self.context.tokens + self.pending
        keep = kept_tokens(self.ticket)
        return keep, window[keep + (len(window) - keep) // 2 :]

    def _logprobs(self, logits: Logits, token: int) -> tuple[float | None, tuple[tuple[int, float], ...]]:
        count = self.ticket.job.top_logprobs
        return (None, ()) if count is None else logprobs(logits, token, count)

    def _reason(self, stopped: bool) -> str:
        if stopped:
            return "stop"
        return "length" if self._generated >= self._most or (self.full and not self.ticket.job.shift) else ""

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
        )


def most_tokens(ticket: Ticket) -> int:
    """The bound of an answer: num_predict, but never beyond ten contexts, which 0 and less stand for."""
    bound = _UNLIMITED * ticket.context
    wanted = integer(ticket.job.options, "num_predict", -1)
    return min(wanted, bound) if wanted > 0 else bound


def kept_tokens(ticket: Ticket) -> int:
    """Tokens at the start that a shift leaves alone: num_keep, less than 0 for the whole prompt."""
    wanted = integer(ticket.job.options, "num_keep", 4)
    prompt = len(ticket.job.prompt)
    return max(0, min(prompt if wanted < 0 else wanted, ticket.context - 4))
