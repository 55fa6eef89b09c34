"""Control tokens that say where calls and thoughts are must be seen, though all others are not."""

import json

from hollama_tokenizers.huggingface import open_json

from hollama.output import TextDecoder
from hollama.runtime.rendering import control_marks

VOCABULARY = {character: place for place, character in enumerate("abc[]")}
SPECIAL = [("[TOOL_CALLS]", 5, True), ("<think>", 6, False), ("</s>", 7, True)]
FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
TOKENIZER = open_json(
    json.dumps(
        {
            "added_tokens": [
                {"id": id, "content": text, "special": special, **dict.fromkeys(FLAGS, False)}
                for text, id, special in SPECIAL
            ],
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            "model": {"type": "BPE", "vocab": VOCABULARY, "merges": []},
        }
    ).encode()
)


def test_only_marks_that_are_control_tokens_need_to_be_shown():
    assert control_marks(TOKENIZER, ["[TOOL_CALLS]", "<think>", "abc", "]"]) == {5: b"[TOOL_CALLS]"}


def test_they_are_seen_and_no_other_is():
    decoder = TextDecoder(TOKENIZER, shown=control_marks(TOKENIZER, ["[TOOL_CALLS]"]))
    assert "".join(decoder.accept(token)[0] for token in (0, 5, 6, 1, 7)) == "a[TOOL_CALLS]<think>b"
