"""The syntax tree of a Go template: values only. Knows neither how a text is parsed nor any data.

`position` is the offset of a node's first character in the template, for error messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Literal:
    """A bool, int, float or string; a character constant is an int."""

    value: bool | int | float | str
    source: str
    position: int


@dataclass(frozen=True, slots=True)
class Nil:
    position: int


@dataclass(frozen=True, slots=True)
class Dot:
    position: int


@dataclass(frozen=True, slots=True)
class Field:
    """`.A.B` of the dot."""

    names: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.A.B`; `name` has its dollar."""

    name: str
    fields: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).A.B`."""

    node: Operand
    names: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Identifier:
    """A function's name."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Command:
    """An operand, or a function and its arguments."""

    args: tuple[Operand, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Pipe:
    """`$a, $b := command | command`; the value of each command is the last argument of the next."""

    declared: tuple[str, ...]
    assigns: bool  # `=` rather than `:=`
    commands: tuple[Command, ...]
    position: int


Operand = Literal | Nil | Dot | Field | Variable | Chain | Identifier | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline whose value is printed, unless it declares or assigns."""

    pipe: Pipe
    position: int


@dataclass(frozen=True, slots=True)
class If:
    pipe: Pipe
    body: Body
    otherwise: Body
    position: int


@dataclass(frozen=True, slots=True)
class With:
    pipe: Pipe
    body: Body
    otherwise: Body
    position: int


@dataclass(frozen=True, slots=True)
class Range:
    pipe: Pipe
    body: Body
    otherwise: Body
    position: int


@dataclass(frozen=True, slots=True)
class Break:
    position: int


@dataclass(frozen=True, slots=True)
class Continue:
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """`{{template "name" pipeline}}`."""

    name: str
    pipe: Pipe | None
    position: int


Branch = If | With | Range
Statement = Text | Action | Branch | Break | Continue | Call
Body = tuple[Statement, ...]
Node = Operand | Command | Statement


@dataclass(frozen=True)
class Tree:
    """A parsed template: its text, for error messages, the root and the templates it defines."""

    text: str
    root: Body
    defined: Mapping[str, Body] = field(default_factory=dict)


def line_of(text: str, position: int) -> int:
    return 1 + text.count("\n", 0, position)


def source(node: Node) -> str:
    """The node as Go prints it in error messages."""
    match node:
        case Literal():
            return node.source
        case Nil():
            return "nil"
        case Dot():
            return "."
        case Field():
            return _fields(node.names)
        case Variable():
            return node.name + _fields(node.fields)
        case Chain():
            inner = f"({source(node.node)})" if isinstance(node.node, Pipe) else source(node.node)
            return inner + _fields(node.names)
        case Identifier():
            return node.name
        case Command():
            return " ".join(f"({source(arg)})" if isinstance(arg, Pipe) else source(arg) for arg in node.args)
        case Pipe():
            declared = f"{', '.join(node.declared)} {'=' if node.assigns else ':='} " if node.declared else ""
            return declared + " | ".join(source(command) for command in node.commands)
        case Call():
            return f"{{{{template {json.dumps(node.name)}{' ' + source(node.pipe) if node.pipe else ''}}}}}"
        case Text():
            return node.text
        case Action():
            return f"{{{{{source(node.pipe)}}}}}"
        case _:
            word = type(node).__name__.lower()
            return f"{{{{{word}}}}}" if isinstance(node, Break | Continue) else f"{{{{{word} {source(node.pipe)}}}}}"


def _fields(names: tuple[str, ...]) -> str:
    return "".join(f".{name}" for name in names)
