"""One answer: a job for the engine, and its tokens as events. Knows neither names, templates nor how models load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from hollama.engine import End, Job, Scored, Token
from hollama.interfaces import Tokenizer
from hollama.output import TextDecoder
from hollama.runtime.loading import Running
from hollama.runtime.rendering import Prompt
from hollama.types import Delta, Event, Finished, Statistics, Terms, TokenLogprob

_Top = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Question:
    """What the engine is asked. Times are nanoseconds; `began` is on the monotonic clock."""

    prompt: Prompt
    options: Mapping[str, Any]  # merged and complete
    terms: Terms
    began: int
    load_ns: int
    keeps_context: bool  # whether the end carries all tokens


async def answer(running: Running, question: Question) -> AsyncGenerator[Event]:
    """Deltas as their text becomes certain, then Finished. Closing it frees the engine's slot within a token.

    An echo is the first delta.

    Raises ContextOverflow or RequestError before the first event, BackendError at any time.
    """
    tokenizer, terms, reading = running.tokenizer, question.terms, question.prompt.reading
    job = Job(
        prompt=question.prompt.tokens,
        listener=TextDecoder(tokenizer, question.options.get("stop") or (), question.prompt.shown),
        options=question.options,
        stop_tokens=running.vocabulary.stop_tokens,
        shift=terms.shift,
        top_logprobs=terms.top_logprobs if terms.logprobs else None,
        vocabulary=running.vocabulary,
        thoughts=reading.thoughts,
        scored_from=1 if terms.echo and terms.logprobs else None,
        answered=terms.answered,
        adapter=question.options.get("adapter", ""),
    )
    echoed, scored, first = not terms.echo, list[Scored](), 0
    chain = await asyncio.to_thread(running.engine.chain, job)
    async with aclosing(running.engine.submit(job, chain)) as stream:
        async for event in stream:
            if isinstance(event, Scored):
                scored.append(event)
                continue
            if not echoed:
                yield _echo(tokenizer, question, scored)
                echoed = True
            if isinstance(event, Token):
                first = first or time.monotonic_ns()
                for delta in _deltas(reading.push(event.text), _logprobs(tokenizer, event)):
                    yield delta
            else:
                for delta in _deltas([*reading.push(event.text), *reading.flush()], ()):
                    yield delta
                yield _finished(question, event, first)


def _deltas(found: Iterable[Delta], logprobs: tuple[TokenLogprob, ...]) -> Iterable[Delta]:
    """Those that say something; what is known of the token goes with the first, or alone where its text is held."""
    said = [delta for delta in found if delta != Delta()]
    if logprobs:
        first = said[0] if said else Delta()
        said[:1] = [replace(first, logprobs=logprobs)]
    return said


def _echo(tokenizer: Tokenizer, question: Question, scored: Sequence[Scored]) -> Delta:
    """The prompt; nothing stands before its first token, so that has no log-probability."""
    prompt = question.prompt
    if not question.terms.logprobs:
        return Delta(prompt.text)
    values: list[tuple[float | None, _Top]] = [(None, ())]
    for part in scored:
        values += zip(part.logprobs, part.top, strict=True)
    entries = (_entry(tokenizer, token, *value) for token, value in zip(prompt.tokens, values, strict=True))
    return Delta(prompt.text, logprobs=tuple(entries))


def _logprobs(tokenizer: Tokenizer, token: Token) -> tuple[TokenLogprob, ...]:
    if token.logprob is None:
        return ()
    return (_entry(tokenizer, token.id, token.logprob, token.top),)


def _entry(tokenizer: Tokenizer, token: int, logprob: float | None, top: _Top = ()) -> TokenLogprob:
    piece, rivals = tokenizer.piece(token), tuple(_entry(tokenizer, *rival) for rival in top)
    return TokenLogprob(piece.decode("utf-8", "replace"), logprob, tuple(piece), rivals)


def _finished(question: Question, end: End, first: int) -> Finished:
    """`first` is when the first token came."""
    statistics = Statistics(
        total_ns=time.monotonic_ns() - question.began,
        load_ns=question.load_ns,
        prompt_tokens=end.prompt_tokens,
        prompt_ns=end.prompt_ns,
        generated_tokens=end.generated_tokens,
        generation_ns=end.generation_ns,
        cached_tokens=end.cached_tokens,
        drafted_tokens=end.drafted_tokens,
        accepted_tokens=end.accepted_tokens,
        first_token_ns=first - question.began if first else 0,
    )
    context = (*question.prompt.tokens, *end.tokens) if question.keeps_context else ()
    return Finished(end.reason, statistics, context)
