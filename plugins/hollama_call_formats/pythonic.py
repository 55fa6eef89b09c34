"""Calls written as Python: `[f(a="x"), g(b=1)]` between the tags of LFM2, or one a line between OLMo 3's.

Only literals are read, by Python's own parser and without running anything.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from hollama.interfaces import Call, CallFormatSpec, CallRegion
from hollama.types import JsonObject

_LONGEST = 1 << 16  # characters: Python's parser takes memory by the hundredfold
_WORDS = {"true": True, "false": False, "null": None}  # JSON's words, which models mix in


def read(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    return read_expression(text) or ()


def read_expression(text: str) -> list[Call]:
    """The calls of a list or of consecutive lines; none where it is anything else."""
    try:
        if len(text) > _LONGEST:
            return []
        found = [_call(node) for statement in ast.parse(text.strip()).body for node in _nodes(statement)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return found


def _nodes(statement: ast.stmt) -> Sequence[ast.expr]:
    if not isinstance(statement, ast.Expr):
        raise ValueError(f"{type(statement).__name__} is no call")
    value = statement.value
    return value.elts if isinstance(value, ast.List | ast.Tuple) else [value]


def _call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call) or node.args or not isinstance(node.func, ast.Name | ast.Attribute):
        raise ValueError("only calls with named arguments are read")
    return ast.unparse(node.func), {keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg}


def _value(node: ast.expr) -> Any:
    """A literal as JSON has it. Raises ValueError for anything else."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name(id=word) if word in _WORDS:
            return _WORDS[word]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {str(_value(key)): _value(value) for key, value in zip(keys, values, strict=True) if key}
    raise ValueError(f"{type(node).__name__} is no literal")


SPEC = CallFormatSpec(
    "pythonic",
    order=350,
    matches=lambda template: "<|tool_call_start|>" in template or "<function_calls>" in template,
    regions=(
        CallRegion("<|tool_call_start|>", "<|tool_call_end|>", read),
        CallRegion("<function_calls>", "</function_calls>", read),
    ),
    tagged_json=False,
    help="LFM2, OLMo 3: calls as Python writes them",
)
