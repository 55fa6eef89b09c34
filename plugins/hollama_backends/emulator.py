"""The emulator: a HEF package run by the golden model on NumPy, bit for bit what the arithmetic says. The default.

Knows tokens, contexts and packages; no text, no requests.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xxhash
from threadpoolctl import threadpool_limits

from hollama.errors import BackendError
from hollama.formats.hef import Hef
from hollama.formats.package import PackageInfo, read_info
from hollama.formats.package_weights import read_model
from hollama.interfaces import BackendSpec, DeviceState, Limits, Session, Work
from hollama.ir.graph import Graph
from hollama.ir.interpreter import F32, Cache, Segment, run
from hollama.ir.quantised import QuantisedArithmetic

_MAGIC = b"HLCTX001"
_HEADER = struct.Struct("<8sQ16sI")  # magic, XXH3-64 of all that follows it, package, tokens held
_MOST_SESSIONS = 256


@dataclass(eq=False)
class EmulatedSession:
    """The KV cache of one context."""

    model: EmulatedModel = field(repr=False)
    cache: Cache = field(repr=False)
    position: int = 0

    def rewind(self, position: int) -> None:
        if not 0 <= position <= self.position:
            raise BackendError(f"cannot rewind to {position}: the context holds {self.position} tokens")
        self.position = position

    def fork(self, position: int) -> EmulatedSession:
        if not 0 <= position <= self.position:
            raise BackendError(f"cannot fork at {position}: the context holds {self.position} tokens")
        other = self.model.open()
        mine, others = ((*session.cache.keys, *session.cache.values) for session in (self, other))
        for array, copy in zip(mine, others, strict=True):
            copy[:, :position] = array[:, :position]
        other.position = position
        return other

    def save(self) -> bytes:
        arrays = [cached[:, : self.position] for cached in (*self.cache.keys, *self.cache.values)]
        body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        rest = struct.pack("<16sI", self.model.key, self.position) + body
        return _MAGIC + struct.pack("<Q", xxhash.xxh3_64_intdigest(rest)) + rest

    def load(self, data: bytes) -> None:
        if len(data) < _HEADER.size or data[:8] != _MAGIC:
            raise BackendError("these bytes are no saved context")
        _, check, key, position = _HEADER.unpack_from(data)
        if key != self.model.key:
            raise BackendError("the saved context belongs to another package")
        arrays = [*self.cache.keys, *self.cache.values]
        size = arrays[0][:, :1].size * position
        if position > self.cache.capacity or len(data) != _HEADER.size + size * len(arrays):
            raise BackendError(f"the saved context has a wrong length for {position} tokens")
        if xxhash.xxh3_64_intdigest(memoryview(data)[16:]) != check:
            raise BackendError("the saved context is damaged")
        for index, array in enumerate(arrays):
            stored = np.frombuffer(data, np.uint8, size, _HEADER.size + index * size)
            array[:, :position] = stored.reshape(array.shape[0], position, array.shape[2])
        self.position = position

    def close(self) -> None:
        self.model.sessions.discard(self)


@dataclass
class EmulatedModel:
    """A package on the CPU."""

    graph: Graph = field(repr=False)
    arithmetic: QuantisedArithmetic = field(repr=False)
    limits: Limits
    key: bytes  # of the package, in saved contexts
    sessions: set[EmulatedSession] = field(default_factory=set)

    @property
    def vocab_size(self) -> int:
        return self.graph.output.width

    @property
    def memory(self) -> int:
        cache = 2 * self.graph.caches * self.graph.kv_heads * self.graph.head_dim * self.limits.context
        return self.arithmetic.nbytes + cache * len(self.sessions)

    def open(self, adapter: str = "") -> EmulatedSession:
        if adapter:
            raise BackendError(f'the package has no adapter "{adapter}"')
        if len(self.sessions) >= self.limits.sessions:
            raise BackendError(f"{self.limits.sessions} contexts are open; close one first")
        session = EmulatedSession(self, self.arithmetic.cache(self.limits.context))
        self.sessions.add(session)
        return session

    def step(self, work: Sequence[Work]) -> list[F32]:
        segments = [self._segment(item) for item in work]
        if len({id(item.session) for item in work}) != len(work):
            raise BackendError("a step cannot feed one context twice")
        if not segments:
            return []
        logits = run(self.graph, self.arithmetic, segments)
        for item in work:
            _own(item.session).position += len(item.tokens)
        return np.split(logits, np.cumsum([item.wanted for item in work])[:-1])

    def close(self) -> None:
        self.sessions.clear()

    def _segment(self, work: Work) -> Segment:
        session = _own(work.session)
        if session not in self.sessions:
            raise BackendError("the context is closed or belongs to another model")
        if not work.tokens or len(work.tokens) > self.limits.prefill_chunk:
            raise BackendError(f"{len(work.tokens)} tokens in one piece; expected 1 to {self.limits.prefill_chunk}")
        if session.position + len(work.tokens) > self.limits.context:
            raise BackendError(
                f"the model was compiled for a {self.limits.context}-token context; it holds {session.position} "
                f"and cannot take {len(work.tokens)} more; recompile with a larger --context"
            )
        if not 0 <= min(work.tokens) <= max(work.tokens) < self.vocab_size:
            raise BackendError(f"a token id lies outside the vocabulary of {self.vocab_size}")
        if not 0 <= work.wanted <= len(work.tokens):
            raise BackendError(f"logits of {work.wanted} rows are wanted, {len(work.tokens)} tokens were given")
        return Segment(session.cache, session.position, work.tokens, range(-work.wanted, 0))


def _own(session: Session) -> EmulatedSession:
    if not isinstance(session, EmulatedSession):
        raise BackendError("the context belongs to another backend")
    return session


def load(package: Path, context: int) -> EmulatedModel:
    """Load a package for contexts of up to `context` tokens (0: what it was compiled for). Raises BackendError.

    BLAS is held to one thread: OpenBLAS waits by spinning, and two threads on two cores that another process also wants
    took 34 ms for a token of the embedded model where one took 8.
    """
    threadpool_limits(1, "blas")
    with Hef.open(package) as hef:
        hef.verify()
        info = read_info(hef)
        graph, weights = read_model(hef)
        limits = Limits(_context(info, context), info.prefill_chunk, _MOST_SESSIONS)
        arithmetic = QuantisedArithmetic(graph, weights, limits.context)
        key = xxhash.xxh3_128_digest(hef.model_hash.encode())
    return EmulatedModel(graph, arithmetic, limits, key)


def _context(info: PackageInfo, wanted: int) -> int:
    if wanted > info.context:
        raise BackendError(
            f"the package was compiled for a {info.context}-token context, {wanted} were asked for; "
            f"ask for less or recompile with --context {wanted}"
        )
    return wanted or info.context


def probe() -> DeviceState:
    return DeviceState(True, f"NumPy {np.__version__} on {os.cpu_count()} CPU cores")


SPEC = BackendSpec("emulator", load, probe, "the exact W4A8KV8 arithmetic on the CPU")
