"""Finds the calls of a family's format in a growing answer. Knows what stands around calls, not how one is written."""

from __future__ import annotations

from collections.abc import Sequence

from hollama.interfaces import CallFormatSpec, CallRegion
from hollama.output.hold import held
from hollama.types import Delta, JsonObject, ToolCall

_READINGS = 128  # of one answer; a model that opens more regions than this is out of its mind


class CallParser:
    """Text outside a format's regions is content; a region that cannot be read is too, and nothing else is lost.

    White space next to calls and frames is dropped. Where the text was cut into pieces makes no difference: of the
    marks that a place may begin, the one furthest to the left is taken, and of those the longest.
    """

    def __init__(self, format: CallFormatSpec, tools: Sequence[JsonObject]) -> None:
        self._tools = tools
        self._regions = {region.opening: region for region in format.regions}
        self._marks = sorted({*self._regions, *format.frames}, key=len, reverse=True)
        self._closings = [region.closing for region in format.regions if region.closing]
        self._buffer = ""
        self._region: CallRegion | None = None
        self._space = ""  # white space that is content unless a mark follows
        self._trim = False  # after a mark: white space that comes next is dropped
        self._scanned = 0  # of the buffer, in a region
        self._readings = 0
        self._calls = 0

    @property
    def marks(self) -> list[str]:
        """Texts that must be seen for calls to be found."""
        return [*self._marks, *self._closings]

    def push(self, text: str) -> list[Delta]:
        """What has become certain by `text`."""
        self._buffer += text
        return self._advance(final=False)

    def flush(self) -> list[Delta]:
        """What was held back, at the end; a call that only lacks its closing counts."""
        deltas = self._advance(final=True)
        rest, self._space = self._space, ""
        return deltas + _content(rest)

    def _advance(self, final: bool) -> list[Delta]:
        deltas: list[Delta] = []
        more = True
        while more:
            found, more = self._inside(self._region, final) if self._region else self._outside(final)
            deltas += found
        return deltas

    def _outside(self, final: bool) -> tuple[list[Delta], bool]:
        """Content up to the next mark, and whether there was one."""
        place, mark = self._next_mark(final)
        content = self._text(self._buffer[:place])
        self._buffer = self._buffer[place + len(mark) :]
        if mark in self._regions and self._readings < _READINGS:
            self._region, self._scanned = self._regions[mark], 0
        elif mark in self._regions:
            content += self._text(mark)
        elif mark:
            self._space, self._trim = "", True
        return content, bool(mark)

    def _next_mark(self, final: bool) -> tuple[int, str]:
        """The place up to which all is content, and the mark there if it is certain."""
        best = (len(self._buffer), "")
        for mark in self._marks:
            place = self._buffer.find(mark)
            if place >= 0 and place < best[0]:
                best = (place, mark)
        for mark in self._marks:
            begun = len(self._buffer) - held(self._buffer, mark)
            grows = begun < best[0] or (begun == best[0] and len(mark) > len(best[1]))
            if not final and begun < len(self._buffer) and grows:
                best = (begun, "")
        return best

    def _text(self, text: str) -> list[Delta]:
        """Content, but for white space at its end."""
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        text = self._space + text
        shown = text.rstrip()
        self._space = text[len(shown) :]
        return _content(shown)

    def _inside(self, region: CallRegion, final: bool) -> tuple[list[Delta], bool]:
        end = self._buffer.find(region.closing, self._scanned) if region.closing else -1
        if end < 0 and not final:
            self._scanned = max(0, len(self._buffer) - len(region.closing) + 1)
            return [], False
        body, rest = (self._buffer, "") if end < 0 else (self._buffer[:end], self._buffer[end + len(region.closing) :])
        calls = region.read(body, self._tools)
        self._readings += 1
        if calls is None and end >= 0 and self._readings < _READINGS:
            self._scanned = end + 1
            return [], True
        self._region = None
        if not calls:
            # only the opening is surely text: another region may begin within what it seemed to open
            return self._text(region.opening), True
        self._buffer, self._space, self._trim = rest, "", True
        return [Delta(tool_calls=tuple(self._called(name, arguments) for name, arguments in calls))], True

    def _called(self, name: str, arguments: JsonObject) -> ToolCall:
        self._calls += 1
        return ToolCall(name, arguments, index=self._calls - 1)


def _content(text: str) -> list[Delta]:
    return [Delta(content=text)] if text else []
