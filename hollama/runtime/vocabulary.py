"""The tokens of a loaded model as samplers may see them. Knows no sampler; keeps what they made of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from hollama.interfaces import Tokenizer, Vocabulary

T = TypeVar("T")


class TokenizerVocabulary:
    """The first `size` ids of a tokenizer: as many as the model has logits."""

    def __init__(self, tokenizer: Tokenizer, size: int, stop_tokens: frozenset[int]) -> None:
        self.stop_tokens = stop_tokens
        self._tokenizer = tokenizer
        self._size = size
        self._made: dict[Callable[[Vocabulary], Any], Any] = {}
        self._making = threading.RLock()  # what is made may itself be made of something else

    def pieces(self) -> list[bytes]:
        return [self._tokenizer.piece(token) for token in range(self._size)]

    def derive(self, make: Callable[[Vocabulary], T]) -> T:
        with self._making:
            if make not in self._made:
                self._made[make] = make(self)
            made: T = self._made[make]
            return made
