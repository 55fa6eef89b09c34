"""One id a byte."""

from hollama_tokenizers.byte import BEGIN, END, SPEC
from hypothesis import given, settings
from hypothesis import strategies as st

byte = SPEC.open(b"")


@settings(deadline=None)
@given(st.text().filter(lambda text: "<|" not in text))
def test_pieces_are_the_text(text):
    assert b"".join(map(byte.piece, byte.encode(text))) == text.encode("utf-8", "replace")


def test_control_tokens_in_the_text_are_single_ids():
    assert byte.encode("a<|end|>b", begin=True) == [BEGIN, 97, END, 98]
    assert byte.control(END) and not byte.control(97)
    assert byte.piece(END) == b""


def test_ids_stay_in_the_vocabulary():
    assert max(byte.encode("ÿ<|im_end|>")) == byte.vocab_size - 1
