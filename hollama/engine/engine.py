"""The engine's thread, and the door to it from an event loop. Knows no policy: that is the scheduler's."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence

from hollama.engine.answer import Delivery, Ticket, kept_tokens, most_tokens
from hollama.engine.chain import Chain
from hollama.engine.drafter import MOST
from hollama.engine.embedder import Embedder
from hollama.engine.embedding import Texts, Vector
from hollama.engine.job import Job
from hollama.engine.scheduler import Scheduler
from hollama.engine.stream import LoopDelivery, Promise, Stream
from hollama.errors import BackendError, BackendLost, ContextOverflow, RequestError
from hollama.interfaces import LoadedModel, SamplerContext, SamplerSpec
from hollama.sampling.options import integer

_Post = Ticket | tuple[Texts, Promise] | None


class Engine:
    """Runs jobs on `model` until closed, `parallel` at once, each in at most `context` tokens."""

    def __init__(self, model: LoadedModel, samplers: Sequence[SamplerSpec], *, parallel: int, context: int) -> None:
        self._model = model
        self._samplers = tuple(samplers)
        self._context = min(context, model.limits.context)
        self._scheduler = Scheduler(model, parallel)
        self._embedder = Embedder(model, self._scheduler.pool)
        self._inbox: queue.SimpleQueue[_Post] = queue.SimpleQueue()  # None: close
        self._door = threading.Lock()  # nothing enters the inbox after its None
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="hollama-engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it takes jobs: not after `close`, nor once its backend was lost."""
        return not self._closed

    @property
    def generates(self) -> bool:
        """Whether it takes jobs at all: an encoder only embeds."""
        return self._model.limits.generates

    @property
    def busy(self) -> int:
        """Jobs that run."""
        return self._scheduler.busy + self._embedder.busy

    @property
    def waiting(self) -> int:
        """Jobs that wait for a slot."""
        return self._scheduler.waiting + self._inbox.qsize()

    def chain(self, job: Job) -> Chain:
        """The samplers of a job, to be handed to `submit`: in a thread of one's own a grammar's holds up nobody."""
        return make_chain(job, self._model, self._samplers, self._context)

    def submit(self, job: Job, chain: Chain | None = None) -> Stream:
        """Queue a job; call it from a coroutine, on whose event loop the stream will be read.

        Raises ContextOverflow for a prompt longer than the context, RequestError for options or tokens without sense,
        PluginError if a sampler cannot be built, BackendError after `close`.
        """
        if not self.generates:
            raise RequestError("the model is an encoder: it makes vectors of texts and says nothing")
        delivery = LoopDelivery(asyncio.get_running_loop())
        ticket = make_ticket(job, delivery, self._model, self._samplers, self._context, chain)
        self._post(ticket)
        return Stream(delivery)

    async def embed(self, texts: Texts) -> list[Vector]:
        """A vector (hidden,) for each text. Cancelled, it costs the engine one more step at most.

        Raises ContextOverflow for a text longer than the context, RequestError for tokens without sense and where the
        device gives no hidden states, BackendError after `close`.
        """
        if not self._model.limits.hidden:
            raise RequestError("this device gives no hidden states, so no model can embed on it")
        check_adapter(texts.adapter, self._model.limits.adapters)
        limits = self._model.limits
        whole = self._context if limits.generates else min(self._context, limits.prefill_chunk, limits.rows)
        for text in texts.texts:
            check_tokens(text, self._model.vocab_size, whole)
        if not texts.texts:
            return []
        promise = Promise(asyncio.get_running_loop())
        self._post((texts, promise))
        return await promise.future

    def close(self) -> None:
        """End all jobs with a BackendError and close the model. Waits for the step under way."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._inbox.put(None)
        self._thread.join()

    def _serve(self) -> None:
        reason = "the engine failed; load the model again"
        try:
            while self._receive():
                self._scheduler.step()
                self._embedder.step(shared=self._scheduler.busy > 0)
            reason = "the model was unloaded before the answer was complete"
        except BackendLost as error:
            reason = str(error)
        finally:
            self._shut(reason)

    def _receive(self) -> bool:
        """Hand what was submitted to the scheduler; sleep while there is nothing to do. False: close."""
        while True:
            idle = not self.busy and not self._scheduler.waiting
            try:
                post = self._inbox.get(block=idle)
            except queue.Empty:
                return True
            if post is None:
                return False
            self._take(post)

    def _post(self, post: _Post) -> None:
        with self._door:
            if self._closed:
                raise BackendError("the model was unloaded; ask again to load it")
            self._inbox.put(post)

    def _take(self, post: Ticket | tuple[Texts, Promise]) -> None:
        if isinstance(post, Ticket):
            self._scheduler.submit(post)
        else:
            self._embedder.submit(*post)

    def _shut(self, reason: str) -> None:
        with self._door:
            self._closed = True
        while not self._inbox.empty():
            if post := self._inbox.get():
                self._take(post)
        self._embedder.close(reason)
        self._scheduler.close(reason)
        self._model.close()


def make_chain(job: Job, model: LoadedModel, samplers: Sequence[SamplerSpec], context: int) -> Chain:
    """Raises RequestError, PluginError."""
    known = SamplerContext(job.options, job.prompt, model.vocab_size, _room(job, context), job.vocabulary, job.thoughts)
    return Chain(samplers, known)


def make_ticket(
    job: Job,
    delivery: Delivery,
    model: LoadedModel,
    samplers: Sequence[SamplerSpec],
    context: int,
    chain: Chain | None = None,
) -> Ticket:
    """Check a job before it can hold up others; raises as `Engine.submit` says."""
    room = _room(job, context)
    check_tokens(job.prompt, model.vocab_size, room)
    check_adapter(job.adapter, model.limits.adapters)
    if job.scored_from is not None and not 1 <= job.scored_from <= len(job.prompt):
        raise RequestError(f"scored_from is {job.scored_from}; expected 1 to {len(job.prompt)}, the prompt's tokens")
    chain = chain or make_chain(job, model, samplers, context)
    guesses = integer(job.options, "draft_num_predict", MOST)
    return Ticket(job, chain, delivery, room, most_tokens(job, room), kept_tokens(job, room), guesses)


def check_tokens(tokens: Sequence[int], vocab_size: int, room: int) -> None:
    """Raises RequestError for tokens that are none, ContextOverflow for more than `room`."""
    if not tokens:
        raise RequestError("the prompt has no tokens; a model needs one at least")
    if len(tokens) > room:
        raise ContextOverflow(
            f"the prompt has {len(tokens)} tokens, the context holds {room}; shorten the prompt or raise num_ctx"
        )
    for token in (min(tokens), max(tokens)):
        if not 0 <= token < vocab_size:
            raise RequestError(f"token {token} is outside the vocabulary of {vocab_size}; is it of another model?")


def check_adapter(name: str, there: Sequence[str]) -> None:
    """Raises RequestError for one that is not there."""
    if name and name not in there:
        raise RequestError(f'the model has no adapter "{name:.100}"; there are: {", ".join(there) or "none"}')


def _room(job: Job, context: int) -> int:
    """Tokens of context the job may fill."""
    return max(1, min(integer(job.options, "num_ctx", context), context))
