"""A random model of a real one's shapes, as a GGUF file in float16 with a tokenizer to match.

The weights are large enough that values keep their size from layer to layer, and mean nothing. Knows no quantisation.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from numpy.typing import NDArray

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@dataclass(frozen=True)
class Shape:
    """The sizes of a Qwen2 model with tied embeddings."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int = 151_936
    context: int = 32_768

    @property
    def kv_width(self) -> int:
        return self.hidden // self.heads * self.kv_heads


SHAPES = {
    "qwen2-1.5b": Shape(hidden=1536, intermediate=8960, layers=28, heads=12, kv_heads=2),
    "qwen2-0.5b": Shape(hidden=896, intermediate=4864, layers=24, heads=14, kv_heads=2),
    "tiny": Shape(hidden=256, intermediate=512, layers=2, heads=4, kv_heads=2, vocab=2048, context=4096),
}


def write_gguf(path: Path, shape: Shape) -> None:
    """One tensor at a time, so that only the largest has to fit into memory. The same shape gives the same bytes."""
    writer = GGUFWriter(path, "qwen2")
    _describe(writer, shape)
    for name, rows, columns in _tensors(shape):
        sizes, dtype = ((rows, columns), np.float16) if columns else ((rows,), np.float32)
        kind = GGMLQuantizationType.F16 if columns else GGMLQuantizationType.F32
        size = int(np.prod(sizes)) * np.dtype(dtype).itemsize
        writer.add_tensor_info(name, sizes, np.dtype(dtype), size, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    chance = np.random.default_rng(0)
    for tensor in _tensors(shape):
        writer.write_tensor_data(_values(chance, *tensor))
    writer.close()


def _describe(writer: GGUFWriter, shape: Shape) -> None:
    writer.add_name("random")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(1)
    tokens, merges = vocabulary(shape.vocab)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL for token in tokens])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index(SPECIAL[2]))
    writer.add_add_bos_token(False)


def vocabulary(size: int) -> tuple[list[str], list[str]]:
    """Tokens and merges of a byte-level BPE as large as a real one: bytes, then two, three and four lower-case letters.

    All tokens but a few bytes are printable, so that an answer of random tokens is text.
    """
    letters = string.ascii_lowercase
    pairs = ["".join(pair) for pair in itertools.product(letters, repeat=2)]
    longer = itertools.chain(itertools.product(pairs, letters), itertools.product(pairs, pairs))
    joined = itertools.chain(itertools.product(letters, letters), longer)
    merges = [" ".join(pair) for pair in itertools.islice(joined, size - 256 - len(SPECIAL))]
    return [*_alphabet(), *(merge.replace(" ", "") for merge in merges), *SPECIAL], merges


def _alphabet() -> list[str]:
    """GPT-2's characters for the 256 bytes."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = itertools.count(256)
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def _tensors(shape: Shape) -> Iterator[tuple[str, int, int]]:
    """Name, rows and columns of every tensor; 0 columns for a vector."""
    yield "token_embd.weight", shape.vocab, shape.hidden
    yield "output_norm.weight", shape.hidden, 0
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        yield f"{at}attn_norm.weight", shape.hidden, 0
        for part, width in (("q", shape.hidden), ("k", shape.kv_width), ("v", shape.kv_width)):
            yield f"{at}attn_{part}.weight", width, shape.hidden
            yield f"{at}attn_{part}.bias", width, 0
        yield f"{at}attn_output.weight", shape.hidden, shape.hidden
        yield f"{at}ffn_norm.weight", shape.hidden, 0
        yield f"{at}ffn_gate.weight", shape.intermediate, shape.hidden
        yield f"{at}ffn_up.weight", shape.intermediate, shape.hidden
        yield f"{at}ffn_down.weight", shape.hidden, shape.intermediate


def _values(chance: np.random.Generator, name: str, rows: int, columns: int) -> NDArray[np.generic]:
    if "norm" in name:
        return np.ones(rows, np.float32)
    values = chance.standard_normal((rows, columns) if columns else rows, np.float32)
    values *= np.float32(columns**-0.5 if columns else 0.1)
    return values.astype(np.float16) if columns else values


def words(count: int, seed: int) -> str:
    """A text of random lower-case words, a few tokens each."""
    chance = np.random.default_rng(seed)
    letters = chance.choice(list(string.ascii_lowercase), (count, 4))
    return "".join(" " + "".join(word) for word in letters)
