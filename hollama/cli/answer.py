"""Writes a streamed answer: its text, its thinking, what it cost. Knows the API's chunks and a terminal's width."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TextIO

from hollama.cli.client import Json
from hollama.cli.progress import spinner
from hollama.cli.wrap import WordWrap
from hollama.duration import format_duration

_GREY, _BOLD, _PLAIN = "\x1b[90m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True)
class Display:
    """How an answer is shown. Nothing is wrapped or coloured unless `out` is a terminal."""

    out: TextIO
    word_wrap: bool = True
    hide_thinking: bool = False

    def show(self, chunks: Generator[Json, None, None]) -> Answer:
        """Show an answer, and a spinner until it begins; hangs up if that is interrupted."""
        with closing(chunks):
            with spinner(sys.stderr, ""):
                first = next(chunks, {})
            return self._writer().consume(chain([first], chunks))

    def _writer(self) -> AnswerWriter:
        terminal = self.out.isatty()
        width = shutil.get_terminal_size().columns if terminal and self.word_wrap else 0
        return AnswerWriter(self.out, WordWrap(width), terminal, self.hide_thinking)


@dataclass(frozen=True)
class Answer:
    """A whole answer and its last chunk, which has the statistics."""

    content: str
    thinking: str
    last: Json


class AnswerWriter:
    """Shows the pieces of one answer as they come."""

    def __init__(self, out: TextIO, wrap: WordWrap, colours: bool, hide_thinking: bool) -> None:
        self._out = out
        self._wrap = wrap
        self._colours = colours
        self._hide = hide_thinking
        self._thinking: list[str] = []
        self._content: list[str] = []

    def consume(self, chunks: Iterable[Json]) -> Answer:
        """Show every chunk of /api/generate or /api/chat as it arrives."""
        chunk: Json = {}
        for chunk in chunks:
            message = chunk.get("message") or {}
            self._think(message.get("thinking") or chunk.get("thinking") or "")
            self._say(message.get("content") or chunk.get("response") or "")
            for call in message.get("tool_calls") or ():
                self._say(_unasked_call(call))
        self._end_thinking()
        return Answer("".join(self._content), "".join(self._thinking), chunk)

    def _think(self, text: str) -> None:
        if not text or self._content:
            return
        if not self._thinking and not self._hide:
            self._write(f"{_GREY + _BOLD}Thinking...\n{_PLAIN + _GREY}" if self._colours else "Thinking...\n")
        self._thinking.append(text)
        if not self._hide:
            self._write(self._wrap.feed(text))

    def _say(self, text: str) -> None:
        if not text:
            return
        if not self._content:
            self._end_thinking()
        self._content.append(text)
        self._write(self._wrap.feed(text))

    def _end_thinking(self) -> None:
        if self._thinking and not self._content and not self._hide:
            newline = "" if self._thinking[-1].endswith("\n") else "\n"
            bold, plain = (_GREY + _BOLD, _PLAIN) if self._colours else ("", "")
            self._write(self._wrap.feed(newline) + f"{bold}...done thinking.{plain}\n\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _unasked_call(call: Json) -> str:
    function = call.get("function") or {}
    name, arguments = function.get("name"), json.dumps(function.get("arguments") or {})
    return f"  Model called a non-existent function '{name}()' with arguments: {arguments}"


def statistics(last: Json) -> list[str]:
    """The lines that `--verbose` adds, from the last chunk; what is 0 has no line."""
    lines = []
    for name, duration, count, rate in (
        ("total", "total_duration", "", ""),
        ("load", "load_duration", "", ""),
        ("prompt eval", "prompt_eval_duration", "prompt_eval_count", "prompt eval rate"),
        ("eval", "eval_duration", "eval_count", "eval rate"),
    ):
        nanoseconds, tokens = int(last.get(duration) or 0), int(last.get(count) or 0)
        if tokens:
            lines.append(_row(f"{name} count", f"{tokens} token(s)"))
        if nanoseconds:
            lines.append(_row(f"{name} duration", format_duration(nanoseconds)))
        if tokens and nanoseconds:
            lines.append(_row(rate, f"{tokens / nanoseconds * 1e9:.2f} tokens/s"))
    drafted, accepted = (int(last.get(f"hollama_{kind}_count") or 0) for kind in ("drafted", "accepted"))
    if drafted:
        lines.append(_row("guessed right", f"{accepted} of {drafted} token(s)"))
    return lines


def _row(name: str, value: str) -> str:
    return f"{name + ':':<21} {value}"
