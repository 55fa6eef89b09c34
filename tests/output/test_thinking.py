"""Thoughts and answer, however the text is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.output import ThinkingSplitter


def split(*texts, primed=False):
    splitter = ThinkingSplitter("<think>", "</think>", primed)
    deltas = [delta for text in texts for delta in splitter.push(text)] + splitter.flush()
    return "".join(delta.thinking for delta in deltas), "".join(delta.content for delta in deltas)


@pytest.mark.parametrize(
    ("text", "thinking", "content"),
    [
        ("  <think> a </think> b", "a ", "b"),
        ("hello", "", "hello"),
        ("  hello", "", "  hello"),
        ("<think>a</think>", "a", ""),
        ("<think></think>\n\nb", "", "b"),
        ("<think>\n\n</think>\n\nb", "", "b"),
        ("a <think>b</think>", "", "a <think>b</think>"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("<think>never closed", "never closed", ""),
        ("<think>x</thin", "x</thin", ""),
        ("<thi", "", "<thi"),
        ("<thought>", "", "<thought>"),
        ("", "", ""),
    ],
)
def test_split(text, thinking, content):
    assert split(text) == (thinking, content)
    assert split(*text) == (thinking, content)


def test_primed_begins_inside():
    assert split("\n a </think> b", primed=True) == ("a ", "b")
    assert split("a", primed=True) == ("a", "")


def test_a_model_may_repeat_the_tag_that_the_prompt_ends_with():
    assert split("<think>\na</think>b", primed=True) == split("a</think>b", primed=True) == ("a", "b")
    assert split("<thi", primed=True) == ("<thi", "")


def test_thoughts_end_before_a_call_that_nobody_closed_them_for():
    def parts(*texts):
        splitter = ThinkingSplitter("<think>", "</think>", True, until=["<tool_call>"])
        deltas = [delta for text in texts for delta in splitter.push(text)] + splitter.flush()
        return "".join(delta.thinking for delta in deltas), "".join(delta.content for delta in deltas)

    text = "hm <tool <tool_call>{}</tool_call></think>"
    assert parts(text) == parts(*text) == ("hm <tool ", "<tool_call>{}</tool_call></think>")
    assert parts("a</think><tool_call>") == ("a", "<tool_call>")


def test_only_what_may_begin_the_tag_is_held():
    splitter = ThinkingSplitter("<think>", "</think>")
    assert splitter.push("<thi") == []
    assert [delta.thinking for delta in splitter.push("nk>x</thin")] == ["x"]
    assert [delta.content for delta in splitter.push("k>y")] == ["y"]


pieces = st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "</", " ", "\n", "a", "b"]), max_size=12)


@settings(deadline=None)
@given(pieces, st.booleans())
def test_cut_makes_no_difference(texts, primed):
    assert split(*texts, primed=primed) == split("".join(texts), primed=primed) == split(*"".join(texts), primed=primed)
