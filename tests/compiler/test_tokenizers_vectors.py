"""Real vocabularies against llama.cpp's own test vectors, whose ids have no token in front."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from hollama.compiler.tokenizers import from_folder, from_gguf
from hollama.formats.gguf import GgufFile

SEPARATOR = "\n__ggml_vocab_test__\n"


@pytest.fixture
def folder(shared: Path) -> Path:
    found = shared / "data" / "tokenizers"
    if not found.is_dir():
        pytest.skip("needs the real vocabularies in ../shared/data/tokenizers")
    return found


def vectors(folder: Path, name: str) -> list[tuple[str, list[int]]]:
    stem = folder / "llama.cpp-vocab" / f"ggml-vocab-{name}.gguf"
    texts = Path(f"{stem}.inp").read_bytes().decode().split(SEPARATOR)[:-1]
    lines = Path(f"{stem}.out").read_text().splitlines()
    return [(text, [int(token) for token in line.split()]) for text, line in zip(texts, lines, strict=True)]


def ids(data: bytes, texts: Iterable[str]) -> list[list[int]]:
    tokenizer = Tokenizer.from_str(data.decode())
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def check(folder: Path, name: str, data: bytes) -> None:
    pairs = vectors(folder, name)
    assert len(pairs) == 46
    found = ids(data, [text for text, _ in pairs])
    wrong = [(pair, got) for pair, got in zip(pairs, found, strict=True) if pair[1] != got]
    assert not wrong


def ordered(vocab: dict[str, int]) -> list[str]:
    return sorted(vocab, key=vocab.__getitem__)


@pytest.mark.parametrize("name", ["gpt-2", "mpt", "starcoder", "deepseek-coder", "llama-spm", "phi-3", "bert-bge"])
def test_gguf_vocabularies(folder: Path, name: str) -> None:
    check(folder, name, from_gguf(GgufFile.open(folder / "llama.cpp-vocab" / f"ggml-vocab-{name}.gguf").metadata))


def test_qwen_folder(folder: Path) -> None:
    data = from_folder(folder / "qwen2.5")
    check(folder, "qwen2", data)
    check(folder, "deepseek-r1-qwen", data)


def test_qwen_as_gguf_in_time(folder: Path) -> None:
    vocab = json.loads((folder / "qwen2.5" / "vocab.json").read_bytes())
    merges = (folder / "qwen2.5" / "merges.txt").read_bytes().decode().split("\n")[1:-1]
    metadata: dict[str, object] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": ordered(vocab),
        "tokenizer.ggml.merges": merges,
    }
    start = time.process_time()
    data = from_gguf(metadata)
    assert time.process_time() - start < 5  # about one second
    check(folder, "qwen2", data)


def test_llama3_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.json").symlink_to(folder / "llama3.2" / "encoder.json")
    (tmp_path / "merges.txt").symlink_to(folder / "llama3.2" / "vocab.bpe")
    (tmp_path / "added_tokens.json").write_text('{"<|begin_of_text|>": 128000}')
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<|begin_of_text|>"}')
    data = from_folder(tmp_path)
    check(folder, "llama-bpe", data)
    assert Tokenizer.from_str(data.decode()).encode("").ids == [128000]


def test_sentencepiece_model(folder: Path) -> None:
    data = from_folder(folder / "llama2")
    check(folder, "llama-spm", data)
    assert data == from_gguf(GgufFile.open(folder / "llama.cpp-vocab" / "ggml-vocab-llama-spm.gguf").metadata)


def test_stories_is_the_same_from_everywhere(shared: Path) -> None:
    derived = shared / "data" / "derived" / "stories260k"
    if not derived.is_dir():
        pytest.skip("needs stories260K in ../shared/data/derived")
    data = from_folder(derived / "stories260K-hf-llama")
    assert data == from_gguf(GgufFile.open(derived / "stories260K.f32.gguf").metadata)
    assert data == from_gguf(GgufFile.open(shared / "data/weights/stories260k/stories260Ktok512.gguf").metadata)


def test_ready_made_is_the_same_as_gguf(shared: Path) -> None:
    tinytalk = shared / "data" / "derived" / "tinytalk"
    if not tinytalk.is_dir():
        pytest.skip("needs TinyTalk in ../shared/data/derived")
    texts = (tinytalk / "chat_val.txt").read_text("utf-8").split("\n")[:2000]
    gguf = from_gguf(GgufFile.open(tinytalk / "tinytalk-chat.f16.gguf").metadata)
    assert ids(from_folder(tinytalk / "tinytalk-chat-hf-gpt2"), texts) == ids(gguf, texts)
