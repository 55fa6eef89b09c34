"""A null model, a scheduler without a thread, and both ends of a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hollama_backends.null import NullModel, hashed

from hollama.engine.answer import Ticket
from hollama.engine.engine import make_ticket
from hollama.engine.job import End, Job, Scored, Token
from hollama.engine.scheduler import Scheduler
from hollama.interfaces import Limits, LoadedModel, Logits, SamplerSpec

VOCAB = 40
# Parts of a job; all else is an option.
_PARTS = ("stop_tokens", "shift", "top_logprobs", "scored_from", "answered", "adapter")


class Ears:
    """A listener whose text is the ids; stops after a token in `stop`."""

    def __init__(self, stop: frozenset[int] = frozenset()) -> None:
        self.stop = stop

    def accept(self, token: int) -> tuple[str, bool]:
        return f"{token} ", token in self.stop

    def flush(self) -> str:
        return ""


@dataclass
class Box:
    """A delivery that keeps what it gets."""

    cancelled: bool = False
    events: list[Token | Scored | End | BaseException] = field(default_factory=list)

    def put(self, event: Token | Scored | End | BaseException) -> None:
        self.events.append(event)

    @property
    def tokens(self) -> list[int]:
        return [event.id for event in self.events if isinstance(event, Token)]

    @property
    def scores(self) -> list[float]:
        return [value for event in self.events if isinstance(event, Scored) for value in event.logprobs]

    @property
    def end(self) -> End:
        assert isinstance(self.events[-1], End), self.events[-1]
        return self.events[-1]


class Desk:
    """A scheduler that is checked after every step."""

    def __init__(self, model: LoadedModel, parallel: int = 2, samplers: tuple[SamplerSpec, ...] = ()) -> None:
        self.model, self.samplers = model, samplers
        self.scheduler = Scheduler(model, parallel)

    def submit(self, prompt: Any, listener: Any = None, **options: Any) -> Box:
        box = Box()
        extra = {key: options.pop(key) for key in _PARTS if key in options}
        job = Job(tuple(prompt), listener or Ears(), {"seed": 7, **options}, **extra)
        self.scheduler.submit(self.ticket(job, box))
        return box

    def ticket(self, job: Job, box: Box) -> Ticket:
        return make_ticket(job, box, self.model, self.samplers, self.model.limits.context)

    def step(self) -> None:
        self.scheduler.step()
        self.scheduler.check()

    def run(self) -> None:
        while self.scheduler.busy or self.scheduler.waiting:
            self.step()

    def answer(self, prompt: Any, **options: Any) -> Box:
        box = self.submit(prompt, **options)
        self.run()
        return box


def echoing(vocab_size: int) -> Callable[[Sequence[int]], Logits]:
    """Text that repeats itself, mostly: what follows is decided by the last token, and a little by all the history."""
    noise = hashed(vocab_size)
    return lambda history: 4 * noise(history[-1:]) + noise(history) / 8


def null_model(context: int = 64, chunk: int = 8, sessions: int = 16, **more: Any) -> NullModel:
    return NullModel(hashed(VOCAB), VOCAB, Limits(context, chunk, sessions, **more))
