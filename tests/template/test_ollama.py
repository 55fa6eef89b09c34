"""What Ollama puts on top of the language: modes, variables, collation, tools, tags."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import TemplateError
from hollama.template import GoTemplate, TemplateValues, collate, with_image_tags
from hollama.types import Message, ToolCall

TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "parameters": {
            "type": "object",
            "required": ["b"],
            "properties": {
                "b": {"type": ["string", "null"], "description": "<B>", "default": 1},
                "a": {"type": "integer", "enum": [1, 2]},
            },
        },
    },
}
TOOL_JSON = (
    '{"type":"function","function":{"name":"f","description":"","parameters":{"type":"object","required":["b"],'
    '"properties":{"a":{"type":"integer","enum":[1,2]},"b":{"type":["string","null"],"description":"\\u003cB\\u003e"}}}}}'
)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def render(template: str, *messages: Message, **values: object) -> str:
    return GoTemplate.parse(template).render(TemplateValues(messages=messages, **values))  # type: ignore[arg-type]


def test_legacy_turns_are_executions() -> None:
    turns = (user("Hello friend!"), assistant("Hello human!"), user("What is your name?"))
    rendered = render("{{ .System }} {{ .Prompt }} {{ .Response }}", *turns)
    assert rendered == " Hello friend! Hello human! What is your name? "


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((user("a"),), "<s></s>[a]"),
        ((user("a"), assistant("b")), "<s></s>[a]b"),
        ((user("a"), assistant("b"), user("c")), "<s></s>[a]b<end><s></s>[c]"),
        ((Message("system", "x"), user("a")), "<s>x</s>[a]"),
        ((user("a"), Message("system", "x"), user("b")), "<s></s>[a]<end><s>x</s>[b]"),
        ((Message("tool", "ignored"), user("a")), "<s></s>[a]"),
        ((), "<s></s>[]"),
    ],
)
def test_legacy_mode_stops_where_the_response_begins(messages: tuple[Message, ...], expected: str) -> None:
    assert render("<s>{{ .System }}</s>[{{ .Prompt }}]{{ .Response }}<end>", *messages) == expected


def test_the_cut_reaches_into_blocks() -> None:
    template = "{{ if .Prompt }}[{{ .Prompt }}]{{ .Response }}<in>{{ else }}<else>{{ end }}<after>"
    assert render(template, user("a")) == "[a]"


def test_a_template_without_a_response_gets_one() -> None:
    assert render("[{{ .Prompt }}]", user("a"), assistant("b"), user("c")) == "[a]b[c]"
    assert "response" in GoTemplate.parse("{{ .Prompt }}").variables
    assert "response" not in GoTemplate.parse("{{ .Messages }}").variables


def test_variables() -> None:
    template = GoTemplate.parse(
        "{{ define `x` }}{{ .Deep.Er }}{{ end }}{{ range $i, $m := .Messages }}{{ with (index $m.Content 0) }}{{ end }}"
        "{{ if $.Tools }}{{ else }}{{ print (.A).B }}{{ end }}{{ end }}"
    )
    assert template.variables == {"deep", "er", "messages", "$m", "content", "$", "tools", "a", "b"}


def test_parsing_is_cached() -> None:
    assert GoTemplate.parse("{{ .Messages }}x") is GoTemplate.parse("{{ .Messages }}x")


def test_messages_mode() -> None:
    template = "{{ .System }}:{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}{{ .Prompt }}{{ .Response }}"
    rendered = render(template, Message("system", "x"), user("a"), Message("system", "y"), system="w")
    assert rendered == "w\n\nx\n\ny:system=w\n\nx;user=a;system=y;<no value>"


def test_neighbours_of_a_role_are_joined() -> None:
    joined = collate([user("a"), user("b"), Message("tool", "c"), Message("tool", "d"), assistant("e")])
    assert [(message.role, message.content) for message in joined] == [
        ("user", "a\n\nb"),
        ("tool", "c"),
        ("tool", "d"),
        ("assistant", "e"),
    ]


def test_filling_in() -> None:
    template = "{{ if .Suffix }}<{{ .Prompt }}|{{ .Suffix }}>{{ else }}{{ .Prompt }}{{ end }}{{ .Response }}"
    assert render(template, user("x"), prompt="a", suffix="b") == "<a|b>"
    assert render(template, user("x"), prompt="a") == "x"


def test_thinking_variables() -> None:
    template = "{{ .Messages }}{{ .Think }} {{ .ThinkLevel }} {{ .IsThinkSet }}"
    assert render(template, think=True, think_level="high", is_think_set=True) == "[]true high true"


def test_tools_print_as_json() -> None:
    assert render("{{ .Messages }}{{ .Tools }}", tools=[TOOL]) == f"[][{TOOL_JSON}]"
    assert render("{{ .Messages }}{{ range .Tools }}{{ . }}{{ json .Function.Name }}{{ end }}", tools=[TOOL]) == (
        f'[]{TOOL_JSON}"f"'
    )
    assert render("{{ .Messages }}{{ if .Tools }}x{{ end }}") == "[]"


def test_properties() -> None:
    template = (
        "{{ .Messages }}{{ range .Tools }}{{ range $k, $p := .Function.Parameters.Properties }}"
        "{{ $k }} {{ $p.Type }} {{ index $p.Type 0 }} {{ $p.Description }} {{ $p.Enum }} "
        "{{ toTypeScriptType $p }};{{ end }}{{ end }}"
    )
    expected = "[]a integer integer  [1 2] number;b [string null] string <B> [] string | null;"
    assert render(template, tools=[TOOL]) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "array"}, "any[]"),
        ({"type": "object"}, "Record<string, any>"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "odd"}, "any"),
        ({}, "any"),
        ({"anyOf": [{"type": "string"}, {"type": ["number", "null"]}]}, "string | number | null"),
    ],
)
def test_typescript(schema: dict[str, object], expected: str) -> None:
    tool = {"function": {"parameters": {"properties": {"p": schema}}}}
    template = (
        "{{ .Messages }}{{ range .Tools }}{{ range .Function.Parameters.Properties }}"
        "{{ toTypeScriptType . }}{{ end }}{{ end }}"
    )
    assert render(template, tools=[tool]) == "[]" + expected


def test_calls() -> None:
    call = ToolCall("f", {"z": 1, "a": "<b>", "big": 12345678901234567}, id="c1", index=2)
    template = (
        "{{ range .Messages }}{{ range .ToolCalls }}{{ .ID }} {{ .Function.Index }} {{ .Function.Name }} "
        "{{ .Function.Arguments }} {{ json .Function.Arguments }} "
        "{{ range $k, $v := .Function.Arguments }}{{ $k }}={{ $v }} {{ end }}{{ end }}{{ end }}"
    )
    arguments = '{"a":"\\u003cb\\u003e","big":12345678901234567,"z":1}'
    expected = f"c1 2 f {arguments} {arguments} a=<b> big=1.2345678901234568e+16 z=1 "
    assert render(template, Message("assistant", tool_calls=(call,))) == expected


def test_dates() -> None:
    template = "{{ .Messages }}{{ currentDate }} {{ yesterdayDate `2006` }}"
    today = date.today()
    assert render(template) == f"[]{today} {today - timedelta(days=1)}"


def test_image_tags() -> None:
    messages = (
        Message("user", "a", images=(b"1", b"2")),
        assistant("b"),
        Message("user", "see [img] and", images=(b"3", b"4")),
    )
    assert [message.content for message in with_image_tags(messages)] == [
        "[img-0][img-1]a",
        "b",
        "[img-3]see [img-2] and",
    ]
    assert render("{{ range .Messages }}{{ .Content }}{{ end }}", messages[0]) == "[img-0][img-1]a"


@pytest.mark.parametrize(
    ("template", "tag"),
    [
        (
            "{{ range .Messages }}{{ if .ToolCalls }}\n<tool_call>\n{{ range .ToolCalls }}x{{ end }}{{ end }}{{ end }}",
            "<tool_call>",
        ),
        (
            '{{ range .Messages }}{{ if .ToolCalls }}[TOOL_CALLS] [{{ range .ToolCalls }}{"{{ end }}{{ end }}{{ end }}',
            "[TOOL_CALLS] [",
        ),
        ('{{ range .Messages }}{{ if .ToolCalls }}{{ range .ToolCalls }}{"name"{{ end }}{{ end }}{{ end }}', "{"),
        ("{{ range .Messages }}{{ if .ToolCalls }}{{ .Content }}<x>{{ end }}{{ end }}", "{"),
        ("{{ range .Messages }}{{ .Content }}{{ end }}", "{"),
    ],
)
def test_tool_call_tag(template: str, tag: str) -> None:
    assert GoTemplate.parse(template).tool_call_tag == tag


@pytest.mark.parametrize(
    ("template", "tags"),
    [
        (
            "{{ range .Messages }}{{ if .Thinking }} <think> {{ .Thinking }} </think> {{ end }}{{ end }}",
            ("<think>", "</think>"),
        ),
        ("{{ range $i, $m := .Messages }}<a>{{ .Thinking }}</a>{{ end }}", ("<a>", "</a>")),
        ("{{ range .Messages }}{{ if .Thinking }}{{ .Thinking }}</think>{{ end }}{{ end }}", None),
        ("{{ range .Tools }}<a>{{ .Thinking }}</a>{{ end }}{{ .Messages }}", None),
        ("{{ range $m := .Messages }}<a>{{ $m.Thinking }}</a>{{ end }}", None),
    ],
)
def test_thinking_tags(template: str, tags: tuple[str, str] | None) -> None:
    found = GoTemplate.parse(template).thinking_tags
    assert (found and (found.opening, found.closing)) == tags


def test_capabilities() -> None:
    assert GoTemplate.parse("{{ .Prompt }}").capabilities == frozenset()
    assert GoTemplate.parse("{{ .Tools }}{{ .Suffix }}").capabilities == {"tools", "insert"}


messages = st.lists(
    st.builds(
        Message, st.sampled_from(["system", "user", "assistant", "tool", ""]), st.text(st.characters(codec="utf-8"))
    )
)


@settings(max_examples=40)
@given(messages)
def test_every_text_survives(conversation: list[Message]) -> None:
    rendered = render("{{ range .Messages }}{{ .Content }}{{ end }}", *conversation)
    assert rendered == "".join(message.content for message in collate(conversation))


scalars = st.none() | st.text(max_size=9) | st.integers() | st.floats()
schemas = st.recursive(scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=9), x, max_size=3))


@settings(max_examples=40)
@given(schemas)
def test_any_tool_renders_or_is_refused(schema: object) -> None:
    tool = {"function": {"name": schema, "parameters": {"properties": {"p": schema}, "items": schema}}, "type": schema}
    try:
        assert render("{{ .Messages }}{{ .Tools }}", tools=[tool]).encode()
    except TemplateError:
        assert "inf" in repr(schema) or "nan" in repr(schema)
