"""The byte-level BPE tokenizer, learned from the corpus: it has all bytes, and digits stand alone so that sums line up.

A word falls into the same pieces with and without a space before it: the pieces are learned from bare words, and the
merges that put a space before a piece come last. Copying a word from a sentence into quotes is then piece by piece,
which a small model learns far sooner. It knows the special tokens of ChatML and nothing of the network.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from . import corpus

END, TURN, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
BARE = r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s"
PIECES = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"
SPACE = "\u0120"  # how the byte-level alphabet writes a space
SEED, SAMPLES = 7, 12_000
SPACED = 0.4  # share of the learned pieces that begin with a space


def texts() -> Iterator[str]:
    samples = itertools.islice(corpus.stream(SEED), SAMPLES)
    return (corpus.text(sample, bool(at % 2)) for at, sample in enumerate(samples))


def splitter(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def bare(vocab: int) -> Tokenizer:
    """A tokenizer of `vocab` pieces, none of which spans a space and a word."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splitter(BARE)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=[END, TURN, TURN_END], show_progress=False,
                                  initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


def after_space(tokenizer: Tokenizer) -> Counter[str]:
    """How often each piece follows a space at the beginning of a word."""
    seen: Counter[str] = Counter()
    for encoding in tokenizer.encode_batch(list(texts())):
        for left, right in itertools.pairwise(encoding.tokens):
            if left == SPACE and right[0] not in f"0123456789{SPACE}\u010a<":
                seen[right] += 1
    return seen


def learned(vocab: int) -> Tokenizer:
    """A tokenizer of `vocab` entries, always the same one."""
    room = vocab - len(TAGS)
    spaced = int(SPACED * (room - 256 - 3))
    base = bare(room - spaced)
    state = json.loads(base.to_str())["model"]
    pieces, merges = dict(state["vocab"]), [tuple(merge) for merge in state["merges"]]
    for piece, _ in sorted(after_space(base).items(), key=lambda entry: (-entry[1], entry[0]))[:spaced]:
        pieces[SPACE + piece] = len(pieces)
        merges.append((SPACE, piece))
    tokenizer = Tokenizer(models.BPE(pieces, merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = splitter(PIECES), decoders.ByteLevel()
    tokenizer.add_special_tokens([END, TURN, TURN_END])
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    if tokenizer.get_vocab_size() != vocab:
        raise ValueError(f"the corpus gave {tokenizer.get_vocab_size()} tokens, expected {vocab}; ask for fewer")
    return tokenizer


def saved(folder: Path, vocab: int) -> Tokenizer:
    """The tokenizer of the folder, learned first if it has none."""
    path = folder / "tokenizer.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        learned(vocab).save(str(path))
    return Tokenizer.from_file(str(path))
