"""BERT's WordPiece as a tokenizer.json: words are cut greedily, what goes on within a word is marked by "##"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import AddedToken, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from hollama.compiler.tokenizers.assemble import assemble, library_errors
from hollama.errors import CompileError

CONTINUES = "##"
_FIRST, _LAST, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_LONGEST = 100  # characters of a word that is cut at all
_SPACE = "\u2581"


def wordpiece(tokens: Sequence[str], *, added: Mapping[int, AddedToken], lowercase: bool) -> bytes:
    """The bytes of a tokenizer.json; a text stands between "[CLS]" and "[SEP]".

    Raises CompileError for a vocabulary without those, or "[UNK]".
    """
    vocab = {token: index for index, token in enumerate(tokens)}
    missing = [token for token in (_FIRST, _LAST, _UNKNOWN) if token not in vocab]
    if missing:
        raise CompileError(f"the vocabulary has no {', '.join(missing)}; is it BERT's?")
    with library_errors("the vocabulary makes no tokenizer"):
        model = WordPiece(vocab, unk_token=_UNKNOWN, max_input_chars_per_word=_LONGEST)
    return assemble(
        model,
        added=added,
        bos=vocab[_FIRST],
        eos=vocab[_LAST],
        normalizer=normalizers.BertNormalizer(lowercase=lowercase),
        pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        decoder=decoders.WordPiece(CONTINUES),
    )


def marked(token: str) -> str:
    """A token of a GGUF file, which marks where words begin, as BERT writes it, which marks where they go on."""
    if token.startswith("[") and token.endswith("]"):
        return token
    return token[1:] if token.startswith(_SPACE) else CONTINUES + token
