"""What the files of a Hugging Face folder say of its vocabulary, on vocabularies small enough to read."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from hollama.compiler.tokenizers import from_folder
from hollama.errors import CompileError, FormatError, SentencePieceError
from hollama.formats import sentencepiece_pb2 as pb
from hollama.formats.tokenizer_json import check_growth

ALPHABET = sorted(ByteLevel.alphabet())


def write(folder: Path, **files: Any) -> Path:
    """A byte-level vocabulary; `files` replaces its JSON files, None removes one."""
    vocab = {token: index for index, token in enumerate([*ALPHABET, "12", "he"])}
    contents: dict[str, Any] = {
        "vocab": vocab,
        "added_tokens": {"<|end|>": 258, "<tool>": 259},
        "tokenizer_config": {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|end|>"},
    }
    for name, value in (contents | files).items():
        if value is not None:
            (folder / f"{name}.json").write_text(json.dumps(value))
    (folder / "merges.txt").write_text("#version: 0.2\n1 2\nh e\n")
    return folder


def write_model(folder: Path, **files: Any) -> Path:
    """A SentencePiece model; `files` are JSON files beside it."""
    texts = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    texts += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    texts += [("▁", -3.0, 1), ("a", -2.0, 1), ("▁a", -1.0, 1), ("[user]", 0.0, 4)]
    model = pb.Model()
    for text, score, kind in texts:
        model.pieces.add(text=text, score=score, type=kind)
    model.trainer.model_type = 2
    model.trainer.byte_fallback = True
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def opened(folder: Path) -> Tokenizer:
    return Tokenizer.from_str(from_folder(folder).decode())


def encode(folder: Path, text: str, *, begin: bool = False) -> list[int]:
    return list(opened(folder).encode(text, add_special_tokens=begin).ids)


def test_ready_made_stays_as_it_is(tmp_path: Path) -> None:
    data = from_folder(write(tmp_path))
    (tmp_path / "tokenizer.json").write_bytes(data + b"\n")
    assert from_folder(tmp_path) == data + b"\n"


def test_added_tokens_are_parsed(tmp_path: Path) -> None:
    assert encode(write(tmp_path), "he<|end|><tool>") == [257, 258, 259]


def test_named_tokens_are_special(tmp_path: Path) -> None:
    added = opened(write(tmp_path)).get_added_tokens_decoder()
    assert {token.content: token.special for token in added.values()} == {"<|end|>": True, "<tool>": False}


def test_added_tokens_decoder_has_the_last_word(tmp_path: Path) -> None:
    decoder = {"259": {"content": "<tool>", "special": True}, "260": {"content": "<more>", "rstrip": True}}
    folder = write(tmp_path, tokenizer_config={"added_tokens_decoder": decoder})
    assert opened(folder).get_added_tokens_decoder()[259].special
    assert encode(folder, "<more>  he") == [260, 257]


@pytest.mark.parametrize(
    ("config", "model", "tokens"),
    [
        ({"tokenizer_class": "GPT2TokenizerFast"}, None, ["12"]),
        ({"tokenizer_class": "Qwen2TokenizerFast"}, None, ["1", "2"]),
        ({}, {"model_type": "qwen3"}, ["1", "2"]),
        ({}, None, ["12"]),
    ],
)
def test_family(tmp_path: Path, config: object, model: object, tokens: list[str]) -> None:
    assert opened(write(tmp_path, tokenizer_config=config, config=model)).encode("12").tokens == tokens


def test_qwen_composes_characters(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert encode(folder, "e\u0301") == encode(folder, "\u00e9")


@pytest.mark.parametrize(("add", "begin"), [(None, []), (False, []), (True, [258])])
def test_begin(tmp_path: Path, add: bool | None, begin: list[int]) -> None:
    config = {"tokenizer_class": "Qwen2Tokenizer", "bos_token": {"content": "<|end|>"}, "add_bos_token": add}
    folder = write(tmp_path, tokenizer_config=config)
    assert encode(folder, "he", begin=True) == [*begin, 257]
    assert encode(folder, "he") == [257]


def test_sentencepiece(tmp_path: Path) -> None:
    assert encode(write_model(tmp_path), "a[user]a</s>", begin=True) == [1, 261, 262, 261, 2]


def test_sentencepiece_with_more_tokens(tmp_path: Path) -> None:
    config = {"add_bos_token": False, "added_tokens_decoder": {"263": {"content": "<|im_start|>", "special": True}}}
    assert encode(write_model(tmp_path, tokenizer_config=config), "<|im_start|>a", begin=True) == [263, 261]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"vocab": None}, "no tokenizer.json"),
        ({"vocab": [1]}, "vocab.json holds list"),
        ({"vocab": {"a": "b"}}, "token id 'b'"),
        ({"vocab": {"a": -1}}, "token id -1"),
        ({"vocab": {"a": 1 << 40}}, "token id 1099511627776"),
        ({"vocab": {"a": 1, "b": 1}}, "the id 1 to 'a' and to 'b'"),
        ({"vocab": {"a": 1}}, "merge 0"),
        ({"added_tokens": {"<x>": 0}}, "<x>.* as 0"),
        ({"added_tokens": {"he": 300}}, "he.* as 300"),
        ({"tokenizer_config": {"added_tokens_decoder": {"x": {"content": "<x>"}}}}, "token id 'x'"),
        ({"tokenizer_config": {"added_tokens_decoder": {"300": "<x>"}}}, "token 300"),
        ({"tokenizer_config": {"added_tokens_decoder": []}}, "added_tokens_decoder"),
        ({"tokenizer_config": {"added_tokens_decoder": {"300": {"content": "<tool>"}}}}, "<tool>"),
        ({"tokenizer_config": {"add_bos_token": True}}, "bos_token"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, files: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CompileError, match=complaint):
        from_folder(write(tmp_path, **files))


def test_a_token_twice_in_a_file(tmp_path: Path) -> None:
    (write(tmp_path) / "vocab.json").write_text('{"a": 1, "b": 2, "a": 3}')
    with pytest.raises(CompileError, match="'a' twice"):
        from_folder(tmp_path)


def test_unigram_is_refused(tmp_path: Path) -> None:
    model = pb.Model.FromString((write_model(tmp_path) / "tokenizer.model").read_bytes())
    model.trainer.model_type = 1
    (tmp_path / "tokenizer.model").write_bytes(model.SerializeToString())
    with pytest.raises(CompileError, match="unigram"):
        from_folder(tmp_path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CompileError, match="at most"):
        from_folder(tmp_path)


def test_a_panic_of_the_library_is_an_error(tmp_path: Path) -> None:
    plain = json.loads(from_folder(write(tmp_path)))
    plain["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(plain))
    with pytest.raises(CompileError, match=r"tokenizer\.json"):
        from_folder(tmp_path)


def chain(kind: str, steps: int, **step: Any) -> dict[str, Any]:
    return {"type": "Sequence", kind: [step] * steps}


SPACES = {"type": "Replace", "pattern": {"Regex": " +"}, "content": "\u2581"}
NOTHING = {"type": "Replace", "pattern": {"String": ""}, "content": "x" * 20}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
LENGTHENING = {
    "nothing by much": ("normalizer", chain("normalizers", 6, **NOTHING)),
    "expressions": ("normalizer", chain("normalizers", 9, **SPACES)),
    "a letter by many": ("decoder", SPACES | {"pattern": {"String": "a"}, "content": "b" * 257}),
    "bytes by characters": ("pre_tokenizer", chain("pretokenizers", 30, **BYTES)),
    "each piece by what is before it": ("normalizer", {"type": "Prepend", "prepend": "x" * 300}),
    "a text by itself": ("post_processor", {
        "type": "TemplateProcessing", "special_tokens": {}, "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 300,
        "pair": [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"],
    }),
}  # fmt: skip


@pytest.mark.parametrize("bomb", LENGTHENING)
def test_texts_do_not_grow_beyond_all_memory(tmp_path: Path, bomb: str) -> None:
    part, value = LENGTHENING[bomb]
    plain = json.loads(from_folder(write(tmp_path)))
    (tmp_path / "tokenizer.json").write_text(json.dumps(plain | {part: value}))
    with pytest.raises(CompileError, match=r"tokenizer\.json .*may make a text .* times as long; expected 256 at most"):
        from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(plain | {"normalizer": chain("normalizers", 4, **SPACES)}))
    assert from_folder(tmp_path)


def test_a_map_of_characters_is_as_long_as_its_texts() -> None:
    def mapped(longest: int) -> dict[str, Any]:
        texts = b"a\0" + "é".encode() * longest + b"\0"
        charsmap = base64.b64encode((8).to_bytes(4, "little") + bytes(8) + texts).decode()
        return {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap}}

    check_growth(mapped(256))
    with pytest.raises(FormatError, match="a text 257 times as long"):
        check_growth(mapped(257))


NAMES = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES), st.integers(0), st.binary(max_size=6), st.booleans())
def test_damage_raises_only_named_errors(tmp_path: Path, name: str, at: int, junk: bytes, cut: bool) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    write_model(tmp_path) if name == "tokenizer.model" else write(tmp_path)
    if name == "tokenizer.json":
        (tmp_path / name).write_bytes(from_folder(tmp_path))
    data = bytearray((tmp_path / name).read_bytes())
    at %= len(data) + 1
    data[at : None if cut else at + len(junk)] = junk
    (tmp_path / name).write_bytes(data)
    try:
        found = from_folder(tmp_path)
    except (CompileError, SentencePieceError):
        return
    Tokenizer.from_str(found.decode())
