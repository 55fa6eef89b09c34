"""The contexts of a model: sessions with the tokens they hold, kept for the next prompts that begin alike.

Knows no jobs. A context is free, taken or lent; of the free and the taken ones the beginning may be forked.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from hollama.engine.tokens import Tokens
from hollama.errors import OutOfPages
from hollama.interfaces import LoadedModel, Session


@dataclass(eq=False)
class Context:
    """A session and the tokens it holds."""

    session: Session
    tokens: Tokens = field(default_factory=Tokens)


class ContextPool:
    """At most `capacity` sessions of a model; the least recently used free one goes when there is no room."""

    def __init__(self, model: LoadedModel, capacity: int) -> None:
        self._model = model
        self._capacity = capacity
        self.forks = model.limits.fork and model.limits.rewind
        self.free: list[Context] = []  # the least recently used first
        self.taken: list[Context] = []
        self.lent: list[Context] = []  # to whoever can do without

    def held(self, window: Tokens, most: int, besides: Context) -> int:
        """How many tokens of `window` a context taken for it would hold, if it were not for `besides`."""
        others = (context for context in self._usable(window) if context is not besides)
        return max((self._common(context, window, most) for context in others), default=0)

    def take(self, window: Tokens, most: int) -> Context:
        """A context that holds the longest beginning of `window` there is, up to `most` tokens, and nothing else.

        `most` are those whose logits are not wanted: not all, for the last one's always are.
        A free context is taken over if that destroys little, of any other the beginning is forked. Raises OutOfPages
        if closing all other free contexts does not make room.
        """
        best = max(self._usable(window), key=lambda context: self._worth(context, window, most), default=None)
        common = self._common(best, window, most) if best else 0
        if best in self.free and self._spared(best, common, window):
            return self._take_over(best, common)
        while True:
            try:
                if self._has_room:
                    return self._branch(best, common, window.adapter)
            except OutOfPages:
                if not self.free and not self.lent:
                    raise
            if not self.evict(keep=best if self.forks else None) and not self.recall():
                assert best
                return self._take_over(best, common)

    def lend(self, adapter: str) -> Context:
        """An empty context that `recall` may close at any time. Raises OutOfPages where too many are in use."""
        while not self._has_room:
            if not self.evict():
                raise OutOfPages(f"all {self._capacity} contexts are in use")
        self.lent.append(Context(self._model.open(adapter), Tokens(adapter=adapter)))
        return self.lent[-1]

    def take_back(self, context: Context) -> None:
        """Close a lent context; nothing if it was recalled."""
        if context in self.lent:
            self.lent.remove(context)
            _close(context)

    def recall(self) -> bool:
        """Close the context that was lent last; False if there is none."""
        if self.lent:
            _close(self.lent.pop())
            return True
        return False

    def cut(self, context: Context, length: int) -> None:
        """Make a context hold its first `length` tokens; a device that cannot rewind forgets everything instead."""
        if length == context.session.position:
            context.tokens.cut(length)
        elif self._model.limits.rewind:
            context.session.rewind(length)
            context.tokens.cut(length)
        else:
            context.session.close()
            context.tokens.cut(0)
            context.session = self._model.open(context.tokens.adapter)

    def give(self, context: Context) -> None:
        """Take back a context, with what it holds."""
        self.taken.remove(context)
        self.free.append(context)

    def discard(self, context: Context) -> None:
        """Close a taken context, of which perhaps nobody knows any more what it holds."""
        self.taken.remove(context)
        _close(context)

    def evict(self, keep: Context | None = None) -> bool:
        """Close the least recently used free context other than `keep`; False if there is none."""
        victim = next((context for context in self.free if context is not keep), None)
        if victim is None:
            return False
        self.free.remove(victim)
        _close(victim)
        return True

    def close(self) -> None:
        """Close the free contexts."""
        while self.evict():
            pass

    def check(self) -> None:
        """Raise AssertionError unless every session is owned once and holds what is written of it."""
        contexts = self.free + self.taken + self.lent
        assert len(contexts) <= self._capacity, f"{len(contexts)} sessions, {self._capacity} allowed"
        assert len({id(context.session) for context in contexts}) == len(contexts), "a session is owned twice"
        for context in contexts:
            held, noted = context.session.position, len(context.tokens)
            assert held == noted, f"a session holds {held} tokens, {noted} are noted"

    @property
    def _has_room(self) -> bool:
        return len(self.free) + len(self.taken) + len(self.lent) < self._capacity

    def _usable(self, window: Tokens) -> list[Context]:
        """Those with the window's adapter, the most recently used first."""
        contexts = (*reversed(self.free), *(self.taken if self.forks else ()))
        return [context for context in contexts if context.tokens.adapter == window.adapter]

    def _common(self, context: Context, window: Tokens, most: int) -> int:
        """Tokens of `window` that `context` spares."""
        common = min(context.tokens.common(window), most)
        return common if self._model.limits.rewind or common == len(context.tokens) else 0

    def _worth(self, context: Context, window: Tokens, most: int) -> tuple[int, bool]:
        common = self._common(context, window, most)
        return common, context in self.free and self._spared(context, common, window)

    def _spared(self, context: Context, common: int, window: Tokens) -> bool:
        """Whether the context is better taken over than kept beside a new one.

        Its conversation goes on, or its last answer is wanted again, and is not most of it. Where nothing can be
        forked, what it spares must be half of what it holds, or of what is needed.
        """
        held, needed = len(context.tokens), len(window) - 1
        if self.forks:
            return common == held or (common == needed and 2 * common >= held)
        return 2 * common >= min(held, needed)

    def _take_over(self, context: Context, length: int) -> Context:
        self.free.remove(context)
        self.taken.append(context)
        try:
            self.cut(context, length)
        except Exception:
            self.discard(context)
            raise
        return context

    def _branch(self, best: Context | None, common: int, adapter: str) -> Context:
        if best and common and self.forks:
            context = Context(best.session.fork(common), Tokens(best.tokens.ids[:common], adapter))
        else:
            context = Context(self._model.open(adapter), Tokens(adapter=adapter))
        self.taken.append(context)
        return context


def _close(context: Context) -> None:
    with suppress(Exception):  # what the device has to say of it has been told already, or interests nobody
        context.session.close()
