"""What a GGUF file's metadata says of its vocabulary, on vocabularies small enough to read."""

import logging
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from hollama.compiler.gguf import _special
from hollama.compiler.tokenizers import from_gguf
from hollama.errors import CompileError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
P = "tokenizer.ggml."
ALPHABET = sorted(ByteLevel.alphabet())
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def words(**changes: object) -> dict[str, object]:
    """Byte-level BPE of the 256 bytes, three merges and two added tokens; ids from 256."""
    tokens = [*ALPHABET, "he", "ll", "hell", "<s>", "[user]"]
    metadata: dict[str, object] = {
        f"{P}model": "gpt2",
        f"{P}pre": "gpt-2",
        f"{P}tokens": tokens,
        f"{P}merges": ["h e", "l l", "he ll"],
        f"{P}token_type": np.array([NORMAL] * (len(tokens) - 2) + [CONTROL, USER_DEFINED], np.int32),
        f"{P}bos_token_id": 259,
    }
    return metadata | {P + key: value for key, value in changes.items()}


def pieces(**changes: object) -> dict[str, object]:
    """SentencePiece of the 256 bytes and six pieces; ids from 259."""
    normal = ["▁", "a", "b", "ab", "▁a", "ba"]
    metadata: dict[str, object] = {
        f"{P}model": "llama",
        f"{P}tokens": ["<unk>", "<s>", "</s>", *BYTES, *normal],
        f"{P}scores": np.array([0.0] * 259 + [-9.0, -8, -7, -1, -2, -3], np.float32),
        f"{P}token_type": np.array([UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * 6], np.int32),
    }
    return metadata | {P + key: value for key, value in changes.items()}


def encode(metadata: Mapping[str, object], text: str, *, begin: bool = False) -> list[int]:
    return list(Tokenizer.from_str(from_gguf(metadata).decode()).encode(text, add_special_tokens=begin).ids)


def spelt(metadata: Mapping[str, object], text: str) -> list[str]:
    tokens = metadata[f"{P}tokens"]
    assert isinstance(tokens, list)
    return [tokens[index] for index in encode(metadata, text)]


def test_merges_by_rank() -> None:
    assert spelt(words(), "hello") == ["hell", "o"]


def test_words_stay_apart() -> None:
    assert spelt(words(), "he ll") == ["he", "Ġ", "ll"]


@pytest.mark.parametrize(("token", "index"), [("<s>", 259), ("[user]", 260)])
def test_written_out_tokens_are_parsed(token: str, index: int) -> None:
    assert encode(words(), f"he{token}he") == [256, index, 256]


def test_only_control_tokens_are_special() -> None:
    added = Tokenizer.from_str(from_gguf(words()).decode()).get_added_tokens_decoder()
    assert {token.content: token.special for token in added.values()} == {"<s>": True, "[user]": False}


def test_the_named_end_is_special_without_types() -> None:
    metadata = words(eos_token_id=259)
    del metadata[f"{P}token_type"]
    assert encode(metadata, "he<s>") == [256, 259]


def test_begin_is_added_when_asked_for() -> None:
    metadata = words(add_bos_token=True)
    assert (encode(metadata, "he", begin=True), encode(metadata, "he")) == ([259, 256], [256])


@pytest.mark.parametrize(("pre", "begins"), [("gpt-2", False), ("qwen2", False), ("llama-bpe", True), ("tekken", True)])
def test_families_decide_on_begin(pre: str, begins: bool) -> None:
    assert encode(words(pre=pre), "", begin=True) == [259] * begins
    assert encode(words(pre=pre, add_bos_token=not begins), "", begin=True) == [259] * (not begins)


def test_unset_begin() -> None:
    assert encode(words(pre="llama-bpe", bos_token_id=0xFFFFFFFF), "", begin=True) == []


@pytest.mark.parametrize(
    ("pre", "cut"),
    [
        ("gpt-2", ["1234", "5"]),
        ("qwen2", ["1", "2", "3", "4", "5"]),
        ("starcoder", ["1", "2", "3", "4", "5"]),
        ("llama-bpe", ["123", "45"]),
        ("deepseek-v3", ["123", "45"]),
        ("default", ["123", "45"]),
    ],
)
def test_families_cut_numbers(pre: str, cut: list[str]) -> None:
    numbers = ["12", "123", "1234", "45"]
    tokens = [*ALPHABET, *numbers]
    metadata = words(pre=pre, tokens=tokens, merges=["1 2", "12 3", "123 4", "4 5"], token_type=[NORMAL] * len(tokens))
    assert spelt(metadata | {f"{P}bos_token_id": None}, "12345") == cut


def test_whole_words_need_no_merges() -> None:
    tokens = [*ALPHABET, "hello"]
    metadata = words(tokens=tokens, merges=[], token_type=[NORMAL] * 257, bos_token_id=0)
    assert spelt({**metadata, f"{P}pre": "llama-bpe"}, "hello") == ["hello"]
    assert spelt(metadata, "hello") == list("hello")


def test_unknown_family_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert from_gguf(words(pre="mystery")) == from_gguf(words(pre="default"))
    assert "mystery" in caplog.text


def test_empty_tokens_are_placeholders() -> None:
    tokens = [*ALPHABET, "he", "ll", "hell", "<s>", ""]
    assert encode(words(tokens=tokens), "<s>") == [259]


