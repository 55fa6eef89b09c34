"""tokenizer.json: small ones made here, and real ones."""

import json
import threading
import time
from itertools import pairwise

import gguf
import pytest
from hollama_tokenizers.huggingface import SPEC
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from hollama.errors import FormatError

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def small(bos: bool = True) -> bytes:
    """A byte-level tokenizer with every byte, one merge, a control token and a tag that is none."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {character: place for place, character in enumerate([*alphabet, "Ġa"])}
    library = Tokenizer(models.BPE(vocab, [("Ġ", "a")]))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.add_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True), AddedToken("<tag>")])
    if bos:
        ids = [("<s>", 257), ("</s>", 258)]
        library.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ids)
    return library.to_str().encode()


def spm(path) -> bytes:
    """The tokenizer of a GGUF with SentencePiece's vocabulary, as Hugging Face's converter makes it."""
    fields = gguf.GGUFReader(path).fields
    tokens, scores, kinds = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "scores", "token_type"))
    vocab = {token: place for place, token in enumerate(tokens)}
    splits = ((token[:n], token[n:]) for token in tokens for n in range(1, len(token)))
    merges = [pair for pair in splits if pair[0] in vocab and pair[1] in vocab]
    merges.sort(key=lambda pair: (-scores[vocab[pair[0] + pair[1]]], vocab[pair[0]], vocab[pair[1]]))
    library = Tokenizer(models.BPE(vocab, merges, unk_token=tokens[0], fuse_unk=True, byte_fallback=True))
    library.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    library.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    library.add_special_tokens([token for token, kind in zip(tokens, kinds, strict=True) if kind == 3])
    library.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", vocab["<s>"])])
    return library.to_str().encode()


def qwen2(folder) -> bytes:
    library = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    library.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN2), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    library.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    library.decoder = decoders.ByteLevel()
    return library.to_str().encode()


def vectors(folder, name):
    """Texts and their ids by llama.cpp."""
    texts = (folder / f"ggml-vocab-{name}.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = (folder / f"ggml-vocab-{name}.gguf.out").read_text().splitlines()
    return list(zip(texts, ([int(token) for token in line.split()] for line in lines), strict=False))


def pieces(tokenizer, text):
    return b"".join(tokenizer.piece(token) for token in tokenizer.encode(text))


SMALL = small()


@settings(deadline=None)
@given(st.text().filter(lambda text: "s>" not in text))
def test_pieces_are_the_text(text):
    tokenizer = SPEC.open(SMALL)
    text = text.encode("utf-8", "replace").decode()
    assert pieces(tokenizer, text) == text.encode()


def test_begin_is_what_the_post_processor_puts_in_front():
    assert SPEC.open(SMALL).encode("", begin=True) == [257]
    assert SPEC.open(SMALL).encode("") == []
    assert SPEC.open(small(bos=False)).encode("a", begin=True) == SPEC.open(SMALL).encode("a")


def test_control_tokens_are_found_in_the_text_and_show_nothing():
    tokenizer = SPEC.open(SMALL)
    assert tokenizer.encode("<s>") == [257]
    assert tokenizer.control(257) and tokenizer.piece(257) == b""


def test_added_token_that_is_not_special_is_shown():
    tokenizer = SPEC.open(SMALL)
    assert not tokenizer.control(259) and tokenizer.piece(259) == b"<tag>"


@pytest.mark.parametrize("token", [-1, 260, 10**6])
def test_ids_that_pad_the_vocabulary_show_nothing(token):
    tokenizer = SPEC.open(SMALL)
    assert tokenizer.vocab_size == 260
    assert tokenizer.control(token) and tokenizer.piece(token) == b""


def test_lone_surrogate_is_replaced():
    assert pieces(SPEC.open(SMALL), "a\ud800") == b"a?"


@pytest.mark.parametrize("name", ["llama-spm"])
def test_sentencepiece_agrees_with_llama_cpp(shared, name):
    folder = shared / "data" / "tokenizers" / "llama.cpp-vocab"
    tokenizer = SPEC.open(spm(folder / f"ggml-vocab-{name}.gguf"))
    for text, ids in vectors(folder, name):
        assert tokenizer.encode(text) == ids, text
        assert pieces(tokenizer, text) == (" " + text if text else "").encode()


def test_qwen2_agrees_with_llama_cpp(shared):
    tokenizer = SPEC.open(qwen2(shared / "data" / "tokenizers" / "qwen2.5"))
    for text, ids in vectors(shared / "data" / "tokenizers" / "llama.cpp-vocab", "qwen2"):
        assert tokenizer.encode(text) == ids, text
        assert pieces(tokenizer, text) == text.encode()


def test_real_tokenizer_json(shared):
    folder = shared / "data" / "tokenizers"
    tokenizer = SPEC.open((folder / "minimind" / "tokenizer.json").read_bytes())
    for text, _ in vectors(folder / "llama.cpp-vocab", "gpt-2"):
        assert pieces(tokenizer, text) == text.encode()
    assert tokenizer.encode("<|im_start|>") == [1]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"version": "1.0", "model": {}}'])
def test_what_is_no_tokenizer_json_is_a_format_error(data):
    with pytest.raises(FormatError):
        SPEC.open(data)


def test_tokenizer_whose_pieces_are_unknown_is_refused():
    library = Tokenizer(models.WordPiece({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    library.decoder = decoders.CTC()
    with pytest.raises(FormatError, match="CTC is not supported"):
        SPEC.open(library.to_str().encode())


def test_texts_do_not_grow_beyond_all_memory():
    library = Tokenizer.from_str(small().decode())
    library.normalizer = normalizers.Sequence([normalizers.Replace("a", "a" * 40)] * 4)
    with pytest.raises(FormatError, match=r"a text 1\.02e\+07 times as long"):
        SPEC.open(library.to_str().encode())


def test_pieces_of_wordpiece_stand_apart_unless_they_are_glued():
    library = Tokenizer(models.WordPiece({"a": 0, "##b": 1, "[UNK]": 2}, unk_token="[UNK]"))
    library.decoder = decoders.WordPiece()
    tokenizer = SPEC.open(library.to_str().encode())
    assert tokenizer.encode("ab") == [0, 1]
    assert [tokenizer.piece(token) for token in (0, 1)] == [b" a", b"b"]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255), st.booleans())
def test_damage_is_a_format_error_or_harmless(place, value, cut):
    damaged = SMALL[:place] if cut else SMALL[:place] + bytes([value]) + SMALL[place + 1 :]
    try:
        tokenizer = SPEC.open(damaged)
    except FormatError:
        return
    tokenizer.encode("some text")
    for token in range(tokenizer.vocab_size):
        tokenizer.piece(token)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_lies_in_the_json_are_format_errors_or_harmless(data):
    tree = json.loads(SMALL)
    key = data.draw(st.sampled_from(sorted(tree)))
    inner = tree[key]
    lie = data.draw(st.sampled_from([None, -1, 2**70, "x", [], {}, [{"type": "ByteLevel"}], {"type": "BPE"}]))
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)))] = lie
    else:
        tree[key] = lie
    try:
        tokenizer = SPEC.open(json.dumps(tree).encode())
    except FormatError:
        return
    tokenizer.encode("some <s> text", begin=True)


def test_other_threads_run_while_it_encodes():
    """A server that tokenises a long prompt in a thread goes on answering."""
    tokenizer = SPEC.open(small())
    text = "a word or two " * 50_000
    moments = [time.perf_counter()]
    encoding = threading.Thread(target=tokenizer.encode, args=(text,))
    encoding.start()
    while encoding.is_alive():
        time.sleep(0.001)
        moments.append(time.perf_counter())
    longest = max(later - earlier for earlier, later in pairwise(moments))
    assert longest < (moments[-1] - moments[0]) / 2
