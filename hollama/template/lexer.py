"""A Go template as tokens: text, and what is between `{{` and `}}`. Knows no grammar beyond that.

A blank and a dash inside a delimiter trim the text beside it. Blanks between operands are tokens, as in Go, because
`$x .A` and `$x.A` differ. The whole template is scanned at once; an error becomes the last token, so that the
parser complains of whatever comes first.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto

BLANKS = " \t\r\n"


class Kind(Enum):
    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    STRING = auto()
    RAW_STRING = auto()
    CHARACTER = auto()
    NUMBER = auto()
    BOOL = auto()
    VARIABLE = auto()
    FIELD = auto()
    DOT = auto()
    IDENTIFIER = auto()
    KEYWORD = auto()
    LEFT_PAREN = auto()
    RIGHT_PAREN = auto()
    OTHER = auto()
    END = auto()
    ERROR = auto()


KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"})


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    position: int

    def __str__(self) -> str:
        """As Go quotes it in error messages."""
        if self.kind is Kind.END:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind is Kind.KEYWORD:
            return f"<{self.text}>"
        quoted = self.text[:10].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{quoted}"...' if len(self.text) > 10 else f'"{quoted}"'


_NUMBER = (
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)"
)
# In the order in which they are tried; a name is the token's kind.
_TOKEN = re.compile(
    rf"""(?P<SPACE>[{BLANKS}]+)
    |(?P<DECLARE>:=)
    |(?P<ASSIGN>=)
    |(?P<PIPE>\|)
    |(?P<STRING>"(?:[^"\\\n]|\\[^\n])*+")
    |(?P<RAW_STRING>`[^`]*+`)
    |(?P<CHARACTER>'(?:[^'\\\n]|\\[^\n])*+')
    |(?P<VARIABLE>\$\w*)
    |(?P<NUMBER>(?=[+\-0-9]|\.[0-9]){_NUMBER})
    |(?P<FIELD>\.\w+)
    |(?P<DOT>\.)
    |(?P<IDENTIFIER>\w+)
    |(?P<LEFT_PAREN>\()
    |(?P<RIGHT_PAREN>\))
    |(?P<OTHER>[!-~])""",
    re.VERBOSE,
)
_TERMINATED = frozenset({Kind.VARIABLE, Kind.FIELD, Kind.DOT, Kind.IDENTIFIER})
_TERMINATOR = re.compile(rf"[{BLANKS}.,|:()]|\Z|}}}}")
_WORD = re.compile(r"\w")
_UNTERMINATED = {
    '"': "unterminated quoted string",
    "`": "unterminated raw quoted string",
    "'": "unterminated character constant",
    ":": "expected :=",
}


def tokens(template: str) -> Iterator[Token]:
    """Every token of the template; the last is an END or an ERROR."""
    position = 0
    while (left := template.find("{{", position)) >= 0:
        marked = _marks_left(template, left + 2)
        text = template[position:left]
        text = text.rstrip(BLANKS) if marked else text
        if text:
            yield Token(Kind.TEXT, text, position)
        inside = left + 2 + 2 * marked
        if template.startswith("/*", inside):
            token, position = _comment(template, inside)
        else:
            yield Token(Kind.LEFT, "{{", left)
            token, position = yield from _action(template, inside)
        if token is not None:
            yield token
            return
    if position < len(template):
        yield Token(Kind.TEXT, template[position:], position)
    yield Token(Kind.END, "", len(template))


def _marks_left(template: str, position: int) -> bool:
    return template.startswith("-", position) and template[position + 1 : position + 2] in tuple(BLANKS)


def _right(template: str, position: int) -> tuple[int, bool] | None:
    """The length of the right delimiter here and whether it trims; None where there is none."""
    if template.startswith("}}", position):
        return 2, False
    if template[position : position + 1] in tuple(BLANKS) and template.startswith("-}}", position + 1):
        return 4, True
    return None


def _after(template: str, position: int, trims: bool) -> int:
    while trims and position < len(template) and template[position] in BLANKS:
        position += 1
    return position


def _comment(template: str, position: int) -> tuple[Token | None, int]:
    end = template.find("*/", position + 2)
    if end < 0:
        return Token(Kind.ERROR, "unclosed comment", position), position
    right = _right(template, end + 2)
    if right is None:
        return Token(Kind.ERROR, "comment ends before closing delimiter", position), position
    length, trims = right
    return None, _after(template, end + 2 + length, trims)


def _action(template: str, position: int) -> Generator[Token, None, tuple[Token | None, int]]:
    """Yields an action's tokens and returns an error, if any, and the position behind the action."""
    parentheses = 0
    while True:
        right = _right(template, position)
        if right is not None:
            if parentheses:
                return Token(Kind.ERROR, "unclosed left paren", position), position
            length, trims = right
            yield Token(Kind.RIGHT, "}}", position)
            return None, _after(template, position + length, trims)
        token = _token(template, position)
        parentheses += (token.kind is Kind.LEFT_PAREN) - (token.kind is Kind.RIGHT_PAREN)
        if parentheses < 0:
            return Token(Kind.ERROR, "unexpected right paren", position), position
        if token.kind is Kind.ERROR:
            return token, position
        yield token
        position += len(token.text)


def _token(template: str, position: int) -> Token:
    found = _TOKEN.match(template, position)
    if found is None:
        return Token(Kind.ERROR, _complaint(template, position), position)
    kind, text = Kind[found.lastgroup or "OTHER"], found.group()
    after = found.end()
    if kind is Kind.SPACE and template.startswith("-}}", after) and len(text) > 1:
        text = text[:-1]  # the last blank belongs to the delimiter
    elif kind in _TERMINATED and not _TERMINATOR.match(template, after):
        return Token(Kind.ERROR, f"bad character {_named(template[after])}", position)
    elif kind is Kind.NUMBER and (bad := _WORD.match(template, after)):
        return Token(Kind.ERROR, f'bad number syntax: "{text}{bad.group()}"', position)
    elif kind is Kind.OTHER and text in _UNTERMINATED:
        return Token(Kind.ERROR, _UNTERMINATED[text], position)
    elif kind is Kind.IDENTIFIER and text in KEYWORDS:
        kind = Kind.KEYWORD
    elif kind is Kind.IDENTIFIER and text in ("true", "false"):
        kind = Kind.BOOL
    return Token(kind, text, position)


def _complaint(template: str, position: int) -> str:
    if position >= len(template):
        return "unclosed action"
    return f"unrecognized character in action: {_named(template[position])}"


def _named(rune: str) -> str:
    return f"U+{ord(rune):04X}" + (f" '{rune}'" if rune.isprintable() else "")
