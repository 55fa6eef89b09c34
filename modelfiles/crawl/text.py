"""C4 documents: which are trained on, which are held out, and the tokenizer learned from the former."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"
TRAINED = 1800  # documents; those behind them are held out


def documents(path: Path) -> list[str]:
    """The texts of a file of JSON lines, `{"text": ...}` each."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def trained(path: Path) -> list[str]:
    return documents(path)[:TRAINED]


def held_out(path: Path) -> list[str]:
    return documents(path)[TRAINED:]


def learned(texts: list[str], vocab: int) -> Tokenizer:
    """A byte-level BPE of `vocab` entries, cut into words as GPT-2 does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=[END], show_progress=False, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tokens(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    """The ids of all texts behind one another, each behind the token that ends the one before."""
    end = tokenizer.token_to_id(END)
    return [token for encoding in tokenizer.encode_batch(texts) for token in (end, *encoding.ids)]
