"""The grammar of a Modelfile. Knows commands and quoting; does not know what a command's value means.

One command a line: `NAME value`, `PARAMETER name value`, `MESSAGE role text`. Names are ASCII letters in any case.
A value ends with its line, unless it opens with `\"` or `\"\"\"`: then it ends with the first line that closes it.
There are no escapes, no continuation lines and no trailing comments. A comment is a line whose first rune is `#`.
Runes that do not print are dropped, except blanks and newlines within a value.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hollama.errors import ModelfileError
from hollama.modelfile.options import DEPRECATED, OptionValue, typed_parameter

SIZE_LIMIT = 16 << 20  # bytes; licenses are the longest values in practice, some 100 kB

ADAPTER_OPTION = "parameter adapter"  # the name of `PARAMETER adapter`, which Ollama would take for an ADAPTER

_COMMANDS = ("from", "license", "template", "system", "adapter", "draft", "renderer", "parser", "parameter", "message")
_ROLES = ("system", "user", "assistant")
_BAD_COMMAND = f'command must be one of {", ".join(f"{chr(34)}{name}{chr(34)}" for name in _COMMANDS)}, or "requires"'
_BAD_ROLE = 'message role must be one of "system", "user", or "assistant"'
_BLANK = " \t\r\n"
_SEMVER = re.compile(r"v?(0|[1-9]\d*)(\.(0|[1-9]\d*)(\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?", re.ASCII)


@dataclass(frozen=True)
class Command:
    """`name` in lower case ("model" for FROM), or a parameter's name as written; a message's `args` is `role: text`."""

    name: str
    args: str


@dataclass(frozen=True)
class Modelfile:
    """The commands in the order of the file."""

    commands: tuple[Command, ...]

    def all(self, name: str) -> tuple[str, ...]:
        """The values of every command of that name."""
        return tuple(command.args for command in self.commands if command.name == name)

    def last(self, name: str) -> str:
        """The value that counts where the last one wins; empty where there is none."""
        return next(reversed(self.all(name)), "")

    @property
    def sources(self) -> tuple[str, ...]:
        """What FROM names: a model, or the files of one."""
        return self.all("model")

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """The example conversation as (role, text)."""
        pairs = (args.partition(": ") for args in self.all("message"))
        return tuple((role, text) for role, _, text in pairs)

    @property
    def requires(self) -> str:
        """The lowest server version wanted, without its `v`; empty where none is. Raises ModelfileError."""
        version = self.last("requires")
        if version and not _SEMVER.fullmatch(version):
            raise ModelfileError("requires must be a valid semver (e.g. 0.14.0)")
        return version.removeprefix("v")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all PARAMETER lines."""
        return tuple(_option(command) for command in self.commands if command.name not in _NOT_PARAMETERS)

    @property
    def deprecated_parameters(self) -> tuple[str, ...]:
        """Parameters that are skipped, unless a plugin reads them; a client warns of each."""
        return tuple(name for name in self.parameters if name in DEPRECATED)

    def typed_parameters(self, more: Collection[str] = ()) -> dict[str, OptionValue]:
        """Every parameter in its type: `stop` adds up, of others the last wins. Raises ModelfileError.

        `more` are parameters that plugins read, old ones of Ollama's among them; other old ones are skipped.
        """
        typed: dict[str, OptionValue] = {}
        for command in self.commands:
            if command.name in _NOT_PARAMETERS or command.name in DEPRECATED - frozenset(more):
                continue
            name = _option(command)
            value, earlier = typed_parameter(name, command.args, more), typed.get(name)
            both_lists = isinstance(value, list) and isinstance(earlier, list)
            typed[name] = [*earlier, *value] if both_lists else value  # type: ignore[misc]
        return typed


def _option(command: Command) -> str:
    return "adapter" if command.name == ADAPTER_OPTION else command.name


_NOT_PARAMETERS = frozenset({"model", "requires", *_COMMANDS})


def parse(data: bytes | str) -> Modelfile:
    """Raises ModelfileError in Ollama's words, with the line where it has one."""
    if len(data) > SIZE_LIMIT:
        raise ModelfileError(f"the Modelfile has {len(data)} bytes, at most {SIZE_LIMIT} are read; is it a model file?")
    commands = tuple(_Scanner(_decoded(data)).commands())
    if not any(command.name == "model" for command in commands):
        raise ModelfileError("no FROM line")
    return Modelfile(commands)


def _decoded(data: bytes | str) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


class _Scanner:
    """A position in the text; each method consumes one part of a command."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def commands(self) -> Iterator[Command]:
        while self._at_command():
            name = self._name()
            if name == "parameter":
                option = self._word(_PARAMETER_NAME)
                yield Command(ADAPTER_OPTION if option == "adapter" else option, self._value())
            elif name == "message":
                yield Command(name, f"{self._role()}: {self._value()}")
            else:
                yield Command("model" if name == "from" else name, self._value())

    def _at_command(self) -> bool:
        """Skips blank lines and comments."""
        found = _SKIPPED.match(self._text, self._position)
        self._position = found.end() if found else self._position
        return self._position < len(self._text)

    def _name(self) -> str:
        # The first rune is taken whatever it is, so that the error is about the name and not about the rune.
        start = self._position
        self._position = _LETTERS.match(self._text, start + 1).end()  # type: ignore[union-attr]
        name = _printable(self._text[start : self._position]).lower()
        if self._position == len(self._text):
            raise ModelfileError("unexpected EOF")
        delimiter = self._take()
        if delimiter not in " \t" or name not in _NOT_PARAMETERS - {"model"}:
            raise self._error(_BAD_COMMAND)
        return name

    def _role(self) -> str:
        role = self._word(_LETTERS)
        if role not in _ROLES:
            raise self._error(_BAD_ROLE)
        return role

    def _word(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._position)
        word = found.group() if found else ""
        self._position += len(word)
        if self._position == len(self._text):
            raise ModelfileError("unexpected EOF")
        if self._take() not in " \t":
            raise ModelfileError(f"unexpected EOF: {word}")
        return word

    def _value(self) -> str:
        start, first = self._position, self._line()
        opening = next((mark for mark in ('"""', '"') if first.startswith(mark)), "")
        if not opening or (len(first) >= 2 * len(opening) and first.endswith(opening)):
            return first[len(opening) : len(first) - len(opening)]
        while self._position < len(self._text):
            if self._line(after_newline=True).endswith(opening):
                return _printable(self._text[start : self._position]).strip(_BLANK)[len(opening) : -len(opening)]
        raise ModelfileError("unexpected EOF")

    def _line(self, after_newline: bool = False) -> str:
        """The rest of the line without its newline, printable and stripped."""
        found = _LINE.match(self._text, self._position + after_newline)
        self._position = found.end() if found else len(self._text)
        return _printable(found.group() if found else "").strip(_BLANK)

    def _take(self) -> str:
        self._position += 1
        return self._text[self._position - 1]

    def _error(self, message: str) -> ModelfileError:
        # Carriage returns count too, as in Ollama: the lines of a CRLF file count double.
        line = 1 + sum(self._text.count(newline, 0, self._position) for newline in "\r\n")
        return ModelfileError(f"(line {line}): {message}")


_SKIPPED = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*(?:[\r\n]|\Z))*+")
_LETTERS = re.compile(r"[A-Za-z]*")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_]*")
_LINE = re.compile(r"[^\r\n]*")


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(rune for rune in text if rune.isprintable() or rune in _BLANK)
