"""Puts the parts of a tokenizer together as the bytes of a tokenizer.json. Knows no source of vocabularies.

An added token is cut out of a text before anything else sees it; "special" says that it controls the model and is never
shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import Decoder
from tokenizers.models import Model
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer
from tokenizers.processors import TemplateProcessing

from hollama.errors import CompileError

MAX_ID = (1 << 22) - 1  # the largest known vocabularies have 262,144 tokens
MAX_TOKEN = 1 << 12  # characters; the longest known is a run of 1,024 spaces


def added_token(text: str, *, special: bool, lstrip: bool = False, rstrip: bool = False) -> AddedToken:
    """A token found in text exactly as it is written; `lstrip` and `rstrip` let it swallow the spaces beside it."""
    return AddedToken(text, special=special, lstrip=lstrip, rstrip=rstrip, normalized=False)


def check_token(text: object, index: object) -> str:
    """Raises CompileError for what can be no token of any vocabulary."""
    if not isinstance(text, str):
        raise CompileError(f"token {index} of the vocabulary is no text, but {type(text).__name__}")
    if not text or len(text) > MAX_TOKEN:
        raise CompileError(f"token {index} of the vocabulary has {len(text)} characters; expected 1 to {MAX_TOKEN}")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise CompileError(f"token {index} of the vocabulary, {text!r:.60}, is no Unicode text")
    return text


def assemble(
    model: Model,
    *,
    added: Mapping[int, AddedToken],
    bos: int | None,
    eos: int | None = None,
    decoder: Decoder,
    normalizer: Normalizer | None = None,
    pre_tokenizer: PreTokenizer | None = None,
) -> bytes:
    """The bytes of a tokenizer.json.

    `added` maps ids to tokens the model's own vocabulary has under the same ids; `bos` and `eos` are the ids to put in
    front of a text and behind it when special tokens are asked for. Raises CompileError.
    """
    with library_errors("the vocabulary makes no tokenizer"):
        tokenizer = Tokenizer(model)
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        if pre_tokenizer is not None:
            tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.decoder = decoder
        tokenizer.add_tokens([added[index] for index in sorted(added)])
        if bos is not None or eos is not None:
            tokenizer.post_processor = _around(tokenizer, bos, eos)
        return tokenizer.to_str().encode()


def _around(tokenizer: Tokenizer, bos: int | None, eos: int | None) -> TemplateProcessing:
    special = []
    for name, index in (("bos", bos), ("eos", eos)):
        if index is not None:
            text = tokenizer.id_to_token(index)
            if text is None:
                raise CompileError(f"the vocabulary has no token {index}, which should stand around every text")
            special.append({"id": name, "ids": [index], "tokens": [text]})
    template = [*(["bos"] if bos is not None else []), "$A", *(["eos"] if eos is not None else [])]
    return TemplateProcessing(single=template, special_tokens=special)


@contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Whatever the `tokenizers` library raises becomes a CompileError that starts with `what`.

    It raises bare Exception, and where its Rust code panics something that is not even an Exception.
    """
    try:
        yield
    except CompileError:
        raise
    except Exception as error:
        raise CompileError(f"{what}: {error!s:.500}") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise CompileError(f"{what}: {error!s:.500}") from None
