"""One answer: a job for the engine, and its tokens as events. Knows neither names, templates nor how models load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from hollama.engine import End, Job, Token
from hollama.interfaces import Tokenizer
from hollama.output import TextDecoder
from hollama.runtime.loading import Running
from hollama.runtime.rendering import Prompt
from hollama.types import Delta, Event, Finished, Statistics, Terms, TokenLogprob


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

    Raises ContextOverflow or RequestError before the first event, BackendError at any time.
    """
    tokenizer, terms, reading = running.tokenizer, question.terms, question.prompt.reading
    job = Job(
        prompt=question.prompt.tokens,
        listener=TextDecoder(tokenizer, question.options.get("stop") or ()),
        options=question.options,
        stop_tokens=running.vocabulary.stop_tokens,
        shift=terms.shift,
        top_logprobs=terms.top_logprobs if terms.logprobs else None,
        vocabulary=running.vocabulary,
        thoughts=reading.thoughts,
    )
    chain = await asyncio.to_thread(running.engine.chain, job)
    async with aclosing(running.engine.submit(job, chain)) as stream:
        async for event in stream:
            if isinstance(event, Token):
                for delta in _deltas(reading.push(event.text), _logprobs(tokenizer, event)):
                    yield delta
            else:
                for delta in _deltas([*reading.push(event.text), *reading.flush()], ()):
                    yield delta
                yield _finished(question, event)


def _deltas(found: Iterable[Delta], logprobs: tuple[TokenLogprob, ...]) -> Iterable[Delta]:
    """Those that say something; what is known of the token goes with the first, or alone where its text is held."""
    said = [delta for delta in found if delta != Delta()]
    if logprobs:
        first = said[0] if said else Delta()
        said[:1] = [replace(first, logprobs=logprobs)]
    return said


def _logprobs(tokenizer: Tokenizer, token: Token) -> tuple[TokenLogprob, ...]:
    if token.logprob is None:
        return ()
    top = tuple(_logprob(tokenizer, id, logprob) for id, logprob in token.top)
    return (replace(_logprob(tokenizer, token.id, token.logprob), top=top),)


def _logprob(tokenizer: Tokenizer, token: int, logprob: float) -> TokenLogprob:
    piece = tokenizer.piece(token)
    return TokenLogprob(piece.decode("utf-8", "replace"), logprob, tuple(piece))


def _finished(question: Question, end: End) -> Finished:
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
    )
    context = (*question.prompt.tokens, *end.tokens) if question.keeps_context else ()
    return Finished(end.reason, statistics, context)
