"""A syntax tree and data to text, by the rules of Go's text/template with missingkey=zero. Knows no template's purpose.

Every execution has a budget of steps and of output, so that no template, however malicious, runs on. A step is a node
executed, an argument evaluated or 64 characters handled by a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from hollama.errors import TemplateFailed
from hollama.template import gofmt
from hollama.template.functions import FUNCTIONS
from hollama.template.nodes import (
    Action,
    Body,
    Break,
    Call,
    Chain,
    Command,
    Continue,
    Dot,
    Field,
    Identifier,
    If,
    Literal,
    Nil,
    Node,
    Operand,
    Pipe,
    Range,
    Statement,
    Text,
    Tree,
    Variable,
    With,
    line_of,
    source,
)
from hollama.template.values import STRING_LIMIT, Object, plain, truth, type_name, well_formed

STEP_LIMIT = 500_000
DEPTH_LIMIT = 80  # bodies and templates inside each other; Go's own bound is far above what Python's stack holds
_STRIDE = 64  # characters that cost one step

_ABSENT = object()  # no piped value; nil is a value


class _Break(Exception):
    """Leaves the innermost range."""


class _Continue(Exception):
    """Goes on with the innermost range."""


def execute(tree: Tree, data: Any) -> str:
    """Raises TemplateFailed `template: :LINE:COLUMN: executing "" at <NODE>: what`, as Go says it."""
    try:
        return _Execution(tree, data).run()
    except RecursionError as error:
        raise TemplateFailed("template: the template or its data is nested too deep") from error
    except ValueError as error:  # data that cannot be printed, such as a JSON number beyond float64
        raise TemplateFailed(f"template: {error}") from error


class _Execution:
    """The variables in scope, innermost last, and what has been spent and written."""

    def __init__(self, tree: Tree, data: Any) -> None:
        self._tree = tree
        self._data = data
        self._variables: list[tuple[str, Any]] = [("$", data)]
        self._output: list[str] = []
        self._written = self._steps = self._depth = 0
        self._template = ""

    def run(self) -> str:
        self._body(self._data, self._tree.root)
        return well_formed("".join(self._output))

    # Limits and errors

    def _charge(self, node: Node, steps: int = 1) -> None:
        self._steps += steps
        if self._steps > STEP_LIMIT:
            self._fail(node, f"the template takes more than {STEP_LIMIT} steps; does it loop without need?")

    def _fail(self, node: Node, message: str) -> NoReturn:
        text, position = self._tree.text, node.position
        column = position - text.rfind("\n", 0, position) - 1
        shown = source(node)
        shown = shown[:20] + "..." if len(shown) > 20 else shown
        where = f'template: :{line_of(text, position)}:{column}: executing "{self._template}" at <{shown}>'
        raise TemplateFailed(f"{where}: {message}")

    def _write(self, node: Node, text: str) -> None:
        self._written += len(text)
        if self._written > STRING_LIMIT:
            self._fail(node, f"the output is longer than {STRING_LIMIT} characters")
        self._output.append(text)

    # Statements

    def _body(self, dot: Any, body: Body) -> None:
        self._depth += 1
        if self._depth > DEPTH_LIMIT and body:
            self._fail(body[0], f"templates are nested more than {DEPTH_LIMIT} deep")
        for statement in body:
            self._charge(statement)
            _STATEMENTS[type(statement)](self, dot, statement)
        self._depth -= 1

    def _text(self, dot: Any, node: Text) -> None:
        self._write(node, node.text)

    def _action(self, dot: Any, node: Action) -> None:
        value = self._pipe(dot, node.pipe)
        if not node.pipe.declared:
            text = "<no value>" if value is None else gofmt.display(value)
            self._charge(node, len(text) // _STRIDE)
            self._write(node, text)

    def _if(self, dot: Any, node: If) -> None:
        scope = len(self._variables)
        self._body(dot, node.body if truth(self._pipe(dot, node.pipe)) else node.otherwise)
        del self._variables[scope:]

    def _with(self, dot: Any, node: With) -> None:
        scope = len(self._variables)
        value = self._pipe(dot, node.pipe)
        if truth(value):
            self._body(value, node.body)
        else:
            self._body(dot, node.otherwise)
        del self._variables[scope:]

    def _range(self, dot: Any, node: Range) -> None:
        scope, depth = len(self._variables), self._depth
        # the variables of a range are set for each element, not to the whole
        value = plain(self._values(dot, node.pipe))
        empty = True
        for key, element in self._elements(node, value):
            empty = False
            self._charge(node)
            self._set_range(node, key, element)
            try:
                self._body(element, node.body)
            except _Continue:
                self._depth = depth
            except _Break:
                self._depth = depth
                break
            finally:
                del self._variables[scope:]
        if empty:
            self._body(dot, node.otherwise)
        del self._variables[scope:]

    def _elements(self, node: Range, value: Any) -> Iterable[tuple[Any, Any]]:
        match value:
            case None:
                return ()
            case bool() | float() | str():
                pass
            case int():
                if len(node.pipe.declared) > 1:
                    self._fail(node, f"can't use {value} to iterate over more than one variable")
                return ((number, number) for number in range(value))
            case Mapping():
                self._charge(node, len(value))
                return ((key, value[key]) for key in sorted(value))
            case Sequence():
                return enumerate(value)
        self._fail(node, f"range can't iterate over {gofmt.display(value)}")

    def _set_range(self, node: Range, key: Any, element: Any) -> None:
        names = node.pipe.declared
        if not names:
            return
        pairs = [(names[0], element)] if len(names) == 1 else [(names[0], key), (names[1], element)]
        for name, value in pairs:
            if node.pipe.assigns:
                self._assign(node.pipe, name, value)
            else:
                self._variables.append((name, value))

    def _break(self, dot: Any, node: Break) -> None:
        raise _Break

    def _continue(self, dot: Any, node: Continue) -> None:
        raise _Continue

    def _call(self, dot: Any, node: Call) -> None:
        if node.name not in self._tree.defined:
            self._fail(node, f'template "{node.name}" not defined')
        value = self._pipe(dot, node.pipe) if node.pipe else None
        outer, self._variables = self._variables, [("$", value)]
        caller, self._template = self._template, node.name
        self._body(value, self._tree.defined[node.name])
        self._variables, self._template = outer, caller

    # Pipelines

    def _pipe(self, dot: Any, pipe: Pipe) -> Any:
        value = self._values(dot, pipe)
        for name in pipe.declared:
            if pipe.assigns:
                self._assign(pipe, name, value)
            else:
                self._variables.append((name, value))
        return value

    def _values(self, dot: Any, pipe: Pipe) -> Any:
        value: Any = _ABSENT
        for command in pipe.commands:
            value = self._command(dot, command, value)
        return value

    def _assign(self, node: Pipe, name: str, value: Any) -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return
        self._fail(node, f"undefined variable: {name}")

    def _command(self, dot: Any, command: Command, final: Any) -> Any:
        first = command.args[0]
        if isinstance(first, Identifier):
            return self._function(dot, first, command, final)
        if len(command.args) > 1 or final is not _ABSENT:
            self._refuse_arguments(first)
        if isinstance(first, Nil):
            self._fail(first, "nil is not a command")
        return self._operand(dot, first)

    def _refuse_arguments(self, node: Operand) -> NoReturn:
        match node:
            case Field(names=(*_, name)) | Chain(names=(*_, name)) | Variable(fields=(*_, name)):
                self._fail(node, f"{name} is not a method but has arguments")
        self._fail(node, f"can't give argument to non-function {source(node)}")

    def _function(self, dot: Any, node: Identifier, command: Command, final: Any) -> Any:
        args = command.args[1:]
        if node.name in ("and", "or"):
            return self._short_circuit(dot, node, args, final)
        function = FUNCTIONS[node.name]
        count = len(args) + (final is not _ABSENT)
        if count < function.least or (function.most is not None and count > function.most):
            want = f"at least {function.least}" if function.most is None else str(function.most)
            self._fail(node, f"wrong number of args for {node.name}: want {want} got {count}")
        values = [self._operand(dot, arg) for arg in args]
        if final is not _ABSENT:
            values.append(final)
        self._charge_text(node, values)
        return self._called(node, function.call, values)

    def _called(self, node: Identifier, function: Callable[..., Any], values: list[Any]) -> Any:
        try:
            result = function(*values)
        except ValueError as error:
            self._fail(node, f"error calling {node.name}: {error}")
        self._charge_text(node, (result,))
        return result

    def _charge_text(self, node: Node, values: Iterable[Any]) -> None:
        self._charge(node, 1 + sum(len(value) for value in values if isinstance(value, str | list | tuple)) // _STRIDE)

    def _short_circuit(self, dot: Any, node: Identifier, args: Sequence[Operand], final: Any) -> Any:
        if not args and final is _ABSENT:
            self._fail(node, f"wrong number of args for {node.name}: want at least 1 got 0")
        value: Any = None
        for arg in args:
            value = self._operand(dot, arg)
            if truth(value) == (node.name == "or"):
                return value
        return value if final is _ABSENT else final

    # Operands

    def _operand(self, dot: Any, node: Operand) -> Any:
        self._charge(node)
        match node:
            case Literal():
                return node.value
            case Field():
                return self._fields(node, dot, node.names)
            case Variable():
                return self._fields(node, self._variable(node), node.fields)
            case Dot():
                return dot
            case Nil():
                return None
            case Pipe():
                return self._pipe(dot, node)
            case Chain():
                if isinstance(node.node, Nil):
                    self._fail(node, "indirection through explicit nil in " + source(node))
                return self._fields(node, self._operand(dot, node.node), node.names)
            case Identifier():
                return self._function(dot, node, Command((node,), node.position), _ABSENT)

    def _variable(self, node: Variable) -> Any:
        for name, value in reversed(self._variables):
            if name == node.name:
                return value
        self._fail(node, f"undefined variable: {node.name}")

    def _fields(self, node: Operand, value: Any, names: Iterable[str]) -> Any:
        if value is None:  # a field of what is not there is not there; but one of a nil found on the way is an error
            return None
        for name in names:
            value = self._field(node, value, name)
        return value

    def _field(self, node: Operand, value: Any, name: str) -> Any:
        held = value.value if isinstance(value, Object) else value
        if isinstance(held, Mapping):
            if name in held:
                return held[name]
            if not isinstance(value, Object) or not value.is_struct:
                return None
        if value is None:
            self._fail(node, f"nil pointer evaluating interface {{}}.{name}")
        self._fail(node, f"can't evaluate field {name} in type {type_name(value)}")


_STATEMENTS: Mapping[type[Statement], Callable[[_Execution, Any, Any], None]] = {
    Text: _Execution._text,
    Action: _Execution._action,
    If: _Execution._if,
    With: _Execution._with,
    Range: _Execution._range,
    Break: _Execution._break,
    Continue: _Execution._continue,
    Call: _Execution._call,
}
