"""A backend without arithmetic: what it answers is a function of the whole token history, so any mistake in it shows.

A package gets `hashed` answers over its own vocabulary: noise, but the same noise for the same history, so that a
token fed twice, lost, or rewound to the wrong place changes everything after it. Any other file is a script: its bytes
are what the model says, in the ids of the `byte` tokenizer. Knows no weights, and nothing of who asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from hollama_tokenizers import byte
from numpy.typing import NDArray

from hollama.errors import BackendError, HefError
from hollama.formats.package import read_info
from hollama.interfaces import BackendSpec, DeviceState, Limits, Logits, Work

Answer = Callable[[Sequence[int]], Logits]  # from a session's tokens, at least one, to the logits of the next

CHUNK = 32
SESSIONS = 16
HIDDEN = 24
_MAGIC = b"null\x01"
_CHECKSUM = 8


def hashed(vocab_size: int) -> Answer:
    """Logits in [0, 8) drawn from a generator that the hash of the history seeds."""

    def answer(history: Sequence[int]) -> Logits:
        digest = hashlib.blake2b(np.asarray(history, "<i4").tobytes(), digest_size=16).digest()
        bits = np.random.Philox(key=int.from_bytes(digest, "little")).random_raw(vocab_size)
        return ((bits >> np.uint64(40)).astype(np.float32) / np.float32(1 << 21)).astype(np.float32)

    return answer


def scripted(script: Sequence[int], vocab_size: int) -> Answer:
    """Say `script` token by token, and again from its start after it.

    Where the script stands is read off the history's end, so a wrong history also says something wrong.
    """
    if not script:
        raise BackendError("the script is empty; it needs one token at least")

    def answer(history: Sequence[int]) -> Logits:
        said = range(min(len(history), len(script) - 1), 0, -1)
        place = next((n for n in said if list(history[-n:]) == list(script[:n])), 0)
        logits = np.zeros(vocab_size, np.float32)
        logits[script[place]] = 100
        return logits

    return answer


class NullSession:
    """A list of tokens."""

    def __init__(self, model: NullModel, adapter: str) -> None:
        self.tokens: list[int] = []
        self.adapter = adapter
        self.open = True
        self._model = model

    @property
    def position(self) -> int:
        return len(self.tokens)

    def rewind(self, position: int) -> None:
        if not 0 <= position <= len(self.tokens):
            raise BackendError(f"cannot rewind to {position}: the session holds {len(self.tokens)} tokens")
        del self.tokens[position:]

    def fork(self, position: int) -> NullSession:
        if not 0 <= position <= len(self.tokens):
            raise BackendError(f"cannot fork at {position}: the session holds {len(self.tokens)} tokens")
        other = self._model.open(self.adapter)
        other.tokens = self.tokens[:position]
        return other

    @property
    def history(self) -> list[int]:
        """The tokens, behind a number of its own for an adapter."""
        return [*self._model.mark(self.adapter), *self.tokens]

    def save(self) -> bytes:
        body = self._model.key(self.adapter) + np.asarray(self.tokens, "<i4").tobytes()
        return _MAGIC + _checksum(body) + body

    def load(self, data: bytes) -> None:
        start = len(_MAGIC)
        checksum, body = data[start : start + _CHECKSUM], data[start + _CHECKSUM :]
        if not data.startswith(_MAGIC) or checksum != _checksum(body):
            raise BackendError("the saved context is damaged; evaluate the prompt again")
        own = self._model.key(self.adapter)
        name, tokens = body[: len(own)], body[len(own) :]
        if name != own or len(tokens) % 4 or len(tokens) // 4 > self._model.limits.context:
            raise BackendError("the saved context is of another package or adapter; evaluate the prompt again")
        self.tokens = np.frombuffer(tokens, "<i4").tolist()

    def close(self) -> None:
        if self.open:
            self.open = False
            self._model.sessions.remove(self)


class NullModel:
    """Holds sessions, refuses what a device would refuse, and counts what it was asked.

    `steps` has one entry a step: how many tokens each piece of work had.
    """

    def __init__(self, answer: Answer, vocab_size: int, limits: Limits, name: str = "") -> None:
        self.sessions: list[NullSession] = []
        self.steps: list[tuple[int, ...]] = []
        self.name = hashlib.blake2b(f"{name} {vocab_size}".encode(), digest_size=16).digest()
        self._answer = answer
        self._vocab_size = vocab_size
        self._limits = limits

    def mark(self, adapter: str) -> list[int]:
        return [-1 - self._limits.adapters.index(adapter)] if adapter else []

    def key(self, adapter: str) -> bytes:
        """Of package and adapter, in saved contexts."""
        return hashlib.blake2b(self.name + adapter.encode(), digest_size=16).digest()

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def vocab_size(self) -> int:
        return self._vocab_size

    @property
    def memory(self) -> int:
        return 4 * self._limits.context * len(self.sessions)

    @property
    def pages(self) -> tuple[int, int]:
        return 0, 0

    @property
    def evaluated(self) -> int:
        """Tokens fed so far."""
        return sum(map(sum, self.steps))

    def open(self, adapter: str = "") -> NullSession:
        if adapter and adapter not in self._limits.adapters:
            raise BackendError(f'no adapter "{adapter}"; there are: {", ".join(self._limits.adapters) or "none"}')
        if len(self.sessions) == self._limits.sessions:
            raise BackendError(f"all {self._limits.sessions} sessions are open; close one")
        self.sessions.append(NullSession(self, adapter))
        return self.sessions[-1]

    def step(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        if not self._limits.generates:
            raise BackendError("the model is an encoder: it gives hidden states, no logits")
        return self._run(self._answer, self._vocab_size, work)

    def encode(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        if not self._limits.hidden:
            raise BackendError("this device gives no hidden states")
        noise = hashed(self._limits.hidden)
        return self._run(lambda history: noise(history) - 4, self._limits.hidden, work)

    def _run(self, function: Answer, width: int, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        sessions = [cast(NullSession, piece.session) for piece in work]
        if len(set(map(id, sessions))) != len(sessions):
            raise BackendError("one step has two pieces of work for the same session")
        for session, piece in zip(sessions, work, strict=True):
            self._check(session, piece)
        if sum(len(piece.tokens) for piece in work) > self._limits.rows:
            raise BackendError(f"a step has at most {self._limits.rows} tokens")
        self.steps.append(tuple(len(piece.tokens) for piece in work))
        for session, piece in zip(sessions, work, strict=True):
            session.tokens.extend(piece.tokens)
        pairs = zip(sessions, work, strict=True)
        return [_rows(function, width, session.history, piece.wanted) for session, piece in pairs]

    def _check(self, session: NullSession, work: Work) -> None:
        tokens = work.tokens
        if session not in self.sessions:
            raise BackendError("the session is closed, or of another model")
        if not 1 <= len(tokens) <= self._limits.prefill_chunk:
            raise BackendError(f"{len(tokens)} tokens in one piece of work; 1 to {self._limits.prefill_chunk} fit")
        if session.position + len(tokens) > self._limits.context:
            raise BackendError(f"the context of {self._limits.context} tokens is full")
        if not all(0 <= token < self._vocab_size for token in tokens):
            raise BackendError(f"a token is outside the vocabulary of {self._vocab_size}")
        if not 0 <= work.wanted <= len(tokens):
            raise BackendError(f"logits of {work.wanted} rows are wanted, {len(tokens)} tokens were given")

    def close(self) -> None:
        for session in list(self.sessions):
            session.close()


def load(path: Path, context: int) -> NullModel:
    """Load any path: a package for `hashed` answers, any other file as a script."""
    try:
        info = read_info(path)
    except HefError:
        return _load_script(path, context)
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error}") from error
    room = min(context or info.context, info.context)
    limits = Limits(room, info.prefill_chunk, SESSIONS, adapters=info.adapters, hidden=HIDDEN)
    return NullModel(hashed(info.vocab_size), info.vocab_size, limits, str(path))


def _load_script(path: Path, context: int) -> NullModel:
    script = [*path.read_bytes(), byte.END]
    limits = Limits(context or 2048, CHUNK, SESSIONS, hidden=HIDDEN)
    return NullModel(scripted(script, byte.VOCAB_SIZE), byte.VOCAB_SIZE, limits, str(path))


def probe() -> DeviceState:
    return DeviceState(True, "no device needed; answers are noise or a script")


def _rows(function: Answer, width: int, history: Sequence[int], wanted: int) -> NDArray[np.float32]:
    rows = [function(history[: len(history) - later]) for later in reversed(range(wanted))]
    return np.stack(rows) if rows else np.empty((0, width), np.float32)


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM).digest()


SPEC = BackendSpec("null", load, probe, "answers without a model: for tests of everything above a device")
