"""How families of byte-level BPE cut a text before merging, under the names `tokenizer.ggml.pre` has for them.

Each pattern in turn cuts what the ones before it left, matches and gaps alike. Source: the families' own tokenizer.json
files and llama.cpp's src/llama-vocab.cpp, which names them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, PreTokenizer, Sequence, Split

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_TAIL = rf" ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+", rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*")
_CASED_TAIL = rf" ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
_KANJI_AND_KANA = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
_CASED_LETTERS = (
    "A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377"
    "\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556"
    "\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943"
)
_ASCII_PUNCTUATION = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"


@dataclass(frozen=True)
class Family:
    """`whole_words`: a piece that is a token needs no merges to become it. `adds_bos`: unless told otherwise."""

    patterns: tuple[str, ...]
    whole_words: bool = False
    adds_bos: bool = False

    def pre_tokenizer(self) -> PreTokenizer:
        """Cuts a text and spells the pieces in the 256 characters that stand for bytes."""
        splits: list[PreTokenizer] = [Split(Regex(pattern), "isolated") for pattern in self.patterns]
        return Sequence([*splits, ByteLevel(add_prefix_space=False, use_regex=False)])


_LLAMA3_PATTERN = rf"{_SUFFIX}|{_WORD}|\p{{N}}{{1,3}}|{_TAIL}"
GPT2 = Family((_GPT2,))
QWEN2 = Family((rf"{_SUFFIX}|{_WORD}|\p{{N}}|{_TAIL}",))
LLAMA3 = Family((_LLAMA3_PATTERN,), whole_words=True, adds_bos=True)
_SMAUG = Family((_LLAMA3_PATTERN,))
_SINGLE_DIGITS = Family((r"\p{N}", _GPT2))
_FALCON = Family((r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, "[0-9][0-9][0-9]"))
_TEKKEN = Family((rf"{_CASED[0]}|{_CASED[1]}|\p{{N}}|{_CASED_TAIL}",), whole_words=True, adds_bos=True)
_GPT4O = Family((rf"{_CASED[0]}{_SUFFIX}?|{_CASED[1]}{_SUFFIX}?|\p{{N}}{{1,3}}|{_CASED_TAIL}",))
_PUNCTUATION = "[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
_DEEPSEEK_LLM = Family(
    (r"[\r\n]", rf"\s?[{_CASED_LETTERS}]+", rf"\s?{_PUNCTUATION}", r"\s+$", _CJK, r"\p{N}+"),
)
_DEEPSEEK_CODER = Family((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK, r"\p{N}"))
_DEEPSEEK_V3 = Family(
    (
        r"\p{N}{1,3}",
        _KANJI_AND_KANA,
        rf"{_ASCII_PUNCTUATION}[A-Za-z]+|[^\r\n\p{{L}}\p{{P}}\p{{S}}]?[\p{{L}}\p{{M}}]+"
        rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|{_SPACES}",
    )
)
_DEFAULT = Family((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]"))

_NAMES = (
    (_DEFAULT, "default"),
    (GPT2, "gpt-2 mpt olmo phi-2 jais trillion exaone4 roberta-bpe"),
    (QWEN2, "qwen2 deepseek-r1-qwen stablelm2 hunyuan megrez kormo"),
    (LLAMA3, "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral lfm2"),
    (_SMAUG, "smaug-bpe dbrx glm4 chatglm-bpe"),
    (_SINGLE_DIGITS, "starcoder refact command-r smollm codeshell exaone minerva-7b"),
    (_FALCON, "falcon"),
    (_TEKKEN, "tekken"),
    (_GPT4O, "gpt-4o llama4"),
    (_DEEPSEEK_LLM, "deepseek-llm"),
    (_DEEPSEEK_CODER, "deepseek-coder"),
    (_DEEPSEEK_V3, "deepseek-v3 hunyuan-dense"),
)


def family(name: object) -> Family:
    """The family `tokenizer.ggml.pre` names; for none or an unknown one the default, and a warning in the log."""
    for found, names in _NAMES:
        if isinstance(name, str) and name in names.split():
            return found
    logging.getLogger(__name__).warning("unknown pre-tokenizer %r: using the default, which may cost quality", name)
    return _DEFAULT
