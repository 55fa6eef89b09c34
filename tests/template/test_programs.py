"""Generated programs (variables in their scopes, templates with parameters, loops left early) print what gotpl prints.

What fails in one implementation fails in the other. gotpl's differences from Go stand in test_differential.py, and
are left out here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gotpl
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import TemplateError
from hollama.template.executor import execute
from hollama.template.functions import NAMES
from hollama.template.parser import parse

Draw = Any
STRINGS = ['"a"', "`b\\n`", '"é\\t\\x41"', "$.s", '(printf "%v-%d" $.i 3)', "(print 1 2 $.s)", "(println 1)"]
INTEGERS = [
    "$.i",
    "0",
    "-7",
    "0x1F",
    "1_000",
    "'a'",
    "(len $.s)",
    "(len $.l)",
    "(index $.l 0)",
    "$.m.a",
    "0b11",
    "0o17",
]
FLOATS = ["$.f", "1.5", "2e3", "-0.25", "0x1p-2"]
BOOLEANS = ["true", "false", "$.t", "(eq $.i 1 2 3)", "(and $.t $.l)", "(not $.s)"]
LISTS = ["$.l", "$.e", "(slice $.l 1)", "(slice $.l 0 1)", "$.ss"]
MAPS = ["$.m", "$.none", "$.mm"]
POOLS = {"string": STRINGS, "integer": INTEGERS, "float": FLOATS, "boolean": BOOLEANS, "list": LISTS, "map": MAPS}
VERBS = {
    "string": ["%s", "%q", "%v", "%x", "%X", "%10s|", "%-6s|", "%.1s", "%5.2s|", "%+q", "%T"],
    "integer": [
        "%d",
        "%5d",
        "%-5d|",
        "%05d",
        "%+d",
        "%x",
        "%X",
        "%o",
        "%b",
        "%c",
        "%U",
        "%q",
        "%v",
        "%#x",
        "%T",
        "% d",
    ],
    "float": ["%f", "%.2f", "%9.3f", "%-9.1f|", "%+.1f", "%e", "%E", "%g", "%G", "%v", "%08.2f", "%T"],
    "boolean": ["%t", "%v", "%6t|", "%T"],
}
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]


@dataclass(frozen=True)
class Scope:
    """The variables a place can see, by name, and whether it is in a loop. `dot` is the kind of the dot, if known."""

    variables: tuple[tuple[str, str], ...] = ()
    loop: bool = False
    dot: str = ""
    templates: tuple[str, ...] = ()

    def of(self, kind: str) -> list[str]:
        found = [f"${name}" for name, held in self.variables if held == kind]
        return found + (["."] if self.dot == kind else [])


def expression(draw: Draw, scope: Scope, kind: str, depth: int = 2) -> str:
    ways = ["leaf", "leaf"]
    if depth:
        ways += {"string": ["printf", "print", "pipe"], "boolean": ["compare", "logic", "not"]}.get(kind, [])
        ways += ["choose"] if kind != "map" else []
    match draw(st.sampled_from(ways)):
        case "printf":
            held = draw(st.sampled_from(sorted(VERBS)))
            return f'(printf "<{draw(st.sampled_from(VERBS[held]))}>" {expression(draw, scope, held, depth - 1)})'
        case "print":
            parts = [expression(draw, scope, draw(kinds), depth - 1) for _ in range(draw(st.integers(1, 3)))]
            return f"({draw(st.sampled_from(['print', 'println']))} {' '.join(parts)})"
        case "pipe":
            inner = expression(draw, scope, "string", depth - 1)
            after = draw(st.sampled_from(["html", "js", "urlquery", "printf `%s%%`", "print 1", "len | print"]))
            return f"({inner} | {after})"
        case "compare":
            held = draw(st.sampled_from(["string", "integer", "float"]))
            sides = [expression(draw, scope, held, depth - 1) for _ in range(2)]
            return f"({draw(st.sampled_from(COMPARISONS))} {sides[0]} {sides[1]})"
        case "logic":
            parts = [expression(draw, scope, "boolean", depth - 1) for _ in range(draw(st.integers(1, 3)))]
            return f"({draw(st.sampled_from(['and', 'or']))} {' '.join(parts)})"
        case "not":
            return f"(not {expression(draw, scope, draw(kinds), depth - 1)})"
        case "choose":
            sides = [expression(draw, scope, kind, depth - 1) for _ in range(2)]
            return f"({draw(st.sampled_from(['and', 'or']))} {sides[0]} {sides[1]})"
    return str(draw(st.sampled_from(POOLS[kind] + scope.of(kind) * 3)))


kinds = st.sampled_from(sorted(POOLS))
TEXTS = st.sampled_from(["", "x", " ", "\n", " y \n"])


def action(draw: Draw, inside: str) -> str:
    left, right = draw(st.sampled_from(["{{", "{{-", "{{ "])), draw(st.sampled_from(["}}", "-}}", " }}"]))
    return f"{left} {inside} {right}"


def body(draw: Draw, scope: Scope, depth: int) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        text, scope = statement(draw, scope, depth)
        parts.append(text)
    return "".join(parts)


def statement(draw: Draw, scope: Scope, depth: int) -> tuple[str, Scope]:
    ways = (
        ["text", "print", "declare"] + (["assign"] if scope.variables else []) + (["call"] if scope.templates else [])
    )
    ways += ["if", "with", "range", "block"] if depth else []
    ways += ["leave"] if scope.loop else []
    match draw(st.sampled_from(ways)):
        case "print":
            return action(draw, expression(draw, scope, draw(kinds))), scope
        case "declare":
            kind, name = draw(kinds), draw(st.sampled_from(["a", "b", "c"]))
            kept = tuple(held for held in scope.variables if held[0] != name)
            more = Scope((*kept, (name, kind)), scope.loop, scope.dot, scope.templates)
            return action(draw, f"${name} := {expression(draw, scope, kind)}"), more
        case "assign":
            name, kind = draw(st.sampled_from(scope.variables))
            return action(draw, f"${name} = {expression(draw, scope, kind)}"), scope
        case "call":
            return action(draw, f'template "{draw(st.sampled_from(scope.templates))}" $'), scope
        case "if":
            return branch(draw, scope, depth, "if", scope), scope
        case "with":
            kind = draw(kinds)
            inner = Scope((*scope.variables, ("w", kind)), scope.loop, kind, scope.templates)
            return branch(draw, scope, depth, "with", inner, f"$w := {expression(draw, scope, kind)}"), scope
        case "range":
            return loop(draw, scope, depth), scope
        case "block":
            inner = Scope((), False, "", scope.templates)
            name = f"b{draw(st.integers(0, 10**6))}"
            end = action(draw, "end")
            return action(draw, f'block "{name}" $') + body(draw, inner, 0) + end, scope
        case "leave":
            condition = expression(draw, scope, "boolean")
            left = action(draw, draw(st.sampled_from(["break", "continue"])))
            return action(draw, f"if {condition}") + left + action(draw, "end"), scope
    return draw(TEXTS), scope


def branch(draw: Draw, scope: Scope, depth: int, word: str, inner: Scope, head: str = "") -> str:
    text = action(draw, f"{word} {head or expression(draw, scope, draw(kinds))}") + body(draw, inner, depth - 1)
    for _ in range(draw(st.integers(0, 2))):
        text += action(draw, f"else {word} {expression(draw, scope, draw(kinds))}")
        text += body(
            draw, Scope(scope.variables, scope.loop, scope.dot if word == "if" else "", scope.templates), depth - 1
        )
    if draw(st.booleans()):
        text += action(draw, "else") + body(draw, scope, depth - 1)
    return text + action(draw, "end")


def loop(draw: Draw, scope: Scope, depth: int) -> str:
    head, key = draw(
        st.sampled_from(
            [("$.l", "integer"), ("$.ss", "integer"), ("$.m", "string"), ("$.e", "integer"), ("3", "integer")]
        )
    )
    held = {"$.l": "integer", "$.m": "integer", "3": "integer"}.get(head, "string")
    named = (
        draw(st.sampled_from(["", "$v := ", "$k, $v := "])) if head != "3" else draw(st.sampled_from(["", "$v := "]))
    )
    more = (("v", held),) if "$v" in named else ()
    more += (("k", key),) if "$k" in named else ()
    inner = Scope((*scope.variables, *more), True, held, scope.templates)
    text = action(draw, f"range {named}{head}") + body(draw, inner, depth - 1)
    if draw(st.booleans()):
        text += action(draw, "else") + body(draw, scope, depth - 1)
    return text + action(draw, "end")


@st.composite
def programs(draw: Draw) -> str:
    templates: tuple[str, ...] = ()
    text = ""
    for name in ("p", "q")[: draw(st.integers(0, 2))]:
        inner = Scope((), False, "", templates)
        text += (
            action(draw, f'define "{name}"')
            + "["
            + action(draw, ".s")
            + body(draw, inner, 1)
            + "]"
            + action(draw, "end")
        )
        templates += (name,)
    return text + body(draw, Scope(templates=templates), 2)


TOLERATED = ("bad character", "undefined variable '$")


def outcome(render: Any) -> str | None:
    """None for a failure, "?" for one in which gotpl is known to differ from Go.

    It takes operands with no blank between them, as in `.a$b`, and refuses an assignment to a variable that is not
    there even where it is never executed.
    """
    try:
        return str(render())
    except (TemplateError, gotpl.TemplateError) as error:
        return "?" if any(words in str(error) for words in TOLERATED) else None


def same(text: str, values: dict[str, Any]) -> bool:
    found = outcome(lambda: execute(parse(text, NAMES), values)), outcome(lambda: gotpl.render(text, values))
    return "?" in found or found[0] == found[1]


data = st.fixed_dictionaries(
    {
        "s": st.text("ab é<\"'&\n", max_size=5),
        "i": st.integers(-99, 9999),
        "f": st.floats(-1e6, 1e6, allow_nan=False),
        "t": st.booleans(),
        "l": st.lists(st.integers(-9, 99), min_size=1, max_size=3),
        "ss": st.lists(st.text("ab<", max_size=2), max_size=3),
        "e": st.just([]),
        "m": st.dictionaries(st.sampled_from(["b", "c", "a0"]), st.integers(0, 9), max_size=3).map(
            lambda m: m | {"a": 1}
        ),
        "mm": st.just({"x": {"y": "z"}}),
        "none": st.just({}),
    }
)


@settings(max_examples=100)
@given(programs(), data)
def test_programs(text: str, values: dict[str, Any]) -> None:
    assert same(text, values)


@settings(max_examples=50, derandomize=True)  # gotpl may differ from Go in more than is known
@given(
    programs(),
    data,
    st.integers(0, 400),
    st.sampled_from(["", "}}", "{{", "{{ end }}", "{{ else }}", "(", '"', "$z", ". ", "nope"]),
)
def test_broken_programs(text: str, values: dict[str, Any], place: int, inserted: str) -> None:
    """With a piece left out or put in: what one refuses, the other does."""
    assert same(text[:place] + inserted + text[place + (not inserted) :], values)
