"""What a package's metadata says of embedding with it."""

from types import SimpleNamespace
from typing import Any

import pytest
from hollama_tokenizers.byte import ByteTokenizer

from hollama.errors import ContextOverflow, RequestError
from hollama.runtime.embedding import _tokens, is_normalised, pooling
from hollama.types import EmbedRequest

WORDPIECE = {"tokenizer__ggml__model": "bert", "tokenizer__ggml__seperator_token_id": 102}


def info(architecture: str = "llama", *, add_bos: bool = False, **metadata: Any) -> Any:
    known = {name.replace("__", "."): value for name, value in metadata.items()}
    return SimpleNamespace(architecture=architecture, metadata=known, add_bos=add_bos, eos_token_ids=(257,))


@pytest.mark.parametrize(("number", "name"), [(None, "last"), (1, "mean"), (2, "cls"), (3, "last")])
def test_pooling_is_llama_cpps_number(number: int | None, name: str) -> None:
    assert pooling(info() if number is None else info(llama__pooling_type=number)) == name


@pytest.mark.parametrize("number", [0, 4, 5, -1, "max", [1], 1.0, True])
def test_other_poolings_are_refused(number: Any) -> None:
    with pytest.raises(RequestError, match="is not OAI compatible"):
        pooling(info(llama__pooling_type=number))


@pytest.mark.parametrize(
    ("package", "unit"),
    [
        (info(), False),
        (info(llama__pooling_type=1), True),
        (info(llama__pooling_type=1, llama__normalize_embeddings=False), False),
        (info("bert", bert__pooling_type=2, tokenizer__ggml__model="bert"), True),
        (info("bert", bert__pooling_type=2, tokenizer__ggml__model="t5"), False),
        (info("bert", bert__pooling_type=2, tokenizer__ggml__model="t5", bert__normalize_embeddings=True), True),
        (info("nomic-bert", **{"nomic-bert__pooling_type": 1}), False),
    ],
)
def test_some_models_vectors_have_the_length_one(package: Any, unit: bool) -> None:
    assert is_normalised(package) is unit


def tokens(package: Any, text: str, context: int = 8, truncate: bool = True) -> tuple[int, ...]:
    running: Any = SimpleNamespace(info=package, tokenizer=ByteTokenizer())
    ((*found,),) = _tokens(running, EmbedRequest("m", (text,), truncate=truncate), context)
    return tuple(found)


@pytest.mark.parametrize(
    ("package", "before", "after"),
    [
        (info(), (), ()),
        (info(add_bos=True), (256,), ()),
        (info(tokenizer__ggml__add_eos_token=True), (), (257,)),
        (info(tokenizer__ggml__add_eos_token=True, tokenizer__ggml__eos_token_id=9), (), (9,)),
        (info("bert", add_bos=True, **WORDPIECE), (256,), (102,)),
    ],
)
def test_a_cut_text_keeps_its_beginning_and_its_end(package: Any, before: Any, after: Any) -> None:
    assert tokens(package, "ab") == (*before, *b"ab", *after)
    cut = tokens(package, "abcdefghijkl")
    assert cut == (*before, *b"abcdefgh"[: 8 - len(before) - len(after)], *after)
    with pytest.raises(ContextOverflow, match="the input length exceeds"):
        tokens(package, "abcdefghijkl", truncate=False)


def test_a_context_of_nothing_but_the_ends_has_no_room() -> None:
    package = info(add_bos=True, tokenizer__ggml__add_eos_token=True)
    with pytest.raises(ContextOverflow, match="after truncation"):
        tokens(package, "a", context=2)


def test_no_tokens_at_all_are_refused() -> None:
    with pytest.raises(RequestError, match="cannot be empty"):
        tokens(info(), "")
