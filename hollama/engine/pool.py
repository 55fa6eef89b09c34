"""The contexts of a model: sessions with the tokens they hold, kept for the next prompt that begins alike.

Knows no jobs. A context is either free or taken, and taken once.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hollama.interfaces import LoadedModel, Session


@dataclass(eq=False)
class Context:
    """A session and the tokens it holds."""

    session: Session
    tokens: list[int] = field(default_factory=list)


class ContextPool:
    """At most `capacity` sessions of a model."""

    def __init__(self, model: LoadedModel, capacity: int) -> None:
        self._model = model
        self._capacity = capacity
        self.free: list[Context] = []  # the least recently used first
        self.taken: list[Context] = []

    def take(self, prompt: Sequence[int]) -> Context:
        """A context that holds a beginning of `prompt`, never all of it, and nothing else.

        The longest one wins. Where that is less than half of the prompt, what another conversation holds is worth
        more: then a new session is opened if one may be, else the least recently used one replaced.
        """
        context = max(reversed(self.free), key=lambda context: self._reusable(context, prompt), default=None)
        if context is None or 2 * self._reusable(context, prompt) < len(prompt) - 1:
            full = len(self.free) + len(self.taken) >= self._capacity
            context = self.free[0] if full else self._open()
        self.free.remove(context)
        self.taken.append(context)
        try:
            self.cut(context, self._reusable(context, prompt))
        except Exception:
            self.discard(context)
            raise
        return context

    def cut(self, context: Context, length: int) -> None:
        """Forget all tokens from `length` on; a device that cannot rewind forgets everything instead."""
        if length == len(context.tokens):
            return
        if self._model.limits.rewind:
            context.session.rewind(length)
            del context.tokens[length:]
        else:
            context.session.close()
            context.tokens.clear()
            context.session = self._model.open()

    def give(self, context: Context) -> None:
        """Take back a context, with what it holds."""
        self.taken.remove(context)
        self.free.append(context)

    def discard(self, context: Context) -> None:
        """Close a taken context of which nobody knows any more what it holds."""
        self.taken.remove(context)
        with suppress(Exception):  # the failure that led here has been told already
            context.session.close()

    def close(self) -> None:
        """Close the free contexts."""
        while self.free:
            self.free.pop().session.close()

    def check(self) -> None:
        """Raise AssertionError unless every session is owned once and holds what is written of it."""
        contexts = self.free + self.taken
        assert len(contexts) <= self._capacity, f"{len(contexts)} sessions, {self._capacity} allowed"
        assert len({id(context.session) for context in contexts}) == len(contexts), "a session is owned twice"
        for context in contexts:
            held, noted = context.session.position, len(context.tokens)
            assert held == noted, f"a session holds {held} tokens, {noted} are noted"

    def _open(self) -> Context:
        context = Context(self._model.open())
        self.free.append(context)
        return context

    def _reusable(self, context: Context, prompt: Sequence[int]) -> int:
        """Tokens of `prompt` that `context` spares: not the last one, whose logits are wanted."""
        limit = min(len(context.tokens), len(prompt) - 1)
        common = next((n for n in range(limit) if context.tokens[n] != prompt[n]), limit)
        return common if self._model.limits.rewind or common == len(context.tokens) else 0
