"""The sampling chain: from a step's logits to a token. Knows no sampler by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from hollama.engine.draw import RANDOM, Draw
from hollama.errors import BackendError, HollamaError, PluginError
from hollama.interfaces import Logits, Sampler, SamplerContext, SamplerSpec
from hollama.sampling.options import integer
from hollama.sampling.probabilities import largest, log_softmax, softmax


@dataclass(frozen=True)
class Stateless:
    """A plain function as a sampler."""

    function: Callable[[Logits], Logits]

    def apply(self, logits: Logits) -> Logits:
        return self.function(logits)

    def accept(self, token: int) -> None:
        pass

    def reset(self) -> None:
        pass

    def clone(self) -> Sampler:
        return self


class Chain:
    """The samplers of one job in ascending order, and its random numbers."""

    def __init__(self, specs: Sequence[SamplerSpec], context: SamplerContext) -> None:
        """Raises RequestError for options without sense, PluginError where a sampler fails in another way."""
        ordered = sorted(specs, key=lambda spec: (spec.order, spec.name))
        self._links = [link for spec in ordered if (link := _build(spec, context))]
        self._draw = Draw(integer(context.options, "seed", RANDOM))
        self._vocab_size = context.vocab_size
        self._room: Logits | None = None  # kept: to allocate this much takes longer than to fill it

    @property
    def names(self) -> tuple[str, ...]:
        """The samplers that are switched on."""
        return tuple(link.name for link in self._links)

    def pick(self, logits: Logits) -> int:
        """Draw a token and let every sampler learn it. Leaves `logits` (vocabulary,) as they are."""
        self.require_sound(logits)
        changed = self._room = np.empty_like(logits) if self._room is None else self._room
        np.copyto(changed, logits)
        for link in self._links:
            changed = link.apply(changed)
        token = self._choose(changed)
        for link in self._links:
            link.accept(token)
        return token

    def require_sound(self, logits: Logits) -> None:
        """Raises BackendError for logits that no device should give."""
        if logits.shape != (self._vocab_size,) or not np.isfinite([logits.min(), logits.max()]).all():
            raise BackendError("the backend's logits are not one finite number for every token")

    def _choose(self, logits: Logits) -> int:
        left = np.flatnonzero(logits > -np.inf)
        if len(left) == 1:
            return int(left[0])
        mass = np.cumsum(softmax(logits[left]))
        place = np.searchsorted(mass, self._draw.next() * mass[-1], side="right")
        return int(left[min(place, len(left) - 1)])


@dataclass(frozen=True)
class Link:
    """A sampler under its name: an error of it says whose it is."""

    name: str
    sampler: Sampler

    def apply(self, logits: Logits) -> Logits:
        with _blame(self.name), np.errstate(all="ignore"):
            result = np.asarray(self.sampler.apply(logits), np.float32)
        if result.shape != logits.shape or not np.isfinite(result.max()):
            raise PluginError(
                f'sampler "{self.name}" returned logits of shape {result.shape} with the maximum {result.max()}; '
                f"expected shape {logits.shape} and at least one finite number"
            )
        return result

    def accept(self, token: int) -> None:
        with _blame(self.name):
            self.sampler.accept(token)


def logprobs(logits: Logits, token: int, count: int) -> tuple[float, tuple[tuple[int, float], ...]]:
    """The token's log-probability, and the `count` most probable tokens with theirs."""
    values = log_softmax(logits)
    best = largest(logits, count) if count else ()
    return float(values[token]), tuple((int(other), float(values[other])) for other in best)


def _build(spec: SamplerSpec, context: SamplerContext) -> Link | None:
    with _blame(spec.name):
        built = spec.build(context)
    if built is None:
        return None
    return Link(spec.name, Stateless(built) if callable(built) else built)


@contextmanager
def _blame(name: str) -> Iterator[None]:
    try:
        yield
    except HollamaError:
        raise
    except Exception as error:
        raise PluginError(f'sampler "{name}" failed: {error!r}; repair or uninstall its plugin') from error
