"""Token ids to the text of an answer, as it grows. Knows no meaning in the text but where it must stop."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from hollama.interfaces import Tokenizer
from hollama.output.hold import held


class TextDecoder:
    """Shows text as soon as it is certain: whole characters, and nothing that may turn out to begin a stop string.

    Bytes that are no UTF-8 become U+FFFD. The answer ends before the stop string that is complete first (of two
    complete at once, the longer one), so how the text was cut into tokens makes no difference. The empty stop string
    ends the answer at once. `shown` are control tokens that are seen nevertheless, and what they say.
    """

    def __init__(
        self, tokenizer: Tokenizer, stop: Sequence[str] = (), shown: Mapping[int, bytes] = MappingProxyType({})
    ) -> None:
        self._tokenizer = tokenizer
        self._shown = shown
        self._stop = tuple(stop)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._ended = "" in self._stop

    def accept(self, token: int) -> tuple[str, bool]:
        """The text to show now, and whether a stop string has ended the answer."""
        return self._push(self._utf8.decode(self._shown.get(token) or self._tokenizer.piece(token)))

    def flush(self) -> str:
        """What was held back, when the answer has ended for another reason."""
        shown, ended = self._push(self._utf8.decode(b"", True))
        rest, self._held = self._held, ""
        return shown if ended else shown + rest

    def _push(self, text: str) -> tuple[str, bool]:
        if self._ended:
            return "", True
        text = self._held + text
        found = [(start + len(stop), start) for stop in self._stop if (start := text.find(stop)) >= 0]
        self._ended = bool(found)
        certain = min(found)[1] if found else len(text) - max((held(text, stop) for stop in self._stop), default=0)
        self._held = "" if found else text[certain:]
        return text[:certain], self._ended
