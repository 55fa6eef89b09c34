'''Messages of several lines: `"""` opens one and `"""` at a line's end closes it. Pure text.'''

from __future__ import annotations

MARK = '"""'
_SET_SYSTEM = "/set system "


def is_open(text: str) -> bool:
    """Whether the message goes on in the next line."""
    body = text.strip().removeprefix(_SET_SYSTEM).lstrip()
    return body.startswith(MARK) and (len(body) < 2 * len(MARK) or not body.endswith(MARK))


def unquote(text: str) -> str:
    """The message without the marks around it."""
    body = text.strip()
    if body.startswith(MARK) and body.endswith(MARK) and len(body) >= 2 * len(MARK):
        return body[len(MARK) : -len(MARK)]
    return text
