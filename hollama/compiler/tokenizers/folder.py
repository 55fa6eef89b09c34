"""Reads a Hugging Face folder's vocabulary: tokenizer.json, tokenizer.model, vocab.json with merges.txt, vocab.txt."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, normalizers

from hollama.compiler.tokenizers.assemble import MAX_ID, added_token, check_token
from hollama.compiler.tokenizers.byte_level import byte_level, parse_merges
from hollama.compiler.tokenizers.families import GPT2, LLAMA3, QWEN2, Family
from hollama.compiler.tokenizers.opening import open_tokenizer
from hollama.compiler.tokenizers.sentencepiece import ScoredToken, sentencepiece_bpe
from hollama.compiler.tokenizers.wordpiece import wordpiece
from hollama.errors import CompileError
from hollama.formats.sentencepiece import PieceType, SentencePieceModel

_MAX_SIZE = 256 << 20  # bytes; the largest known tokenizer.json has 33 MB
_CONTROLS = (PieceType.CONTROL, PieceType.UNKNOWN)
_NEVER_JOINED = (PieceType.CONTROL, PieceType.UNKNOWN, PieceType.BYTE)
_CLASSES = {"Qwen2Tokenizer": QWEN2, "GPT2Tokenizer": GPT2}
_MODEL_TYPES = {"qwen2": QWEN2, "qwen3": QWEN2, "gpt2": GPT2}


def from_folder(folder: Path) -> bytes:
    """The bytes of a tokenizer.json.

    Raises CompileError for a vocabulary that is missing or contradictory, SentencePieceError for a damaged
    tokenizer.model, OSError.
    """
    if (folder / "tokenizer.json").is_file():
        data = _read(folder / "tokenizer.json")
        open_tokenizer(data)
        return data
    if (folder / "tokenizer.model").is_file():
        return _sentencepiece(folder)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_level(folder)
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder)
    raise CompileError(f"{folder}: no tokenizer.json, no tokenizer.model, no vocab.json with merges.txt, no vocab.txt")


def _sentencepiece(folder: Path) -> bytes:
    """As Llama's own tokenizer and a GGUF file have it: runs of spaces are kept, whatever the model says of them."""
    model = SentencePieceModel.open(folder / "tokenizer.model")
    if model.algorithm != "bpe" or model.treat_whitespace_as_suffix:
        raise CompileError(f'tokenizer.model is of the kind "{model.algorithm}", expected "bpe"; add a tokenizer.json')
    if model.charsmap:
        logging.getLogger(__name__).warning("tokenizer.model has rules of normalisation, which are left out")
    config = _object(folder / "tokenizer_config.json")
    ids = {piece.text: index for index, piece in enumerate(model.pieces)}
    listed = _listed(folder, config)
    added = {
        index: added_token(piece.text, special=piece.type in _CONTROLS)
        for index, piece in enumerate(model.pieces)
        if piece.type in (*_CONTROLS, PieceType.USER_DEFINED)
    } | listed
    extra = _merge_ids(ids, listed)
    bos = {**ids, **extra}.get(token_text(config.get("bos_token"))) if "bos_token" in config else model.bos_id
    return sentencepiece_bpe(
        [ScoredToken(piece.text, piece.score, piece.type not in _NEVER_JOINED) for piece in model.pieces],
        extra=extra,
        unknown=model.pieces[model.unk_id].text,
        added=added,
        bos=_bos(config, bos, default=True),
        space_prefix=model.add_dummy_prefix,
    )


