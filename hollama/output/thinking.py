"""Splits thoughts from the answer by the tags a model writes around them. Knows no model and no template."""

from __future__ import annotations

from hollama.output.hold import held
from hollama.types import Delta


class ThinkingSplitter:
    """Sees thoughts only at the very start of the answer; later tags are text.

    `primed` says that the prompt already ends with the opening tag. Whitespace after either tag is dropped.
    """

    def __init__(self, open_tag: str, close_tag: str, primed: bool = False) -> None:
        self._open, self._close = open_tag, close_tag
        self._state = self._think if primed else self._look
        self._trim = primed  # whitespace that comes next is dropped
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
        rest, self._buffer = self._trimmed(), ""
        return _delta(thinking=rest) if self._state == self._think else _delta(content=rest)

    def _look(self) -> list[Delta]:
        trimmed = self._buffer.lstrip()
        if trimmed.startswith(self._open):
            self._buffer, self._trim, self._state = trimmed[len(self._open) :], True, self._think
        elif not self._open.startswith(trimmed):
            self._state = self._answer
        return []

    def _think(self) -> list[Delta]:
        thought, found, rest = self._trimmed().partition(self._close)
        if found:
            self._buffer, self._trim, self._state = rest, True, self._answer
            return _delta(thinking=thought)
        certain = len(thought) - held(thought, self._close)
        self._buffer = thought[certain:]
        return _delta(thinking=thought[:certain])

    def _answer(self) -> list[Delta]:
        text, self._buffer = self._trimmed(), ""
        return _delta(content=text)

    def _trimmed(self) -> str:
        text = self._buffer.lstrip() if self._trim else self._buffer
        self._trim = self._trim and not text
        return text


def _delta(content: str = "", thinking: str = "") -> list[Delta]:
    return [Delta(content=content, thinking=thinking)] if content or thinking else []