def test_best_score_first() -> None:
    assert spelt(pieces(), "aba") == ["▁", "ab", "a"]


def test_space_prefix_can_be_off() -> None:
    assert spelt(pieces(add_space_prefix=False), "aba") == ["ab", "a"]


def test_prefix_after_control_tokens() -> None:
    assert spelt(pieces(), "</s>a") == ["</s>", "▁a"]


def test_bytes_spell_the_rest() -> None:
    assert spelt(pieces(), "é") == ["▁", "<0xC3>", "<0xA9>"]


def test_sentencepiece_begins_by_default() -> None:
    assert encode(pieces(), "a", begin=True)[0] == 1
    assert encode(pieces(add_bos_token=False), "a", begin=True) == encode(pieces(), "a")


def test_decoding_gives_the_text_back() -> None:
    tokenizer = Tokenizer.from_str(from_gguf(pieces()).decode())
    assert tokenizer.decode(tokenizer.encode("ab é  ba").ids) == "ab é  ba"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": "rwkv"}, "rwkv"),
        ({"model": None}, "model"),
        ({"tokens": None}, "tokens"),
        ({"tokens": []}, "0 tokens"),
        ({"tokens": [*ALPHABET, "he", "ll", "hell", "he", "x"]}, "token 259, 'he', is also token 256"),
        ({"tokens": [*ALPHABET, "he", "ll", "hell", 7, "x"]}, "token 259 .* int"),
        ({"tokens": [*ALPHABET, "he", "ll", "hell", "x" * 5000, "x"]}, "5000 characters"),
        ({"merges": None}, "merges"),
        ({"merges": ["he"]}, "merge 0"),
        ({"merges": ["h e", 3]}, "merge 1"),
        ({"merges": ["h e", "x y"]}, "merge 1.*'xy'"),
        ({"token_type": [NORMAL]}, "token_type.*261 numbers"),
        ({"token_type": "control"}, "token_type"),
        ({"bos_token_id": 261}, "bos_token_id"),
        ({"bos_token_id": -2}, "bos_token_id"),
        ({"eos_token_id": "x"}, "eos_token_id"),
        ({"add_bos_token": 1}, "add_bos_token"),
        ({"add_bos_token": True, "bos_token_id": None}, "bos_token_id"),
    ],
)
def test_contradictions_are_named(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(CompileError, match=complaint):
        from_gguf(words(**changes))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"scores": None}, "scores"),
        ({"scores": np.zeros(3)}, "scores.*265 numbers"),
        ({"scores": np.full(265, np.nan)}, "no number"),
        ({"add_space_prefix": "yes"}, "add_space_prefix"),
    ],
)
def test_scores_are_checked(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(CompileError, match=complaint):
        from_gguf(pieces(**changes))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *("model", "pre", "tokens", "merges", "scores", "token_type", "add_bos_token", "add_space_prefix"),
        *("bos_token_id", "eos_token_id", "eot_token_id", "unknown_token_id"),
    ]
)


@settings(deadline=None, max_examples=150)
@given(st.booleans(), st.dictionaries(KEYS, JUNK, min_size=1, max_size=3))
def test_junk_raises_only_compile_error(byte_level: bool, changes: dict[str, object]) -> None:
    try:
        data = from_gguf(words(**changes) if byte_level else pieces(**changes))
    except CompileError:
        return
    Tokenizer.from_str(data.decode())


@settings(deadline=None, max_examples=150)
@given(st.booleans(), st.sampled_from(["tokens", "merges", "scores", "token_type"]), st.integers(0, 300), JUNK)
def test_one_junk_entry_raises_only_compile_error(byte_level: bool, key: str, at: int, junk: object) -> None:
    metadata = words() if byte_level else pieces()
    value = metadata.get(P + key)
    damaged = list(value) if isinstance(value, list | np.ndarray) else []
    damaged[at : at + 1] = [junk]
    try:
        data = from_gguf(metadata | {P + key: damaged})
    except CompileError:
        return
    Tokenizer.from_str(data.decode())


def joined_by_score(pieces: Mapping[str, float], text: str) -> list[str]:
    """SentencePiece's rule, straight: join the neighbours that make the best piece, the leftmost of equals."""
    parts = list(text)
    while True:
        joins = [(-pieces[a + b], at) for at, (a, b) in enumerate(pairwise(parts)) if a + b in pieces]
        if not joins:
            return parts
        at = min(joins)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text("abc▁", min_size=2, max_size=4), unique=True, max_size=12), st.text("abc ", max_size=12))
def test_merges_are_sentencepiece(longer: list[str], text: str) -> None:
    normal = ["a", "b", "c", "▁", *longer]
    scores = {piece: -float(rank) for rank, piece in enumerate(normal)}
    metadata: dict[str, object] = {
        f"{P}model": "llama",
        f"{P}tokens": normal,
        f"{P}scores": list(scores.values()),
        f"{P}add_space_prefix": False,
        f"{P}add_bos_token": False,
    }
    assert spelt(metadata, text) == joined_by_score(scores, text.replace(" ", "▁"))


@pytest.mark.parametrize("unset", [-1, 0xFFFFFFFF])
def test_an_id_that_is_unset_is_no_token_of_a_conversation(unset: int) -> None:
    found = _special(words(bos_token_id=unset, eos_token_id=unset), add_bos=True)
    assert found.bos_id is None and found.bos == "" and unset not in found.stop_ids
