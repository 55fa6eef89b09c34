"""The emulator: a HEF package run on the CPU, bit for bit what the golden model says. The default.

Native kernels do the work where the library was built, NumPy where not. Knows tokens, contexts and packages; no text,
no requests.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xxhash

from hollama.errors import BackendError, OutOfPages
from hollama.formats.hef import EMBEDDINGS, Hef
from hollama.formats.package import PackageInfo, read_info
from hollama.formats.package_adapters import read_adapters
from hollama.formats.package_weights import read_model
from hollama.interfaces import BackendSpec, DeviceState, Limits, Session, Work
from hollama.ir.graph import Graph
from hollama.ir.interpreter import F32
from hollama_backends.emulator_settings import NUMPY, VARIABLES, EmulatorSettings, available_memory
from hollama_backends.late_check import LateCheck
from hollama_backends.pages import KvShape, PagePool, PageTable, pages_for
from hollama_backends.rapl import energy
from hollama_backends.runners import Feed, Runner, make_runner

_MAGIC = b"HLCTX001"
_HEADER = struct.Struct("<8sQ16sI")  # magic, XXH3-64 of all that follows it, package, tokens held
_MOST_SESSIONS = 256
_MOST_ROWS = 256  # of a step: a chunk whose values still fit the caches, or a token for every session
_CONTEXTS = 8  # that the KV memory holds by default


@dataclass(eq=False)
class EmulatedSession:
    """One context: a table of pages."""

    model: EmulatedModel = field(repr=False)
    pages: PageTable = field(repr=False)
    adapter: str
    position: int = 0

    def rewind(self, position: int) -> None:
        if not 0 <= position <= self.position:
            raise BackendError(f"cannot rewind to {position}: the context holds {self.position} tokens")
        self.position = position
        self.pages.truncate(position)

    def fork(self, position: int) -> EmulatedSession:
        if not 0 <= position <= self.position:
            raise BackendError(f"cannot fork at {position}: the context holds {self.position} tokens")
        other = self.model.open(self.adapter)
        other.pages, other.position = self.pages.fork(position), position
        return other

    @property
    def key(self) -> bytes:
        """Of package and adapter."""
        return xxhash.xxh3_128_digest(self.model.key + self.adapter.encode())

    def save(self) -> bytes:
        keys, values = self.pages.read(self.position)
        body = b"".join(array.tobytes() for array in (*keys, *values))
        rest = struct.pack("<16sI", self.key, self.position) + body
        return _MAGIC + struct.pack("<Q", xxhash.xxh3_64_intdigest(rest)) + rest

    def load(self, data: bytes) -> None:
        if len(data) < _HEADER.size or data[:8] != _MAGIC:
            raise BackendError("these bytes are no saved context")
        _, check, key, position = _HEADER.unpack_from(data)
        if key != self.key:
            raise BackendError("the saved context belongs to another package, or to another adapter of this one")
        shape = self.model.pool.shape
        whole = (2, shape.caches, shape.kv_heads, position, shape.head_dim)
        size = 2 * shape.caches * shape.kv_heads * shape.head_dim * position
        if position > self.model.limits.context or len(data) != _HEADER.size + size:
            raise BackendError(f"the saved context has a wrong length for {position} tokens")
        if xxhash.xxh3_64_intdigest(memoryview(data)[16:]) != check:
            raise BackendError("the saved context is damaged")
        self.pages.make_writable(0, position)
        self.pages.truncate(position)
        keys, values = np.frombuffer(data, np.uint8, size, _HEADER.size).reshape(whole)
        self.pages.write(list(keys), list(values), 0)
        self.position = position

    def close(self) -> None:
        self.model.sessions.discard(self)
        self.pages.truncate(0)
        self.position = 0


@dataclass
class EmulatedModel:
    """A package on the CPU."""

    runner: Runner = field(repr=False)
    pool: PagePool = field(repr=False)
    limits: Limits
    vocab_size: int
    key: bytes  # of the package
    mapped: int  # bytes of weights that stay in the package
    late_check: LateCheck = field(repr=False)
    sessions: set[EmulatedSession] = field(default_factory=set)

    @property
    def memory(self) -> int:
        return self.mapped + self.runner.nbytes + self.pool.used_bytes

    @property
    def pages(self) -> tuple[int, int]:
        return self.pool.capacity - len(self.pool.free), self.pool.capacity

    def open(self, adapter: str = "") -> EmulatedSession:
        if adapter and adapter not in self.limits.adapters:
            raise BackendError(f'no adapter "{adapter}"; there are: {", ".join(self.limits.adapters) or "none"}')
        if len(self.sessions) >= self.limits.sessions:
            raise OutOfPages(f"{self.limits.sessions} contexts are open; close one first")
        session = EmulatedSession(self, PageTable(self.pool, self.limits.context), adapter)
        self.sessions.add(session)
        return session

    def step(self, work: Sequence[Work]) -> list[F32]:
        if not self.limits.generates:
            raise BackendError("the model is an encoder: it gives hidden states, no logits")
        return self._run(self.runner, work)

    def encode(self, work: Sequence[Work]) -> list[F32]:
        return self._run(self.runner.without_head(), work)

    def _run(self, runner: Runner, work: Sequence[Work]) -> list[F32]:
        self.late_check.require()
        feeds = [self._feed(item) for item in work]
        if len({id(item.session) for item in work}) != len(work):
            raise BackendError("a step cannot feed one context twice")
        if not feeds:
            return []
        rows = sum(len(feed.tokens) for feed in feeds)
        if rows > self.limits.rows:
            raise BackendError(f"{rows} tokens in one step; expected {self.limits.rows} at most")
        self.pool.require(sum(feed.pages.missing(feed.start, feed.start + len(feed.tokens)) for feed in feeds))
        try:
            for feed in feeds:
                feed.pages.make_writable(feed.start, feed.start + len(feed.tokens))
            values = runner.run(feeds)
        except BaseException:
            for feed in feeds:
                feed.pages.truncate(feed.start)
            raise
        for item in work:
            _own(item.session).position += len(item.tokens)
        return np.split(values, np.cumsum([feed.wanted for feed in feeds])[:-1])

    def close(self) -> None:
        """End for good; contexts are closed with the model."""
        for session in list(self.sessions):
            session.close()
        self.runner.close()

    def check(self) -> None:
        """Raise AssertionError unless contexts and pages fit together; meant for tests, between steps."""
        self.pool.check([session.pages for session in self.sessions])
        for session in self.sessions:
            session.pages.check(session.position)

    def _feed(self, work: Work) -> Feed:
        session, count = _own(work.session), len(work.tokens)
        if session not in self.sessions:
            raise BackendError("the context is closed or belongs to another model")
        if not work.tokens or count > self.limits.prefill_chunk:
            raise BackendError(f"{count} tokens in one piece; expected 1 to {self.limits.prefill_chunk}")
        if session.position + count > self.limits.context:
            raise BackendError(
                f"the model was compiled for a {self.limits.context}-token context; it holds {session.position} "
                f"and cannot take {count} more; recompile with a larger --context"
            )
        if session.position and not self.limits.generates:
            raise BackendError("an encoder takes a whole text at once, in a context that holds nothing")
        if not 0 <= min(work.tokens) <= max(work.tokens) < self.vocab_size:
            raise BackendError(f"a token id lies outside the vocabulary of {self.vocab_size}")
        if not 0 <= work.wanted <= count:
            raise BackendError(f"the results of {work.wanted} rows are wanted, {count} tokens were given")
        return Feed(session.pages, session.position, work.tokens, work.wanted, session.adapter)


def _own(session: Session) -> EmulatedSession:
    if not isinstance(session, EmulatedSession):
        raise BackendError("the context belongs to another backend")
    return session


def load(package: Path, context: int) -> EmulatedModel:
    """Load a package for contexts of up to `context` tokens (0: what it was compiled for).

    Raises BackendError, HefError, and ConfigError for the settings of `emulator_settings`.
    """
    settings = EmulatorSettings.read()
    with Hef.open(package) as hef:
        late = LateCheck.of(hef, EMBEDDINGS)
        if late.names:
            hef.resources.trust(late.names)  # the others are checked as they are read
        else:
            hef.verify()
        info = read_info(hef)
        graph, weights = read_model(hef)
        weights = replace(weights, adapters=read_adapters(hef, graph))
        hef.read_here_and_there(EMBEDDINGS)
        key = xxhash.xxh3_128_digest(hef.model_hash.encode())
    longest = _context(info, context)
    rows = max(_MOST_ROWS, info.prefill_chunk if graph.generates else longest)  # an encoder's texts are not cut
    # The longer a chunk, the less time goes into unpacking weights; but NumPy's attention holds all scores of a chunk.
    chunk = info.prefill_chunk if settings.kernels == NUMPY else rows
    limits = Limits(
        longest, chunk if graph.generates else longest, _MOST_SESSIONS, rows, adapters=info.adapters,
        hidden=graph.without_head().output.width, generates=graph.generates,
    )  # fmt: skip
    pool = _make_pool(graph, settings, limits.context)
    memory = available_memory() - pool.memory.nbytes
    runner = make_runner(graph, weights, settings, rows=rows, context=limits.context, memory=memory)
    mapped = 0 if settings.kernels == NUMPY else sum(layer.packed.nbytes for layer in weights.linears.values())
    late.start()
    return EmulatedModel(runner, pool, limits, len(weights.table), key, mapped, late)


def _make_pool(graph: Graph, settings: EmulatorSettings, context: int) -> PagePool:
    """KV memory; raises BackendError where not even one context fits, before any memory is touched."""
    shape = KvShape(graph.caches, graph.kv_heads, graph.head_dim)
    one, free = pages_for(context), available_memory()
    pages = one * _CONTEXTS if settings.kv_cache is None else settings.kv_cache // shape.page_bytes
    if settings.kv_cache is None:
        pages = min(pages, free // 2 // shape.page_bytes)
    if pages < one or pages * shape.page_bytes > free:
        needed, megabyte = one * shape.page_bytes, 1 << 20
        raise BackendError(
            f"a context of {context} tokens needs {needed / megabyte:.0f} MiB, the KV memory may take "
            f"{pages * shape.page_bytes / megabyte:.0f} of {free / megabyte:.0f} MiB that are free; "
            "ask for a smaller context, or change HOLLAMA_KV_CACHE"
        )
    return PagePool(shape, pages)


def _context(info: PackageInfo, wanted: int) -> int:
    if wanted > info.context:
        raise BackendError(
            f"the package was compiled for a {info.context}-token context, {wanted} were asked for; "
            f"ask for less or recompile with --context {wanted}"
        )
    return wanted or info.context


def probe() -> DeviceState:
    """Which kernels would run, and on how many threads."""
    try:
        settings = EmulatorSettings.read()
    except Exception as error:
        return DeviceState(False, str(error))
    if settings.kernels == NUMPY:
        why = f": {settings.why}" if settings.why else ""
        return DeviceState(True, f"NumPy {np.__version__}, which is slow{why}")
    threads = "1 thread" if settings.threads == 1 else f"{settings.threads} threads"
    return DeviceState(True, f"native {settings.kernels} kernels on {threads}")


SPEC = BackendSpec("emulator", load, probe, "the exact W4A8KV8 arithmetic on the CPU", VARIABLES, energy)
