"""Generated templates print what another implementation of Go's text/template prints.

gotpl is the oracle except where it is known to differ from Go, which is the truth; the generator leaves these out:
a field of nil or of what has no fields is an error in Go (gotpl: `<no value>`), `eq` and `ne` with a missing value
are false and true (an error), `print` of one gives `<nil>` (`<no value>`), `nil | f` is an error (it calls f), a
verb of printf applies to the elements of a list (the list is a bad argument), and `% x` puts blanks between bytes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gotpl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import TemplateError
from hollama.template import GoTemplate, TemplateValues
from hollama.template.executor import execute
from hollama.template.functions import NAMES
from hollama.template.parser import parse
from hollama.types import Message

names = st.sampled_from(["a", "b", "c"])
words = st.text("abé <&'\n\"0", max_size=5)
scalars = st.one_of(words, st.integers(-9, 9999), st.booleans(), st.floats(-1e9, 1e9))
data = st.fixed_dictionaries(
    {
        "s": words,
        "i": st.integers(-99, 99),
        "f": st.floats(allow_nan=False, allow_infinity=False),
        "t": st.booleans(),
        "l": st.lists(scalars, max_size=4),
        "m": st.dictionaries(names, scalars, max_size=3),
        "mm": st.dictionaries(names, st.dictionaries(names, scalars, max_size=2), max_size=2),
    }
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def both(form: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(form.format, *parts)


strings = st.recursive(
    st.one_of(st.just("$.s"), words.map(quoted)),
    lambda inner: st.one_of(
        both("(print {} {})", inner, inner),
        both("(printf {} {})", st.sampled_from(['"%s"', '"%q"', '"[%5s|%-5s"', '"%.2s%%"', '"%x"', '"%d"']), inner),
        both("(html {})", inner),
        both("(js {})", inner),
        both("(urlquery {})", inner),
        both("({} | printf {} 3)", inner, st.just('"%03d%s"')),
    ),
    max_leaves=4,
)
integers = st.one_of(
    st.just("$.i"), st.integers(-99, 99).map(str), both("(len {})", strings), st.just("(len $.l)"), st.just("(len $.m)")
)
formats = st.sampled_from(['"%d"', '"%05d"', '"%+d"', '"%-4d|"', '"%x"', '"%v"', '"%s"', '"%T"', '"%o"'])
floats = st.sampled_from(['"%f"', '"%.2f"', '"%8.1f|"', '"%e"', '"%g"', '"%v"', '"%d"'])
booleans = st.recursive(
    st.one_of(
        st.sampled_from(["$.t", "true", "false"]),
        both("({} {} {})", st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), integers, integers),
        both("({} {} {})", st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), strings, strings),
    ),
    lambda inner: both("(not {})", inner) | both("({} {} {})", st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=3,
)
values = st.one_of(
    strings,
    integers,
    booleans,
    both("(printf {} {})", formats, integers),
    both("(printf {} $.f)", floats),
    st.sampled_from(["$.l", "$.m", "$.mm", "$.f", "$.zip", "$.mm.a", "$.m.b", "(slice $.l 0)"]),
)
openings, closings = st.sampled_from(["{{ ", "{{- "]), st.sampled_from([" }}", " -}}"])
texts = st.text("ab \n\t", max_size=4)


def block(head: st.SearchStrategy[str], body: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    otherwise = st.one_of(st.just(""), both("{{{{ else }}}}{}", body))
    return st.builds(
        lambda left, opening, right, inner, other, end: f"{left}{opening}{right}{inner}{other}{end}",
        openings, head, closings, body, otherwise, st.sampled_from(["{{ end }}", "{{- end -}}"]),
    )  # fmt: skip


actions = st.one_of(
    texts,
    both("{}{}{}", openings, values, closings),
    both("{{{{ $x := {} }}}}{{{{ $x }}}}", values),
    st.just("{{- /* comment */ -}}"),
)
templates = st.recursive(
    actions,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        block(st.one_of(both("if {}", booleans), both("with {}", values), both("if {}", values)), inner),
        block(
            st.sampled_from(["range $.l", "range $i, $v := $.l", "range $.m", "range $k, $v := $.m", "range 3"]), inner
        ),
        both(
            "{{{{ range $k, $v := $.mm }}}}{{{{ $k }}}}{{{{ range $v }}}}{{{{ . }}}},{{{{ end }}}}{}{{{{ end }}}}",
            inner,
        ),
        both("{{{{ range $.l }}}}{{{{ if {} }}}}{{{{ break }}}}{{{{ end }}}}{}{{{{ end }}}}", booleans, inner),
        both("{{{{ range $.l }}}}{}{{{{ if {} }}}}{{{{ continue }}}}{{{{ end }}}}.{{{{ end }}}}", inner, booleans),
    ),
    max_leaves=6,
)


@settings(max_examples=100)
@given(templates, data)
def test_output_is_the_same(template: str, values: dict[str, Any]) -> None:
    try:
        expected = gotpl.render(template, values)
    except gotpl.TemplateError as error:
        pytest.fail(f"the generator made a template that fails: {template!r}: {error}")
    assert execute(parse(template, NAMES), values) == expected


PARTS = """{{ }} {{- -}} if else end range with break continue define template block . $ .s .l $x := = | ( ) , eq and
not len index print nil true 1 2.5 "a" `b` 'c' @ .m.a text"""


def accepts(parser: Callable[[str], object], text: str) -> bool:
    try:
        parser(text)
    except (TemplateError, gotpl.TemplateError):
        return False
    return True


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PARTS.split()), max_size=12).map(" ".join))
def test_the_same_texts_parse(text: str) -> None:
    assert accepts(lambda text: parse(text, NAMES), text) == accepts(gotpl.Template, text)


def test_real_templates_print_the_same(shared: Path) -> None:
    messages = [
        {"Role": role, "Content": f"<{role}>", "ToolCalls": []} for role in ("system", "user", "assistant", "user")
    ]
    values = TemplateValues(messages=[Message(message["Role"], message["Content"]) for message in messages])  # type: ignore[arg-type]
    folder = shared / "data" / "templates" / "ollama"
    for path in sorted(folder.glob("*.gotmpl")):
        expected = gotpl.render(path.read_text(), {"Messages": messages, "System": "<system>", "Response": ""})
        assert GoTemplate.parse(path.read_text()).render(values) == expected, path.name
