"""Leaves the tokens that can go on towards a complete answer of the form that was asked for (`grammars.py`).

The mask comes from `llguidance`, which is imported when it is first needed. Stop tokens are left where the answer is
complete, and nothing else where it cannot go on; before that they are forbidden. Any other control token always is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hollama.errors import RequestError
from hollama.interfaces import Logits, Sampler, SamplerContext, SamplerSpec, Vocabulary

from . import grammars

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer


class Constraint:
    def __init__(self, matcher: LLMatcher, vocab_size: int, options: Mapping[str, Any]) -> None:
        self._matcher = matcher
        self._options = options
        self._vocab_size = vocab_size
        self._mask = np.zeros(-(-vocab_size // 32), np.int32)

    def apply(self, logits: Logits) -> Logits:
        """Raises RequestError where the grammar has become too large to follow."""
        with grammars.panics_are_refused(self._options):
            self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check()
        forbidden = np.unpackbits((~self._mask).view(np.uint8), bitorder="little", count=self._vocab_size)
        np.copyto(logits, -np.inf, where=forbidden.view(np.bool_))
        return logits

    def accept(self, token: int) -> None:
        with grammars.panics_are_refused(self._options):
            self._matcher.consume_token(token)
        self._check()

    def reset(self) -> None:
        self._matcher.reset()

    def clone(self) -> Constraint:
        return Constraint(self._matcher.deep_copy(), self._vocab_size, self._options)

    def _check(self) -> None:
        if self._matcher.is_error():
            first = self._matcher.get_error().partition("\n")[0]
            raise RequestError(f"the answer's grammar cannot be followed any further: {first}; simplify it")


def build(context: SamplerContext) -> Sampler | None:
    text = grammars.grammar(context.options, context.thoughts)
    if not text:
        return None
    if context.vocabulary is None or not context.vocabulary.stop_tokens:
        raise RequestError("the model has no stop token, with which a structured answer would end; leave out format")
    from llguidance import LLMatcher

    with grammars.panics_are_refused(context.options):
        matcher = LLMatcher(context.vocabulary.derive(_tokenizer), text, log_level=0)
    if matcher.is_error():
        raise grammars.refusal(context.options, matcher.get_error().partition("\n")[0])
    return Constraint(matcher, context.vocab_size, context.options)


class _Tokens:
    """A vocabulary as llguidance asks for it. A token without bytes is allowed nowhere, unless it is a stop token."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        stops = sorted(vocabulary.stop_tokens)
        pieces = vocabulary.pieces()
        self.tokens = [b"" if token in vocabulary.stop_tokens else piece for token, piece in enumerate(pieces)]
        self.eos_token_id = stops[0]
        self.bos_token_id = None
        self.special_token_ids = [token for token, piece in enumerate(self.tokens) if not piece]

    def __call__(self, text: bytes) -> list[int]:
        """How the model would cut a text: only asked where a grammar may force one upon it, which ours do not."""
        return []


def _tokenizer(vocabulary: Vocabulary) -> LLTokenizer:
    from llguidance import LLTokenizer, TokenizerWrapper

    tokens = _Tokens(vocabulary)
    return LLTokenizer(TokenizerWrapper(tokens), n_vocab=len(tokens.tokens), eos_token=sorted(vocabulary.stop_tokens))


HELP = "format, or one of regex, gbnf (llama.cpp's grammars), lark: what the answer must look like"
SPEC = SamplerSpec("constraint", 50, build, grammars.OPTIONS, HELP, grammars.check)