def _wordpiece(folder: Path) -> bytes:
    """One token a line; lower case unless the folder says otherwise, as BERT's own tokenizer."""
    config = _object(folder / "tokenizer_config.json")
    try:
        lines = _read(folder / "vocab.txt").decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise CompileError(f"vocab.txt is not UTF-8: {error}") from None
    tokens = [check_token(line.removesuffix("\r"), index) for index, line in enumerate(lines)]
    special = _special_texts(config) | {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    added = {index: added_token(token, special=True) for index, token in enumerate(tokens) if token in special}
    return wordpiece(tokens, added=added, lowercase=config.get("do_lower_case") is not False)


def _byte_level(folder: Path) -> bytes:
    config = _object(folder / "tokenizer_config.json")
    ids = {check_token(text, value): _id(value) for text, value in _object(folder / "vocab.json").items()}
    listed = _listed(folder, config)
    ids |= _merge_ids(ids, listed)
    found = _family(folder, config, ids)
    return byte_level(
        ids,
        parse_merges(_merge_lines(folder / "merges.txt")),
        found,
        added=listed,
        bos=_bos(config, ids.get(token_text(config.get("bos_token"))), default=found.adds_bos),
        normalizer=normalizers.NFC() if found is QWEN2 else None,
    )


def _family(folder: Path, config: Mapping[str, Any], ids: Mapping[str, int]) -> Family:
    """By the class the folder names, else by the model, else by a token only Llama 3 has; GPT-2 is the oldest."""
    named = token_text(config.get("tokenizer_class")).removesuffix("Fast")
    if named in _CLASSES:
        return _CLASSES[named]
    model = token_text(_object(folder / "config.json").get("model_type"))
    if model in _MODEL_TYPES:
        return _MODEL_TYPES[model]
    return LLAMA3 if "<|begin_of_text|>" in ids else GPT2


def _listed(folder: Path, config: Mapping[str, Any]) -> dict[int, AddedToken]:
    """Tokens that added_tokens.json and tokenizer_config.json add to a vocabulary, or mark in it."""
    special = _special_texts(config)
    plain = _object(folder / "added_tokens.json")
    listed = {}
    for text, index in plain.items():
        listed[_id(index)] = added_token(check_token(text, index), special=text in special)
    decoder = config.get("added_tokens_decoder", {})
    if not isinstance(decoder, dict):
        raise CompileError("tokenizer_config.json: added_tokens_decoder should be an object")
    for key, value in decoder.items():
        entry = value if isinstance(value, dict) else {}
        text = check_token(entry.get("content"), key)
        index = _id(int(key) if key.isdecimal() and len(key) < 10 else key)
        flags = {name: entry.get(name) is True for name in ("special", "lstrip", "rstrip")}
        listed[index] = added_token(text, **flags)
    return listed


def _special_texts(config: Mapping[str, Any]) -> set[str]:
    named = [value for key, value in config.items() if key.endswith("_token")]
    more = config.get("additional_special_tokens")
    return {token_text(value) for value in named + (more if isinstance(more, list) else [])}


def _merge_ids(ids: Mapping[str, int], listed: Mapping[int, AddedToken]) -> dict[str, int]:
    """The ids of the listed tokens the vocabulary does not have. Raises CompileError where the two contradict."""
    texts = {index: text for text, index in ids.items()}
    if len(texts) < len(ids):
        text, index = next((text, index) for text, index in ids.items() if texts[index] != text)
        raise CompileError(f"the vocabulary gives the id {index} to {text!r:.60} and to {texts[index]!r:.60}")
    extra: dict[str, int] = {}
    for index, token in listed.items():
        if texts.get(index, token.content) != token.content or ids.get(token.content, index) != index:
            raise CompileError(f"the token {token.content!r:.60} is added as {index}, the vocabulary says otherwise")
        if extra.setdefault(token.content, index) != index:
            raise CompileError(f"the token {token.content!r:.60} is added as {extra[token.content]} and as {index}")
    return extra


def _bos(config: Mapping[str, Any], bos: int | None, *, default: bool) -> int | None:
    wanted = config.get("add_bos_token")
    if not (wanted if isinstance(wanted, bool) else default):
        return None
    if bos is None and wanted:
        raise CompileError("tokenizer_config.json asks for a bos_token in front that is not in the vocabulary")
    return bos


def _merge_lines(path: Path) -> list[object]:
    """One merge a line; the first line may tell the version."""
    try:
        lines = _read(path).decode().split("\n")
    except UnicodeDecodeError as error:
        raise CompileError(f"{path.name} is not UTF-8: {error}") from None
    start = 1 if lines[0].startswith("#version") else 0
    return [line.removesuffix("\r") for line in lines[start:] if line.strip("\r")]


def _id(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ID:
        raise CompileError(f"the vocabulary has the token id {value!r:.60}; expected 0 to {MAX_ID}")
    return value


def token_text(value: object) -> str:
    """A token in tokenizer_config.json: a text, or an object with its content."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _object(path: Path) -> dict[str, Any]:
    """A JSON object, empty if there is no such file. Raises CompileError."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(_read(path), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CompileError(f"{path.name} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise CompileError(f"{path.name} holds {type(value).__name__}, expected an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in values if names.count(name) > 1)
        raise CompileError(f"a JSON object of the tokenizer has the key {twice!r:.60} twice")
    return values


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _MAX_SIZE:
        raise CompileError(f"{path.name} has {size} bytes; expected at most {_MAX_SIZE}")
    return path.read_bytes()
