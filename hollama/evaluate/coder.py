"""Text to the token ids that are scored, exactly as lm-evaluation-harness cuts it. Knows no task and no device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hollama.errors import EvaluationError
from hollama.evaluate.question import Scoring, Writing
from hollama.interfaces import Tokenizer

_LONGEST = 64 << 20  # characters of a text: some hundred bytes of memory go to each while it is encoded


@dataclass(frozen=True)
class Coder:
    """A model's tokenizer, and the `context` (tokens) that a request may fill: the length of its KV cache.

    `begin` says whether texts get a beginning-of-sequence token, `prefix` is what stands before a text that nothing
    stands before: that token, or the first of `stops`, which end a text.
    """

    tokenizer: Tokenizer
    begin: bool
    prefix: int | None
    stops: frozenset[int]
    context: int

    def encode(self, text: str) -> tuple[int, ...]:
        """Raises EvaluationError for a text that is too long to be encoded in one piece."""
        if len(text) > _LONGEST:
            raise EvaluationError(f"a text has {len(text)} characters, at most {_LONGEST} are encoded; cut it")
        return tuple(self.tokenizer.encode(text, begin=self.begin))

    def pair(self, context: str, continuation: str, greedy: bool = False) -> Scoring:
        """A continuation behind its context, encoded together; what is too long loses its beginning.

        Spaces that end the context belong to the continuation. An empty context is the prefix token.
        """
        if not context:
            tokens = tuple(self.tokenizer.encode(continuation))
            return self._fit(self._start, tokens, greedy)
        bare = context.rstrip()
        whole, before = self.encode(context + continuation), self.encode(bare)
        return self._fit(before or self._start, whole[len(before) :], greedy)

    def rolling(self, text: str) -> list[Scoring]:
        """Every token of a text once, each window full and the last one sharing what it lacks with the one before.

        A window is one token shorter than lm-evaluation-harness makes it of the same context: there the last token of
        a window is predicted only, here it takes its place in the KV cache.
        """
        tokens, room = self.encode(text), self.context - 1
        if not tokens:
            return []
        parts = [Scoring(self._start, tokens[:room])]
        for done in range(room, len(tokens), room):
            end = min(done + room, len(tokens))
            parts.append(Scoring(tokens[end - room - 1 : done], tokens[done:end]))
        return parts

    def windows(self, text: str) -> Iterator[tuple[int, ...]]:
        """The text's tokens in disjoint windows as long as the context; a remainder is left out, as in GPTQ's code."""
        tokens = self.encode(text)
        for start in range(0, len(tokens) - self.context + 1, self.context):
            yield tokens[start : start + self.context]

    def writing(self, prompt: str, most: int, until: tuple[str, ...]) -> Writing:
        """A prompt that leaves room for an answer of `most` tokens; what is too long loses its beginning."""
        room = self.context - most
        if room < 1:
            raise EvaluationError(
                f"answers of up to {most} tokens do not fit a context of {self.context}; take one that is longer"
            )
        return Writing(self.encode(prompt)[-room:], most, until)

    def cut(self, prompts: Iterable[str], most: int) -> str:
        """What a task's note says where the longest prompt has no room beside an answer of `most` tokens."""
        longest = self.encode(max(prompts, key=len, default=""))
        return f", cut to {self.context} tokens" if len(longest) + most > self.context else ""

    def _fit(self, context: tuple[int, ...], continuation: tuple[int, ...], greedy: bool) -> Scoring:
        room = self.context - 1
        continuation = continuation[-room:]
        return Scoring(context[-(self.context - len(continuation)) :], continuation, greedy)

    @property
    def _start(self) -> tuple[int, ...]:
        """What stands before a text that nothing stands before."""
        if self.prefix is None:
            raise EvaluationError(
                "the model has neither a beginning- nor an end-of-sequence token, so nothing can stand before a text; "
                "choose a task that gives a context, such as hellaswag"
            )
        return (self.prefix,)
