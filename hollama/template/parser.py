"""Tokens to a syntax tree: the grammar of Go's text/template, with its error texts. Knows no data.

Raises TemplateError `template: :LINE: what`, as Go says it, with an empty template name as in Ollama.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NoReturn

from hollama.errors import TemplateError
from hollama.template import literals
from hollama.template.lexer import Kind, Token, tokens
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

SIZE_LIMIT = 1 << 20  # characters; the longest template of a published model has 20 thousand
NESTING_LIMIT = 60  # blocks and parentheses inside each other; each costs several frames of Python's stack

_OPERANDS = frozenset(
    {Kind.BOOL, Kind.CHARACTER, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER}
    | {Kind.RAW_STRING, Kind.STRING, Kind.VARIABLE, Kind.LEFT_PAREN}
)
_NOTHING = Token(Kind.END, "", 0)
_BRANCHES: Mapping[str, type[If] | type[With] | type[Range]] = {"if": If, "with": With, "range": Range}


def parse(text: str, functions: Collection[str]) -> Tree:
    """Raises TemplateError; `functions` are the names that may be called."""
    if len(text) > SIZE_LIMIT:
        raise TemplateError(f"template: the template has {len(text)} characters, at most {SIZE_LIMIT} are read")
    parser = _Parser(text, functions)
    root = parser.root()
    return Tree(text, root, parser.defined)


class _Parser:
    """A position in the list of tokens, and the variables in scope."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._text = text
        self._functions = functions
        self._scanned = tokens(text)
        self._tokens: list[Token] = []
        self._index = 0
        self._variables = ["$"]
        self._ranges = 0
        self._nesting = 0
        self.defined: dict[str, Body] = {}

    # Tokens

    def _peek(self) -> Token:
        while self._index >= len(self._tokens):  # scanned as needed: a hopeless text fails before its end is read
            self._tokens.append(next(self._scanned, self._tokens[-1] if self._tokens else _NOTHING))
        return self._tokens[self._index]

    def _next(self) -> Token:
        token = self._peek()
        self._index += 1
        return token

    def _next_word(self) -> Token:
        while (token := self._next()).kind is Kind.SPACE:
            pass
        return token

    def _peek_word(self) -> Token:
        token = self._next_word()
        self._index -= 1
        return token

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_word()
        if token.kind is not kind:
            self._unexpected(token, context)
        return token

    def _keyword(self, word: str) -> bool:
        token = self._peek_word()
        return token.kind is Kind.KEYWORD and token.text == word

    def _fail(self, message: str) -> NoReturn:
        token = self._tokens[max(self._index - 1, 0)] if self._tokens else _NOTHING
        raise TemplateError(f"template: :{line_of(self._text, token.position)}: {message}")

    def _unexpected(self, token: Token, context: str) -> NoReturn:
        self._fail(token.text if token.kind is Kind.ERROR else f"unexpected {token} in {context}")

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > NESTING_LIMIT:
            self._fail(f"blocks and parentheses are nested more than {NESTING_LIMIT} deep")

    # Statements

    def root(self) -> Body:
        statements: list[Statement] = []
        while self._peek().kind is not Kind.END:
            if self._at_define():
                self._definition()
                continue
            statement = self._statement()
            if isinstance(statement, str):
                self._fail(f"unexpected {{{{{statement}}}}}")
            statements.append(statement)
        return tuple(statements)

    def _at_define(self) -> bool:
        start = self._index
        if self._next().kind is Kind.LEFT and self._keyword("define"):
            self._next_word()
            return True
        self._index = start
        return False

    def _definition(self) -> None:
        name = self._template_name("define clause")
        self._expect(Kind.RIGHT, "define clause")
        body, end = self._scoped_body()
        if end != "end":
            self._fail(f"unexpected {{{{{end}}}}} in define clause")
        self._define(name, body)

    def _scoped_body(self) -> tuple[Body, str]:
        """A body of its own: it sees no variable and no loop of what is around it."""
        outer, self._variables = self._variables, ["$"]
        ranges, self._ranges = self._ranges, 0
        body, end = self._body()
        self._variables, self._ranges = outer, ranges
        return body, end

    def _define(self, name: str, body: Body) -> None:
        old = self.defined.get(name, ())
        if _blank(old):
            self.defined[name] = body
        elif not _blank(body):
            self._fail(f'template: multiple definition of template "{name}"')

    def _body(self) -> tuple[Body, str]:
        """Statements up to an `end` or `else`, which is returned beside them."""
        self._enter()
        statements: list[Statement] = []
        while self._peek_word().kind is not Kind.END:
            statement = self._statement()
            if isinstance(statement, str):
                self._nesting -= 1
                return tuple(statements), statement
            statements.append(statement)
        self._fail("unexpected EOF")

    def _statement(self) -> Statement | str:
        token = self._next_word()
        if token.kind is Kind.TEXT:
            return Text(token.text, token.position)
        if token.kind is Kind.LEFT:
            return self._action()
        self._unexpected(token, "input")

    def _action(self) -> Statement | str:
        token = self._peek_word()
        if token.kind is not Kind.KEYWORD or token.text == "nil":
            return Action(self._pipeline("command", Kind.RIGHT), token.position)
        self._next_word()
        match token.text:
            case "if" | "with" | "range":
                return self._branch(token)
            case "else" if self._keyword("if") or self._keyword("with"):
                return "else"
            case "end" | "else":
                self._expect(Kind.RIGHT, token.text)
                return token.text
            case "break" | "continue":
                return self._loop_control(token)
            case "template":
                return self._call(token)
            case "block":
                return self._block(token)
        self._unexpected(token, "command")

    def _branch(self, token: Token) -> Statement:
        scope = len(self._variables)
        pipe = self._pipeline(token.text, Kind.RIGHT)
        self._ranges += token.text == "range"
        body, end = self._body()
        self._ranges -= token.text == "range"
        otherwise: Body = ()
        if end == "else":
            otherwise = self._otherwise(token.text)
        del self._variables[scope:]
        return _BRANCHES[token.text](pipe, body, otherwise, token.position)

    def _otherwise(self, word: str) -> Body:
        if word in ("if", "with") and self._keyword(word):
            self._enter()
            chained = self._branch(self._next_word())
            self._nesting -= 1
            return (chained,)
        if self._peek_word().kind is Kind.KEYWORD:
            self._unexpected(self._next_word(), "else")
        body, end = self._body()
        if end != "end":
            self._fail(f"expected end; found {{{{{end}}}}}")
        return body

    def _loop_control(self, token: Token) -> Statement:
        found = self._next_word()
        if found.kind is not Kind.RIGHT:
            self._unexpected(found, f"{{{{{token.text}}}}}")
        if not self._ranges:
            self._fail(f"{{{{{token.text}}}}} outside {{{{range}}}}")
        return Break(token.position) if token.text == "break" else Continue(token.position)

    def _call(self, token: Token) -> Statement:
        name, pipe = self._template_name("template clause"), None
        if self._peek_word().kind is Kind.RIGHT:
            self._next_word()
        else:
            pipe = self._pipeline("template clause", Kind.RIGHT)
        return Call(name, pipe, token.position)

    def _block(self, token: Token) -> Statement:
        name = self._template_name("block clause")
        pipe = self._pipeline("block clause", Kind.RIGHT)
        body, end = self._scoped_body()
        if end != "end":
            self._fail(f"unexpected {{{{{end}}}}} in block clause")
        self._define(name, body)
        return Call(name, pipe, token.position)

    def _template_name(self, context: str) -> str:
        token = self._next_word()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            self._unexpected(token, context)
        return self._string(token)

    # Pipelines

    def _pipeline(self, context: str, end: Kind) -> Pipe:
        position = self._peek_word().position
        declared, assigns = self._declarations(context)
        commands: list[Command] = []
        while (token := self._next_word()).kind is not end:
            if token.kind not in _OPERANDS and not (token.kind is Kind.KEYWORD and token.text == "nil"):
                self._unexpected(token, context)
            self._index -= 1
            commands.append(self._command())
        self._check_pipeline(commands, context)
        return Pipe(tuple(declared), assigns, tuple(commands), position)

    def _declarations(self, context: str) -> tuple[list[str], bool]:
        declared: list[str] = []
        while True:
            start = self._index
            token = self._next_word()
            if token.kind is Kind.VARIABLE:
                following = self._next_word()
                if following.kind in (Kind.ASSIGN, Kind.DECLARE):
                    self._declare(token, declared)
                    return declared, following.kind is Kind.ASSIGN
                if following.text == ",":
                    self._declare(token, declared)
                    self._check_second(context, declared)
                    continue
            self._index = start
            return declared, False

    def _declare(self, token: Token, declared: list[str]) -> None:
        declared.append(token.text)
        self._variables.append(token.text)

    def _check_second(self, context: str, declared: list[str]) -> None:
        if context != "range" or len(declared) > 1:
            self._fail(f"too many declarations in {context}")
        if self._peek_word().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN):
            self._fail("range can only initialize variables")

    def _check_pipeline(self, commands: list[Command], context: str) -> None:
        if not commands:
            self._fail(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.args[0], Literal | Dot | Nil):
                self._fail(f"non executable command in pipeline stage {stage}")

    def _command(self) -> Command:
        position = self._peek_word().position
        args: list[Operand] = []
        while True:
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.RIGHT_PAREN):
                self._index -= 1
            elif token.kind is not Kind.PIPE:
                self._unexpected(token, "operand")
            break
        if not args:
            self._fail("empty command")
        return Command(tuple(args), position)

    def _operand(self) -> Operand | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        names: list[str] = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        match node:
            case Field():
                return Field((*node.names, *names), node.position)
            case Variable():
                return Variable(node.name, tuple(names), node.position)
            case Literal() | Nil() | Dot():
                self._fail(f'unexpected . after term "{source(node)}"')
        return Chain(node, tuple(names), node.position)

    def _term(self) -> Operand | None:
        token = self._next_word()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    self._fail(f'function "{token.text}" not defined')
                return Identifier(token.text, token.position)
            case Kind.DOT:
                return Dot(token.position)
            case Kind.KEYWORD if token.text == "nil":
                return Nil(token.position)
            case Kind.VARIABLE:
                if token.text not in self._variables:
                    self._fail(f'undefined variable "{token.text}"')
                return Variable(token.text, (), token.position)
            case Kind.FIELD:
                return Field((token.text[1:],), token.position)
            case Kind.BOOL:
                return Literal(token.text == "true", token.text, token.position)
            case Kind.CHARACTER | Kind.NUMBER:
                return Literal(self._number(token), token.text, token.position)
            case Kind.STRING | Kind.RAW_STRING:
                return Literal(self._string(token), token.text, token.position)
            case Kind.LEFT_PAREN:
                self._enter()
                pipe = self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
                self._nesting -= 1
                return pipe
        self._index -= 1
        return None

    def _number(self, token: Token) -> int | float:
        try:
            return literals.character(token.text) if token.kind is Kind.CHARACTER else literals.number(token.text)
        except ValueError as error:
            self._fail(str(error))

    def _string(self, token: Token) -> str:
        try:
            return token.text[1:-1] if token.kind is Kind.RAW_STRING else literals.unquote(token.text)
        except ValueError as error:
            self._fail(str(error))


def _blank(body: Body) -> bool:
    return all(isinstance(statement, Text) and not re.search(r"\S", statement.text) for statement in body)
