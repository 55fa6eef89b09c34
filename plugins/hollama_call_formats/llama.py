"""Llama 3: bare JSON with `name` and `parameters`; after `<|python_tag|>` JSON, `tool.call(..)` or code.

Code goes to the tool `python` or `code_interpreter`, if the request has one: code is no call otherwise. Asked for tools
of one's own, Llama 3.1 writes `<function=NAME>{..}</function>` as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hollama.interfaces import Call, CallFormatSpec, CallRegion
from hollama.types import JsonObject

from .objects import incomplete, read_arguments, read_calls, tool_names
from .pythonic import read_expression

_NAMED = re.compile(r"\s*([^\s>]+)>")


def read_python(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    """The answer's end is the call's end."""
    if text.lstrip().startswith("{"):
        return read_calls(text) or ()
    if found := read_expression(text):
        return [(name.removesuffix(".call"), arguments) for name, arguments in found]
    interpreter = tool_names(tools) & {"python", "code_interpreter", "ipython"}
    return [(min(interpreter), {"code": text})] if interpreter and text.strip() else ()


def read_function(text: str, tools: Sequence[JsonObject]) -> Sequence[Call] | None:
    named = _NAMED.match(text)
    if named is None:
        return ()
    arguments = read_arguments(text[named.end() :])
    if arguments is None:
        return None if incomplete(text[named.end() :]) else ()
    return [(named[1], arguments)]


def matches(template: str) -> bool:
    return "<|python_tag|>" in template or ("<|start_header_id|>" in template and "ipython" in template)


SPEC = CallFormatSpec(
    "llama",
    order=600,
    matches=matches,
    regions=(CallRegion("<|python_tag|>", "", read_python), CallRegion("<function=", "</function>", read_function)),
    bare=True,
    help="Llama 3: bare JSON, or after <|python_tag|>",
)
