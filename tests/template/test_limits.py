"""No template hangs or exhausts the server, and no text does worse than a TemplateError."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import TemplateError, TemplateFailed
from hollama.template import GoTemplate, JinjaTemplate, TemplateValues
from hollama.types import Message

VALUES = TemplateValues(messages=(Message("user", "hello"),))

GO = {
    "loop": "{{ range 1000000000 }}{{ end }}",
    "loops": "{{ range 10000 }}{{ range 10000 }}{{ end }}{{ end }}",
    "output": "{{ range 100000 }}" + "x" * 10_000 + "{{ end }}",
    "recursion": "{{ define `a` }}{{ template `a` }}{{ end }}{{ template `a` }}",
    "tree": "{{ define `a` }}{{ range 9 }}{{ template `a` }}{{ end }}{{ end }}{{ template `a` }}",
    "doubling": "{{ $x := `0123456789` }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}",
    "widths": "{{ printf `" + "%1000000d" * 1000 + "` " + "1 " * 1000 + "}}",
    "long text over and over": "{{ $x := printf `%999999d` 1 }}{{ range 100000 }}{{ $y := len (html $x) }}{{ end }}",
}


@pytest.mark.parametrize("name", GO)
def test_go_templates_end(name: str) -> None:
    template, start = GoTemplate.parse(GO[name]), time.process_time()
    with pytest.raises(TemplateFailed):
        template.render(VALUES)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "text",
    [
        "{{ if 1 }}" * 10_000,
        "{{ " + "(" * 10_000 + "1" + ")" * 10_000 + " }}",
        "{{ if 1 }}{{ else " * 5000,
        "x" * (2 << 20),
    ],
)
def test_go_templates_that_are_too_deep_or_long(text: str) -> None:
    with pytest.raises(TemplateError):
        GoTemplate.parse(text)


DOUBLED = "{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = [n.x, n.x] %}{% endfor %}"
JINJA = {
    "doubling lists, printed": DOUBLED + "{{ n.x }}",
    "doubling lists, compared": DOUBLED + "{{ n.x == [n.x] }}",
    "doubling lists, as JSON": DOUBLED + "{{ n.x|tojson|length }}",
    "doubling mappings": DOUBLED.replace("[n.x, n.x]", "{'a': n.x, 'b': n.x}") + "{{ n.x }}",
    "doubling tuples as keys": DOUBLED.replace("[n.x, n.x]", "(n.x, n.x)").replace("[1]", "1") + "{{ {n.x: 1} }}",
    "doubling dict()": DOUBLED.replace("[n.x, n.x]", "dict(a=n.x, b=n.x)") + "{{ n.x }}",
    "doubling arguments": "{% set n = namespace(x=1) %}{% macro f() %}{% set n.x = varargs %}{% endmacro %}"
    "{% for i in range(40) %}{{ f(n.x, n.x) }}{% endfor %}{{ n.x }}",
    "doubling products": DOUBLED.replace("[n.x, n.x]", "[n.x] * 2") + "{{ n.x }}",
    "doubling list()": DOUBLED.replace("[n.x, n.x]", "n.x|batch(1)|list + n.x|batch(1)|list") + "{{ n.x }}",
    "doubling texts in lists": "{% set x = ['a' * 10**7] * 10**5 %}{{ x }}",
    "sum of lists": "{{ ([[1]*3000]*3000)|sum(start=[])|length }}",
    "sort": "{{ (range(99999)|list * 100)|sort|length }}",
    "loops": "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "output": "{% for i in range(99999) %}" + "x" * 10_000 + "{% endfor %}",
    "captured": "{% set y %}{% for i in range(99999) %}" + "x" * 10_000 + "{% endfor %}{% endset %}",
    "recursion": "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "repetition": "{{ 'a' * 10**9 }}",
    "power": "{{ 10**(10**10) }}",
    "squares": "{% set n = namespace(x=7) %}{% for i in range(100) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "doubling ~": "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubling +": "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "doubling %": "{% set n = namespace(x='ab') %}{% for i in range(99) %}"
    "{% set n.x = '%s%s' % (n.x, n.x) %}{% endfor %}",
    "doubling list": "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "doubling set": "{% set n = namespace(x='ab') %}{% for i in range(99) %}"
    "{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}{% endfor %}",
    "center": "{{ 'a'|center(10**9) }}",
    "ljust": "{{ 'a'.ljust(10**9) }}",
    "format": "{{ '%1000000000d' % 1 }}",
    "starred format": "{{ '%*d' % (10**9, 1) }}",
    "format method": "{{ '{:1000000000}'.format(1) }}",
    "replace": "{{ ('a' * 10**6).replace('a', 'b' * 10**6)|length }}",
    "join": "{{ (['a' * 10**6] * 10**4)|join|length }}",
    "join method": "{{ ''.join(['a' * 10**6] * 10**4)|length }}",
    "indent": "{{ messages|tojson(indent=10**5) }}",
    "private": "{{ ''.__class__.__mro__ }}",
    "changing": "{{ messages.append(1) }}",
    "include": "{% include 'x' %}",
}


@pytest.mark.parametrize("name", JINJA)
def test_jinja_templates_end(name: str) -> None:
    template, start = JinjaTemplate(JINJA[name]), time.process_time()
    with pytest.raises(TemplateFailed):
        template.render(VALUES)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "text",
    ["{{ " + "(" * 5000 + ")" * 5000 + "}}", "{% if 1 %}" * 5000 + "{% endif %}" * 5000, "{% for %}", "x" * (2 << 20)],
)
def test_jinja_templates_that_do_not_compile(text: str) -> None:
    with pytest.raises(TemplateError):
        JinjaTemplate(text)


PIECES = r"""{{ }} {{- -}} {% %} {%- -%} if else end range with define block template break continue endif endfor for in
set . $ .Messages .Role $x := = | ( ) , " ' ` \\ eq and not len index slice print printf json nil true 1 2.5 -3 %d %s
messages content loop.last [ ] { } : /* */ {# #} €"""
pieces = st.sampled_from([*PIECES.split(), "\n", "\ud800"])
texts = st.one_of(st.text(), st.lists(pieces, max_size=30).map(" ".join), st.lists(pieces, max_size=30).map("".join))


@given(texts)
def test_any_go_text(text: str) -> None:
    with contextlib.suppress(TemplateError):
        GoTemplate.parse(text).render(VALUES).encode()


@given(texts)
def test_any_jinja_text(text: str) -> None:
    with contextlib.suppress(TemplateError):
        JinjaTemplate(text).render(VALUES).encode()


def test_a_broken_real_template(shared) -> None:
    """Cut anywhere, a template still parses or says why not."""
    text = (shared / "data" / "templates" / "ollama" / "command-r.gotmpl").read_text()
    for end in range(0, len(text), 23):
        with contextlib.suppress(TemplateError):
            GoTemplate.parse(text[:end]).render(VALUES)
