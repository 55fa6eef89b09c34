"""Splits thoughts from the answer by the tags a model writes around them. Knows no model and no template."""

from __future__ import annotations

from collections.abc import Sequence

from hollama.output.hold import held
from hollama.types import Delta


class ThinkingSplitter:
    """Sees thoughts only at the very start of the answer; later tags are text.

    `primed` says that the prompt already ends with the opening tag: the model may repeat it, and need not. Whitespace
    after either tag is dropped. Thoughts also end before any of the texts `until`, which the answer then begins with.
    """

    def __init__(self, open_tag: str, close_tag: str, primed: bool = False, until: Sequence[str] = ()) -> None:
        self._open, self._close = open_tag, close_tag
        self._ends = (close_tag, *until)
        self._primed = primed
        self._state = self._look
        self._trim = False  # whitespace that comes next is dropped
        self._buffer = ""

    def push(self, text: str) -> list[Delta]:
        """What has become certain by `text`."""
        self._buffer += text
        deltas: list[Delta] = []
        state = None
        while state != self._state:
            state = self._state
            deltas += state()
        return deltas

    def flush(self) -> list[Delta]:
        """What was held back, at the end."""
        if self._state == self._look and self._primed:
            self._begin("")
        rest, self._buffer = self._trimmed(), ""
        return _delta(thinking=rest) if self._state == self._think else _delta(content=rest)

    def _look(self) -> list[Delta]:
        trimmed = self._buffer.lstrip()
        if trimmed.startswith(self._open):
            self._begin(self._open)
        elif not self._open.startswith(trimmed):
            if self._primed:
                self._begin("")
            else:
                self._state = self._answer
        return []

    def _begin(self, tag: str) -> None:
        self._buffer = self._buffer.lstrip().removeprefix(tag)
        self._trim, self._state = True, self._think

    def _think(self) -> list[Delta]:
        text = self._trimmed()
        place, end = min(((text.find(end), end) for end in self._ends if end in text), default=(-1, ""))
        if end:
            self._buffer = text[place:].removeprefix(self._close)
            self._trim, self._state = True, self._answer
            return _delta(thinking=text[:place])
        certain = len(text) - max(held(text, end) for end in self._ends)
        self._buffer = text[certain:]
        return _delta(thinking=text[:certain])

    def _answer(self) -> list[Delta]:
        text, self._buffer = self._trimmed(), ""
        return _delta(content=text)

    def _trimmed(self) -> str:
        text = self._buffer.lstrip() if self._trim else self._buffer
        self._trim = self._trim and not text
        return text


def _delta(content: str = "", thinking: str = "") -> list[Delta]:
    return [Delta(content=content, thinking=thinking)] if content or thinking else []
