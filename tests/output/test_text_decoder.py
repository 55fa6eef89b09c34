"""Tokens to text, with stop strings."""

from itertools import pairwise

import pytest
from hollama_tokenizers.byte import END, ByteTokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.output import TextDecoder


def feed(data, stop=()):
    """What each byte shows, and whether a stop string ended the answer; then the flushed rest."""
    decoder = TextDecoder(ByteTokenizer(), stop)
    shown = []
    for token in data:
        text, ended = decoder.accept(token)
        shown.append(text)
        if ended:
            return shown, True
    return [*shown, decoder.flush()], False


def test_characters_are_shown_whole():
    assert feed("aé€😀".encode())[0] == ["a", "", "é", "", "", "€", "", "", "", "😀", ""]


def test_control_tokens_show_nothing():
    assert feed([97, END, 98])[0] == ["a", "", "b", ""]


def test_control_tokens_that_mean_something_are_seen():
    decoder = TextDecoder(ByteTokenizer(), shown={END: b"[END]"})
    assert [decoder.accept(token)[0] for token in (97, END, 98)] == ["a", "[END]", "b"]


def test_broken_utf8_becomes_the_replacement_character():
    assert "".join(feed(b"a\xffb\xc3(\xe2\x82")[0]) == "a\ufffdb\ufffd(\ufffd"


def test_stop_string_is_cut_and_what_may_begin_it_held():
    assert feed(b"ab<end>c", ["<end>"]) == (["a", "b", "", "", "", "", ""], True)


def test_held_text_is_shown_when_it_is_no_stop():
    assert feed(b"a<en b", ["<end>"]) == (["a", "", "", "", "<en ", "b", ""], False)


def test_held_text_is_flushed():
    assert feed(b"a<en", ["<end>"]) == (["a", "", "", "", "<en"], False)


def test_stop_string_that_overlaps_itself():
    assert feed(b"aaab", ["aab"]) == (["", "", "a", ""], True)


def test_first_complete_stop_string_wins():
    assert feed(b"abcd", ["abcd", "bc"]) == (["", "", "a"], True)


def test_empty_stop_ends_at_once():
    assert feed(b"abc", ["", "x"]) == ([""], True)


def test_nothing_after_the_stop():
    decoder = TextDecoder(ByteTokenizer(), ["b"])
    assert [decoder.accept(token) for token in b"abc"] == [("a", False), ("", True), ("", True)]
    assert decoder.flush() == ""


def test_stop_string_across_the_last_broken_character():
    decoder = TextDecoder(ByteTokenizer(), ["\ufffd"])
    decoder.accept(0xE2)
    assert decoder.flush() == ""


class Cut:
    """A tokenizer whose pieces are the given strings."""

    vocab_size = 99

    def __init__(self, pieces):
        self.pieces = pieces

    def encode(self, text, *, begin=False):
        raise NotImplementedError

    def piece(self, token):
        return self.pieces[token]

    def control(self, token):
        return False


texts = st.text("abé", max_size=12)


@settings(deadline=None)
@given(texts, st.lists(st.text("abé", min_size=1, max_size=4), max_size=3), st.lists(st.integers(0, 20), max_size=6))
def test_cut_into_tokens_makes_no_difference(text, stop, cuts):
    data = text.encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    decoder, shown, ended = TextDecoder(Cut(pieces), stop), "", False
    for token in range(len(pieces)):
        piece, ended = decoder.accept(token)
        shown += piece
        if ended:
            break
    shown += decoder.flush()
    one_by_one, expected = feed(data, stop)
    assert (shown, ended) == ("".join(one_by_one), expected)
    first = min(((text.find(s) + len(s), text.find(s)) for s in stop if s in text), default=None)
    assert shown == (text if first is None else text[: first[1]])


@pytest.mark.parametrize("stop", [["x"], []])
@settings(deadline=None)
@given(st.binary(max_size=30))
def test_any_bytes_are_text(stop, data):
    assert "".join(feed(data, stop)[0]) == data.decode("utf-8", "replace").split(*(stop or ["\0" * 99]))[0]
