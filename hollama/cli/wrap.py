"""Wraps streamed text at words. Knows the cursor escapes it needs and no more of a terminal."""

from __future__ import annotations

import unicodedata

_MARGIN = 5  # columns kept free at the right


class WordWrap:
    """Text arrives in pieces and is shown at once; a word that grows past the edge is taken to the next line.

    `width` is the terminal's, in columns; 0 leaves every text as it is.
    """

    def __init__(self, width: int) -> None:
        self._limit = max(width - _MARGIN, 0)
        self._column = 0
        self._word = ""

    def feed(self, text: str) -> str:
        """What to write to the terminal for the next piece of text."""
        return "".join(map(self._shown, text)) if self._limit else text

    def _shown(self, character: str) -> str:
        if character == "\n":
            self._column, self._word = 0, ""
            return character
        self._column += columns(character)
        if character == " ":
            self._word = ""
            # a blank that would stand at the edge becomes the line's end
            return self._broken("") if self._column > self._limit else character
        self._word += character
        return self._broken(self._word) if self._column > self._limit else character

    def _broken(self, word: str) -> str:
        if word and columns(word) > self._limit:  # longer than a line: break it where it is
            self._word, self._column = word[-1], columns(word[-1])
            return f"\n{word[-1]}"
        self._column = columns(word)
        back = columns(word[:-1])
        return (f"\x1b[{back}D\x1b[K" if back else "") + f"\n{word}"


def columns(text: str) -> int:
    """Cells of a terminal that `text` takes: two for a wide character, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
