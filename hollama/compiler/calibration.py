"""What calibration needs: which values get a range, the text that shows what they are, and ranges as numbers.

A text of the model's own domain is best; without one the words below are used, which any language model finds plausible
enough to exercise every layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hollama.compiler.tokenizers import encode
from hollama.errors import CompileError
from hollama.ir.graph import Graph
from hollama.kernels.golden import Quantisation

QUERY_BITS = 16
EMBEDDING_BITS = 16
LEAST_TOKENS = 32  # of a calibration text
_PIECE = 1 << 18  # characters that are encoded at once

DEFAULT_TEXT = """\
Once upon a time there was a little girl who lived by the sea. Every morning she walked to the harbour, counted the
boats and asked the fishermen what they had caught. One day an old man gave her a map, and that is how it all began.
The capital of France is Paris; its population is about two million. Water boils at 100 degrees Celsius at sea level.
"What is 12 plus 30?" she asked. "Forty-two," he said, "and 7 times 8 is 56." They laughed, and then they went home.
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
{"name": "Ada", "age": 36, "languages": ["English", "French"], "active": true}
Dear Sir or Madam, I am writing to ask about the order that I placed on 3 March. Could you please let me know when it
will arrive? Thank you for your help. El perro duerme en el jardin. Der Zug kommt um halb neun. Il fait beau ici.
"""


def require_tokens(count: int) -> None:
    """Raises CompileError for a text that shows too little."""
    if count < LEAST_TOKENS:
        raise CompileError(
            f"the calibration text has {count} tokens, expected {LEAST_TOKENS} or more; give --calibration a longer one"
        )


def quantised_values(graph: Graph) -> dict[str, int]:
    """Names of the values that get a range, with their bits."""
    bits: dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "linear":
            bits[node.inputs[0]] = 8
        elif node.op == "attention":
            bits |= zip(node.inputs, (QUERY_BITS, 8, 8), strict=True)
    return bits


def of_range(low: float, high: float, bits: int) -> Quantisation:
    """The asymmetric quantisation that covers [low, high] and zero; 16-bit ones are symmetric."""
    top = (1 << bits) - 1
    if bits == QUERY_BITS:
        half = 1 << (bits - 1)
        return Quantisation(_scale(max(-low, high), half - 1), half, bits)
    scale = _scale(high - low, top)
    return Quantisation(scale, int(np.clip(np.rint(-low / scale), 0, top)), bits)


def _scale(extent: float, steps: int) -> float:
    return float(np.float32(extent / steps)) if extent > 1e-30 else 1.0


def windows_of(tokens: Sequence[int], length: int, most: int, begin: Sequence[int] = ()) -> Iterator[list[int]]:
    """Up to `most` windows of `length` tokens, each behind `begin`."""
    step = max(length - len(begin), 1)
    for start in range(0, min(len(tokens), most * step), step):
        yield [*begin, *tokens[start : start + step]]


def evenly(windows: Sequence[Sequence[int]], tokens: int) -> list[Sequence[int]]:
    """Windows of about so many tokens, at least one, from all over the text."""
    return list(windows[:: max(1, sum(map(len, windows)) // tokens)])


def beginning(tokenizer: Tokenizer, text: str, tokens: int) -> tuple[str, list[int]]:
    """As many pieces of a text as make so many tokens, or all, and those. Raises CompileError.

    A piece is held as a hundred times its size while it is encoded.
    """
    ids: list[int] = []
    end = 0
    while end < len(text) and len(ids) < tokens:
        start, end = end, end + _PIECE
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end  # no word is cut
        ids += encode(tokenizer, text[start:end], special=False).ids
    return text[:end], ids


def texts_of(tokenizer: Tokenizer, text: str, tokens: Sequence[int], length: int) -> Iterator[list[int]]:
    """The text line by line, then its tokens in windows of `length`, each as an encoder gets a whole text."""
    around = encode(tokenizer, "").ids
    for line in filter(None, text.splitlines()):
        yield encode(tokenizer, line).ids[:length]
    for window in windows_of(tokens, length - len(around), len(tokens)):
        yield around[:1] + window + around[1:]


def embedding_range(table: NDArray[np.float32]) -> Quantisation:
    """The range of a whole embedding table, asymmetric in 16 bits as Hailo's `embeddings.bin` has it."""
    low, high = min(float(table.min()), 0.0), max(float(table.max()), 0.0)
    scale = _scale(high - low, (1 << EMBEDDING_BITS) - 1)
    return Quantisation(scale, int(np.rint(-low / scale)), EMBEDDING_BITS)
