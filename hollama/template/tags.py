"""What a Go template says about the model's own output: its thinking tags, and what a tool call begins with.

Knows the tree, not the parsers of the output that use the tags.
"""

from __future__ import annotations

from collections.abc import Iterator

from hollama.template.nodes import (
    Action,
    Body,
    Call,
    Chain,
    Command,
    Field,
    If,
    Operand,
    Pipe,
    Range,
    Statement,
    Text,
    Variable,
    With,
)
from hollama.template.prompt import ThinkingTags

DEFAULT_TOOL_TAG = "{"


def names(body: Body) -> Iterator[str]:
    """Every name of a field and of a variable in the body, with repetitions."""
    for statement in body:
        pipe = pipe_of(statement)
        if pipe is not None:
            yield from pipe_names(pipe)
        if isinstance(statement, If | With | Range):
            yield from names(statement.body)
            yield from names(statement.otherwise)


def pipe_of(statement: Statement) -> Pipe | None:
    return statement.pipe if isinstance(statement, Action | If | With | Range | Call) else None


def pipe_names(node: Pipe | Command | Operand) -> Iterator[str]:
    match node:
        case Pipe():
            for command in node.commands:
                yield from pipe_names(command)
        case Command():
            for arg in node.args:
                yield from pipe_names(arg)
        case Field():
            yield from node.names
        case Variable():
            yield from (node.name, *node.fields)
        case Chain():
            yield from pipe_names(node.node)
            yield from node.names


def tool_call_tag(root: Body) -> str:
    """The text with which the template begins a turn's tool calls, up to the first brace; `{` where it says nothing."""
    for statement in _statements(root):
        if isinstance(statement, If) and _asks_for_calls(statement.pipe):
            text = _first_text(statement.body) or ""
            return text.replace("\r\n", "\n").partition("{")[0].strip() or DEFAULT_TOOL_TAG
    return DEFAULT_TOOL_TAG


def _asks_for_calls(pipe: Pipe) -> bool:
    """Fields of the pipeline itself; those in parentheses, as in `(not .ToolCalls)`, say nothing about its body."""
    for arg in (arg for command in pipe.commands for arg in command.args):
        if (isinstance(arg, Field) and "ToolCalls" in arg.names) or (
            isinstance(arg, Variable) and "ToolCalls" in arg.fields
        ):
            return True
    return False


def _statements(body: Body) -> Iterator[Statement]:
    """Depth first."""
    for statement in body:
        yield statement
        if isinstance(statement, If | With | Range):
            yield from _statements(statement.body)
            yield from _statements(statement.otherwise)


def _first_text(body: Body) -> str | None:
    """The first text that is not blank, unless something is printed before it: then the empty string."""
    for statement in body:
        match statement:
            case Text() if statement.text.strip():
                return statement.text
            case Action() if not statement.pipe.declared:
                return ""
            case If() | With() | Range():
                found = _first_text(statement.body)
                if found is None:
                    found = _first_text(statement.otherwise)
                if found is not None:
                    return found
    return None


def thinking_tags(root: Body) -> ThinkingTags | None:
    """The texts around `.Thinking` in the range over the messages; None where either is missing."""
    opening = closing = ""
    for body in _thinking_bodies(root, in_messages=False):
        if isinstance(body[0], Text):
            opening = body[0].text.strip()
        if isinstance(body[-1], Text):
            closing = body[-1].text.strip()
    return ThinkingTags(opening, closing) if opening and closing else None


def _thinking_bodies(body: Body, in_messages: bool) -> Iterator[Body]:
    """The innermost body around each use of `.Thinking`, in the order of the text."""
    for statement in body:
        pipe = pipe_of(statement)
        if in_messages and pipe is not None and _has_thinking(pipe):
            yield body
        if isinstance(statement, If | With | Range):
            inside = _ranges_messages(statement.pipe) if isinstance(statement, Range) else in_messages
            yield from _thinking_bodies(statement.body, inside)
            yield from _thinking_bodies(statement.otherwise, inside)


def _has_thinking(node: Pipe | Command | Operand) -> bool:
    match node:
        case Pipe():
            return any(_has_thinking(command) for command in node.commands)
        case Command():
            return any(_has_thinking(arg) for arg in node.args)
        case Field():
            return node.names[0] == "Thinking"
    return False


def _ranges_messages(pipe: Pipe) -> bool:
    operands = (arg for command in pipe.commands for arg in command.args)
    return any(
        (isinstance(arg, Field) and arg.names[0] == "Messages")
        or (isinstance(arg, Variable) and arg.fields[:1] == ("Messages",))
        for arg in operands
    )
