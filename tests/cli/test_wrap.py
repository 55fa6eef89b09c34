"""Words that grow past the edge move to the next line."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hollama.cli.wrap import WordWrap, columns


def screen(written: str) -> list[str]:
    """What a terminal shows after the escapes that the wrapper uses."""
    lines = [""]
    for part in re.findall(r"\x1b\[\d+D\x1b\[K|\n|[^\x1b\n]", written):
        if part.startswith("\x1b"):
            back = int(part[2 : part.index("D")])
            while back > 0:
                back -= columns(lines[-1][-1])
                lines[-1] = lines[-1][:-1]
        elif part == "\n":
            lines.append("")
        else:
            lines[-1] += part
    return lines


def wrapped(text: str, width: int, pieces: int = 1) -> list[str]:
    wrap = WordWrap(width)
    return screen("".join(wrap.feed(text[start : start + pieces]) for start in range(0, len(text), pieces)))


def test_breaks_before_the_word_that_does_not_fit() -> None:
    assert wrapped("one two three four", 15) == ["one two ", "three four"]


def test_a_word_longer_than_a_line_breaks_inside() -> None:
    assert wrapped("abcdefghijklmno", 10) == ["abcde", "fghij", "klmno"]


def test_newlines_of_the_text_stay() -> None:
    assert wrapped("one\n\ntwo", 15) == ["one", "", "two"]


def test_wide_characters_count_twice() -> None:
    assert wrapped("你好吗", 9) == ["你好", "吗"]


def test_no_width_leaves_text_alone() -> None:
    assert WordWrap(0).feed("one two three " * 20) == "one two three " * 20


@given(st.text(st.sampled_from("ab 好\n"), max_size=200), st.integers(7, 30), st.integers(1, 5))
def test_lines_fit_and_no_word_character_is_lost(text: str, width: int, pieces: int) -> None:
    lines = wrapped(text, width, pieces)
    assert all(columns(line) <= width - 5 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
