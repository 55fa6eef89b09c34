"""A jinja2 sandbox in which nothing runs on: loops, texts and numbers have a budget. Knows no messages.

jinja2's own sandbox keeps a template from Python's internals, but not from taking all time and memory. Here every
loop and macro body, every call, filter and operator that can make something large pays for it first. What escapes the
count of steps (a slow operator on a long list) meets the deadline at the next step. Lists and mappings are weighed when
they are made, with all that is in them: two places that share a list are two lists to whoever prints or compares them.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import FILTERS
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

STEP_LIMIT = 300_000  # a body entered, or 64 characters or elements made
SECONDS_LIMIT = 10.0
SIZE_LIMIT = 16 << 20  # characters of one text
WEIGHT_LIMIT = 1 << 19  # elements of a list or mapping and of all within it; 64 characters weigh as much as one
NUMBER_LIMIT = 100_000  # widths, counts and the like
_BITS_LIMIT = 4096
_STRIDE = 64
_WIDE_FORMAT = re.compile(r"[0-9]{6}|\*|\{[^{}]*\{")  # a width that is large, or not known yet
_MULTIPLYING = frozenset({"replace", "translate", "indent", "wordwrap", "format", "center"})
_DROPPED_FILTERS = frozenset({"urlize", "pprint"})  # slow on hostile text, and no prompt needs them


class Generation(Extension):
    """`{% generation %}` marks what a model said, for training; a prompt takes it as plain text."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class PlainNamespace(Namespace):
    """What `namespace()` makes; it does not print what it holds, which may be itself."""

    def __repr__(self) -> str:
        return "<Namespace>"


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """One template's environment. `restart` gives it a new budget; not to be used by two threads at once."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols], finalize=self._finalized
        )
        self.globals.pop("lipsum")
        self.globals["namespace"] = PlainNamespace
        self.filters = {
            name: self._bounded_filter(name, call) for name, call in FILTERS.items() if name not in _DROPPED_FILTERS
        }
        self.restart()

    def restart(self) -> None:
        self._steps = 0
        self._deadline = time.monotonic() + SECONDS_LIMIT

    def add_filter(self, name: str, call: Callable[..., Any]) -> None:
        self.filters[name] = self._bounded_filter(name, call)

    def bounded(self, text: str) -> nodes.Template:
        """The syntax tree of a template, with payments in it. Raises jinja2.TemplateSyntaxError."""
        tree = self.parse(text)
        for node in list(tree.find_all(nodes.Stmt)):
            if isinstance(node, nodes.For | nodes.Macro | nodes.CallBlock):
                node.body.insert(0, _payment(node))
        _replace(tree)
        return tree

    def tick(self, steps: int) -> None:
        """Called from within templates, through `bounded`."""
        self._steps += steps
        if self._steps > STEP_LIMIT:
            raise SecurityError(f"the template takes more than {STEP_LIMIT} steps; does it loop without need?")
        if time.monotonic() > self._deadline:
            raise SecurityError(f"the template takes more than {SECONDS_LIMIT:.0f} s")

    def joined(self, *parts: Any) -> str:
        """`a ~ b`, called from within templates."""
        text = "".join(map(str, parts))
        return str(self._paid(text))

    def _finalized(self, value: Any) -> Any:
        return self._paid(value if isinstance(value, str) else str(value))

    def paid(self, value: Any) -> Any:
        """A list, tuple or mapping that was written out; called from within templates."""
        return self._paid(value)

    def _paid(self, value: Any) -> Any:
        if isinstance(value, str):
            _check_size(len(value))
            self.tick(1 + len(value) // _STRIDE)
        else:
            self.tick(1 + _weight(value) // _STRIDE)
        return value

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _check_operator(operator, left, right)
        return self._paid(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        __self._paid((args, kwargs))  # a macro has them as one tuple and one mapping
        receiver = getattr(getattr(__obj, "__wrapped__", __obj), "__self__", None)
        if isinstance(receiver, str):
            args = _checked_arguments(getattr(__obj, "__name__", ""), receiver, args, kwargs)
        return __self._paid(super().call(__context, __obj, *args, **kwargs))

    def _bounded_filter(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        passed = hasattr(call, "jinja_pass_arg")

        @functools.wraps(call)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            first, rest = args[: 1 + passed], args[1 + passed :]
            receiver = first[-1] if first else None
            if name == "join" and not isinstance(receiver, str | Mapping) and receiver is not None:
                receiver = list(receiver)
                _check_join(str(rest[0] if rest else kwargs.get("d", "")), receiver)
                first = (*first[:-1], receiver)
            else:
                rest = _checked_arguments(name, receiver, rest, kwargs)
            return self._paid(call(*first, *rest, **kwargs))

        return bounded


def _payment(node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
    static = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
    call = nodes.Call(nodes.EnvironmentAttribute("tick"), [nodes.Const(1 + static // _STRIDE)], [], None, None)
    return nodes.ExprStmt(call).set_lineno(node.lineno)


def _replace(node: nodes.Node) -> None:
    """Concatenations, and lists and the like that are not all constant, go through the environment."""
    for child in list(node.iter_child_nodes()):
        _replace(child)
    for name, value in list(node.iter_fields()):
        if isinstance(value, nodes.Node):
            setattr(node, name, _replaced(value))
        elif isinstance(value, list):
            value[:] = [_replaced(item) if isinstance(item, nodes.Node) else item for item in value]


def _replaced(node: nodes.Node) -> nodes.Node:
    match node:
        case nodes.Concat():
            return _through("joined", node.nodes, node)
        case nodes.Dict(items=[_, *_]) | nodes.List(items=[_, *_]) | nodes.Tuple(items=[_, *_], ctx="load"):
            constant = all(isinstance(item, nodes.Const) for item in node.items)
            return node if constant else _through("paid", [node], node)
    return node


def _through(name: str, arguments: Sequence[nodes.Node], node: nodes.Node) -> nodes.Node:
    call = nodes.Call(nodes.EnvironmentAttribute(name), arguments, [], None, None)
    return call.set_environment(node.environment).set_lineno(node.lineno) if node.environment else call


def _weight(value: Any) -> int:
    """Elements and characters within a value, each as often as they would be printed."""
    weight, stack = 0, [value]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            weight += len(part) // _STRIDE
        elif isinstance(part, Mapping):
            weight += len(part)
            stack += [*part.keys(), *part.values()] if weight <= WEIGHT_LIMIT else ()
        elif isinstance(part, list | tuple):
            weight += len(part)
            stack += part if weight <= WEIGHT_LIMIT else ()
        if weight > WEIGHT_LIMIT:
            raise SecurityError(f"the template makes something of more than {WEIGHT_LIMIT} elements")
    return weight


def _check_size(size: int) -> None:
    if size > SIZE_LIMIT:
        raise SecurityError(f"the template makes something of {size} elements, at most {SIZE_LIMIT} are allowed")


def _check_operator(operator: str, left: Any, right: Any) -> None:
    if operator == "%" and isinstance(left, str):
        _check_format(left, right if isinstance(right, tuple) else (right,))
    elif operator == "**":
        if not _small(left, 64) or not _small(right, 12):
            raise SecurityError(f"{left} ** {right} is too large")
    elif operator == "*" and (isinstance(left, Sequence) or isinstance(right, Sequence)):
        sequence, count = (left, right) if isinstance(left, Sequence) else (right, left)
        _check_size(len(sequence) * count if isinstance(count, int) else 0)
    elif operator == "+" and isinstance(left, Sized) and isinstance(right, Sized):
        _check_size(len(left) + len(right))
    elif not _small(left, _BITS_LIMIT) or not _small(right, _BITS_LIMIT):
        raise SecurityError("a number in the template grows too large")


def _small(value: Any, bits: int) -> bool:
    return not isinstance(value, int) or value.bit_length() <= bits


def _checked_arguments(name: str, receiver: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of a text's method or of a filter, with none that would make the result huge."""
    every = [*args, *kwargs.values()]
    if any(isinstance(value, int) and abs(value) > NUMBER_LIMIT for value in every):
        raise SecurityError(f"{name} with a number beyond {NUMBER_LIMIT}")
    if name == "sum" and any(isinstance(value, list | tuple) for value in every):
        raise SecurityError("sum of lists: each is copied over and over")
    if name == "join" and args and not isinstance(args[0], str | Mapping):
        args = (list(args[0]),)
        _check_join(receiver, args[0])
    elif name in ("format", "format_map") and isinstance(receiver, str):
        _check_format(receiver, every)
    elif name in _MULTIPLYING and isinstance(receiver, str):
        _check_size(len(receiver) * max(map(_longest, every), default=0))
    return args


def _longest(value: Any) -> int:
    if isinstance(value, Mapping):
        return max((_longest(item) for item in value.values()), default=0)
    return len(value) if isinstance(value, Sized) else 1


def _check_join(separator: str, items: list[Any]) -> None:
    _check_size(len(separator) * len(items) + sum(len(item) for item in items if isinstance(item, Sized)))


def _check_format(form: str, values: Sequence[Any]) -> None:
    if _WIDE_FORMAT.search(form):
        raise SecurityError(f"the format {form[:40]!r} has widths that are too large or not in its text")
    _check_size(len(form) * (1 + max(map(_longest, values), default=0)))
