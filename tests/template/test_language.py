"""Go's template language: what it prints, and the words of its errors."""

from typing import Any

import pytest

from hollama.errors import TemplateError, TemplateFailed
from hollama.template.executor import execute
from hollama.template.functions import NAMES
from hollama.template.parser import parse

DATA: dict[str, Any] = {
    "s": "hi é",
    "n": 3,
    "f": 1.5,
    "l": ["a", "b", "c"],
    "m": {"b": 1, "a": "x"},
    "e": [],
    "nil": None,
    "t": True,
    "nest": {"k": {"j": "deep"}},
    "ll": [[1, 2], [3]],
}


def run(template: str) -> str:
    return execute(parse(template, NAMES), DATA)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a  {{- 1 -}}  b", "a1b"),
        ("a {{/* c */}} b {{- /* d */ -}} c", "a  bc"),
        ("{{ .l }} {{ .m }} {{ .t }} {{ .f }}", "[a b c] map[a:x b:1] true 1.5"),
        ("{{ .zip }}|{{ .nil }}|{{ .zip | print }}", "<no value>|<no value>|<nil>"),
        ("{{ if .zip }}a{{ else if eq .n 3 }}b{{ else }}c{{ end }}", "b"),
        ("{{ if .e }}a{{ end }}{{ if .m }}b{{ end }}{{ if 0 }}c{{ end }}", "b"),
        ("{{ range .l }}{{ . }}{{ else }}none{{ end }}{{ range .e }}x{{ else }}none{{ end }}", "abcnone"),
        ("{{ range $i, $v := .l }}{{ $i }}{{ $v }}{{ end }}", "0a1b2c"),
        ("{{ range $k, $v := .m }}{{ $k }}={{ $v }};{{ end }}", "a=x;b=1;"),
        ("{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}", "01201"),
        ("{{ range .nil }}x{{ else }}none{{ end }}", "none"),
        ("{{ range .l }}{{ if eq . `b` }}{{ continue }}{{ end }}{{ . }}{{ end }}", "ac"),
        ("{{ range .l }}{{ if eq . `b` }}{{ break }}{{ end }}{{ . }}{{ end }}", "a"),
        ("{{ with .nest.k }}{{ .j }}{{ end }}{{ with .zip }}x{{ else with .s }}{{ . }}{{ end }}", "deephi é"),
        ("{{ $x := 1 }}{{ if .t }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "32"),
        ("{{ $i := 0 }}{{ range $i, $_ = .l }}{{ end }}{{ $i }}{{ $_ := 1 }}", None),
        ("{{ (index .ll 0) }}{{ (index .m `a`) }}{{ $.nest.k.j }}{{ $.nest.k }}", "[1 2]xdeepmap[j:deep]"),
        ("{{ define `x` }}[{{ . }}]{{ end }}{{ template `x` .s }}{{ template `x` }}", "[hi é][<no value>]"),
        ("{{ block `y` .n }}<{{ . }}>{{ end }}{{ template `y` 7 }}", "<3><7>"),
        ("{{ .s | printf `%s-%s` `x` | len }}", "7"),
        (r"""{{ "q\t\x41\u00e9\101" }}{{ `r\n` }}{{ 'a' }}{{ '\n' }}""", "q\tAéAr\\n9710"),
        (
            "{{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ -5 }} {{ 1e3 }} {{ 1e6 }}",
            "31 3 15 15 1000 -5 1000 1e+06",
        ),
        ("{{ and .t .zip 1 }}|{{ or .zip .e .s }}|{{ not .zip }}|{{ and 1 0 | or 5 }}", "<no value>|hi é|true|5"),
        ("{{ or .t (index .e 9) }}", "true"),
        ("{{ eq .s `x` `hi é` }}{{ eq .zip nil }}{{ eq .zip `x` }}{{ ne .n 4 }}", "truetruefalsetrue"),
        ("{{ lt 1 2 }}{{ le 2 2 }}{{ gt 1.5 1.0 }}{{ ge `b` `a` }}", "truetruetruetrue"),
        ("{{ len .s }}{{ len .l }}{{ len .m }}", "532"),
        ("{{ index .ll 0 1 }}{{ index .m `zz` }}{{ index .s 0 }}", "2<no value>104"),
        ("{{ slice .l 1 }}{{ slice .l 1 2 }}{{ slice .s 3 5 }}{{ slice .s 3 4 }}", "[b c][b]é\ufffd"),
        ("{{ slice .s 3 4 }}{{ slice .s 4 5 }}", "é"),
        ("{{ print 1 2 `a` `b` 3 }}|{{ println 1 `a` }}", "1 2ab3|1 a\n"),
        ("{{ html `<a>'` }}{{ js `a'b<` }}{{ urlquery `a b&c` }}", "&lt;a&gt;&#39;a\\'b\\u003Ca+b%26c"),
        (
            "{{ json .m }}{{ json `<a>` }}{{ json 1e21 }}{{ json 0.0000001 }}{{ json .nil }}",
            '{"a":"x","b":1}"\\u003ca\\u003e"1e+211e-7null',
        ),
        ("{{ $x := .zip }}{{ $x.foo }}", "<no value>"),
        ("{{ range $i, $_ := .l }}{{ eq (len (slice $.l $i)) 1 }} {{ end }}", "false false true "),
    ],
)
def test_output(template: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(TemplateError):
            run(template)
    else:
        assert run(template) == expected


@pytest.mark.parametrize(
    ("directive", "args", "expected"),
    [
        ("%d|%5d|%-5d|%05d|%+d", "1 2 3 4 5", "1|    2|3    |00004|+5"),
        ("%x|%X|%#x|%o|%b|%c|%q|%U", "255 255 255 8 5 65 66 67", "ff|FF|0xff|10|101|A|'B'|U+0043"),
        ("%s|%5s|%-5s|%.2s|%x|% x", "`a` `b` `c` `hello` `hi` `hi`", "a|    b|c    |he|6869|68 69"),
        ("%q %+q %#q", r'"a\"\n" `é` `raw`', '"a\\"\\n" "\\u00e9" `raw`'),
        (
            "%f|%.2f|%8.3f|%e|%g|%08.2f|%.3g",
            "1.5 2.0 3.14159 12345.678 0.00001 3.5 1234.5",
            "1.500000|2.00|   3.142|1.234568e+04|1e-05|00003.50|1.23e+03",
        ),
        ("%v %v %v %v", ".l .m nil true", "[a b c] map[a:x b:1] <nil> true"),
        ("%T %T %T %T", ".l .m 1.0 nil", "[]interface {} map[string]interface {} float64 <nil>"),
        ("%d %s", "`x` 1", "%!d(string=x) %!s(int=1)"),
        ("%s %d", "nil", "%!s(<nil>) %!d(MISSING)"),
        ("%d", "1 2 `x`", "1%!(EXTRA int=2, string=x)"),
        ("%[2]d %[1]d", "1 2", "2 1"),
        ("%*d|%.*f", "5 1 2 1.234", "    1|1.23"),
        ("%t %z %%", "true 1", "true %!z(int=1) %"),
        ("100%", "", "100%!(NOVERB)"),
        ("%9999999d", "1", "%!(BADWIDTH)1"),
        ("%d %s", ".ll .l", "[[1 2] [3]] [a b c]"),
    ],
)
def test_printf(directive: str, args: str, expected: str) -> None:
    assert run(f"{{{{ printf `{directive}` {args} }}}}") == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ .s", "template: :1: unclosed action"),
        ("a\n\n{{ end }}", "template: :3: unexpected {{end}}"),
        ("{{ else }}", "template: :1: unexpected {{else}}"),
        ("{{ if .t }}", "template: :1: unexpected EOF"),
        ("{{ if }}x{{ end }}", "template: :1: missing value for if"),
        ("{{ }}", "template: :1: missing value for command"),
        ("{{ nope 1 }}", 'template: :1: function "nope" not defined'),
        ("{{ $x }}", 'template: :1: undefined variable "$x"'),
        ("{{ if .t }}{{ $x := 1 }}{{ end }}{{ $x }}", 'template: :1: undefined variable "$x"'),
        ("{{ break }}", "template: :1: {{break}} outside {{range}}"),
        ("{{ range .l }}{{ end }}{{ continue }}", "template: :1: {{continue}} outside {{range}}"),
        ('{{ "abc }}', "template: :1: unterminated quoted string"),
        ("{{ `abc }}", "template: :1: unterminated raw quoted string"),
        ("{{ 'a }}", "template: :1: unterminated character constant"),
        ("{{/* a", "template: :1: unclosed comment"),
        ("{{/* a */ b }}", "template: :1: comment ends before closing delimiter"),
        ("{{ (1 }}", "template: :1: unclosed left paren"),
        ("{{ 1) }}", "template: :1: unexpected right paren"),
        ("{{ .s @ }}", 'template: :1: unexpected "@" in operand'),
        ("{{ 3x }}", 'template: :1: bad number syntax: "3x"'),
        ("{{ .s | 3 }}", "template: :1: non executable command in pipeline stage 2"),
        ("{{ range $a, $b, $c := .l }}{{ end }}", "template: :1: too many declarations in range"),
        ("{{ true.x }}", 'template: :1: unexpected . after term "true"'),
        ("{{ template 3 }}", 'template: :1: unexpected "3" in template clause'),
        ("{{ .s }} {{ range .l }}{{ define `q` }}{{ end }}{{ end }}", "template: :1: unexpected <define> in command"),
        ("{{ 99999999999999999999 }}", 'template: :1: integer overflow: "99999999999999999999"'),
        (r'{{ "\q" }}', "template: :1: invalid syntax"),
        ("{{ \u20ac }}", "template: :1: unrecognized character in action: U+20AC '€'"),
    ],
)
def test_parse_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        parse(template, NAMES)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n {{ .s.x }}", 'template: :2:4: executing "" at <.s.x>: can\'t evaluate field x in type string'),
        ("{{ .zip.x }}", 'template: :1:3: executing "" at <.zip.x>: nil pointer evaluating interface {}.x'),
        (
            "{{ eq .n `3` }}",
            'template: :1:3: executing "" at <eq>: error calling eq: incompatible types for comparison',
        ),
        (
            "{{ eq .n 3.0 }}",
            'template: :1:3: executing "" at <eq>: error calling eq: incompatible types for comparison',
        ),
        ("{{ lt .l 1 }}", 'template: :1:3: executing "" at <lt>: error calling lt: invalid type for comparison'),
        ("{{ index .l 5 }}", 'template: :1:3: executing "" at <index>: error calling index: index out of range: 5'),
        (
            "{{ slice .l 2 1 }}",
            'template: :1:3: executing "" at <slice>: error calling slice: invalid slice index: 2 > 1',
        ),
        ("{{ len .n }}", 'template: :1:3: executing "" at <len>: error calling len: len of type int'),
        ("{{ len 1 2 }}", 'template: :1:3: executing "" at <len>: wrong number of args for len: want 1 got 2'),
        ("{{ range .f }}{{ end }}", 'template: :1:3: executing "" at <{{range .f}}>: range can\'t iterate over 1.5'),
        ("{{ .n 3 }}", 'template: :1:3: executing "" at <.n>: n is not a method but has arguments'),
        ("{{ 3 4 }}", 'template: :1:3: executing "" at <3>: can\'t give argument to non-function 3'),
        ("{{ nil }}", 'template: :1:3: executing "" at <nil>: nil is not a command'),
        ("{{ template `no` }}", 'template: :1:3: executing "" at <{{template "no"}}>: template "no" not defined'),
        ("{{ $x = 1 }}", 'template: :1:3: executing "" at <$x = 1>: undefined variable: $x'),
        (
            "{{ call .s }}",
            'template: :1:3: executing "" at <call>: error calling call: non-function hi é of type string',
        ),
    ],
)
def test_execution_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateFailed) as error:
        run(template)
    assert str(error.value) == message
