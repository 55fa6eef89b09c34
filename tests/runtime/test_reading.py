"""Which format an answer is read in: from the template's text, or from the model's PARSER."""

from types import SimpleNamespace

import pytest

from hollama.hookspecs import hookimpl
from hollama.interfaces import CallFormatSpec, CallRegion
from hollama.plugins import load_plugins
from hollama.runtime.reading import Asked, reading_of
from hollama.template import GoTemplate, JinjaTemplate

TOOLS = ({"type": "function", "function": {"name": "say", "parameters": {}}},)
FORMATS = {name: found.spec for name, found in load_plugins().call_formats.items()}
CALL = '{"name": "say", "arguments": {"a": 1}}'
TAGGED = f"<tool_call>{CALL}</tool_call>"
XML = "<tool_call><function=say><parameter=a>1</parameter></function></tool_call>"
GO = "{{ range .Messages }}{{ if .ToolCalls }}%s{{ end }}{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}{{ end }}"


def read(template, text, parser="", formats=FORMATS, **asked):
    reading = reading_of(template, parser, Asked(**{"prompt": "", "tools": TOOLS, **asked}), formats)
    deltas = [delta for character in text for delta in reading.push(character)] + reading.flush()
    calls = [call for delta in deltas for call in delta.tool_calls]
    assert [call.index for call in calls] == list(range(len(calls)))
    assert len({call.id for call in calls if call.id.startswith("call_") and len(call.id) == 13}) == len(calls)
    parts = "".join(delta.thinking for delta in deltas), "".join(delta.content for delta in deltas)
    return *parts, [(call.name, dict(call.arguments)) for call in calls]


SAID = [("say", {"a": 1})]
TEXTS = [
    (JinjaTemplate("<tool_call>"), TAGGED, SAID),
    (JinjaTemplate("<tool_call>"), CALL, SAID),
    (JinjaTemplate("<tool_call><function=x><parameter=y>"), XML, [("say", {"a": "1"})]),
    (JinjaTemplate("[TOOL_CALLS]"), f"[TOOL_CALLS][{CALL}, {CALL}]", SAID * 2),
    (JinjaTemplate("<|start_header_id|>ipython"), CALL, SAID),
    (JinjaTemplate("<|start_header_id|>ipython"), f"<|python_tag|>{CALL}", SAID),
    (JinjaTemplate("tools"), CALL, SAID),
    (GoTemplate.parse(GO % "<tool_call>"), TAGGED, SAID),
    (GoTemplate.parse(GO % "[TOOL_CALLS] ["), f"[TOOL_CALLS] [{CALL}]", SAID),
    (GoTemplate.parse(GO % "<tool_call><function=x><parameter=y>"), XML, [("say", {"a": "1"})]),
    (GoTemplate.parse(GO % ""), CALL, SAID),
]


@pytest.mark.parametrize(("template", "text", "calls"), TEXTS)
def test_a_template_says_how_calls_look(template, text, calls):
    assert read(template, text) == ("", "", calls)


def test_without_tools_nothing_is_a_call():
    assert read(JinjaTemplate("<tool_call>"), TAGGED, tools=()) == ("", TAGGED, [])


def test_a_parser_goes_before_the_template():
    assert read(JinjaTemplate("[TOOL_CALLS]"), TAGGED, "qwen3") == ("", "", SAID)
    assert read(JinjaTemplate("<tool_call>"), TAGGED, "passthrough") == ("", TAGGED, [])
    assert read(JinjaTemplate("<tool_call>"), TAGGED, "nobody-knows") == ("", "", SAID)
    assert read(JinjaTemplate("x"), f"[TOOL_CALLS][{CALL}]", "mistral") == ("", "", SAID)


@pytest.mark.parametrize(
    ("parser", "text", "asked", "expected"),
    [
        ("qwen3-thinking", f"hm</think>\n\n{TAGGED}", {"thinks": True}, ("hm", "", SAID)),
        ("qwen3-thinking", f"<think>hm {TAGGED}", {"thinks": True}, ("hm ", "", SAID)),
        ("qwen3-thinking", "b", {"thinks": True, "prefilled": True}, ("", "b", [])),
        ("qwen3-thinking", "hm</think>b", {"thinks": False}, ("", "hm</think>b", [])),
        ("qwen3-thinking", "b", {"thinks": True, "prompt": "<think>\n\n</think>\n\n"}, ("", "b", [])),
        ("qwen3-vl-thinking", "hm</think>b", {"thinks": False}, ("hm", "b", [])),
        ("qwen3-coder", f"a\n{XML}", {}, ("", "a", [("say", {"a": "1"})])),
        ("cohere", "<|START_THINKING|>hm<|END_THINKING|>b", {"thinks": True}, ("hm", "b", [])),
        ("cogito", "<think>hm</think>b", {"thinks": True}, ("", "<think>hm</think>b", [])),
        ("cogito", "<think>hm</think>b", {"thinks": True, "tools": ()}, ("hm", "b", [])),
        ("ministral", '[THINK]hm[/THINK][TOOL_CALLS]say[ARGS]{"a": 1}', {"thinks": True}, ("hm", "", SAID)),
    ],
)
def test_named_parsers(parser, text, asked, expected):
    assert read(JinjaTemplate("x"), text, parser, **asked) == expected


def test_thoughts_come_first_then_content_then_calls():
    template = JinjaTemplate("<think></think><tool_call>")
    text = f"<think>\nI should.\n</think>\n\nWait.\n{TAGGED}\n{TAGGED}"
    assert read(template, text, thinks=True) == ("I should.\n", "Wait.", SAID * 2)
    assert read(template, "x</think>y", thinks=True, prompt="<think>\n") == ("x", "y", [])
    assert read(GoTemplate.parse(GO % "<tool_call>"), f"<t>a</t>b{TAGGED}", thinks=True) == ("a", "b", SAID)


def test_marks_are_what_must_be_seen():
    reading = reading_of(JinjaTemplate("[TOOL_CALLS][THINK][/THINK]"), "", Asked("", TOOLS, True), FORMATS)
    assert set(reading.marks) == {"[THINK]", "[/THINK]", "[TOOL_CALLS]"}
    reading = reading_of(GoTemplate.parse(GO % "[TOOL_CALLS] ["), "", Asked("", TOOLS), FORMATS)
    assert reading.marks == ("[TOOL_CALLS]",)


def test_every_built_in_parser_has_its_format():
    from hollama.output import PARSERS

    assert {rule.calls for rule in PARSERS.values()} - {""} <= set(FORMATS)


def test_a_third_party_brings_a_format():
    def shouted(text, tools):
        return [(text.strip().lower(), {})] if text.isupper() else ()

    spec = CallFormatSpec("shout", 50, lambda template: "CALL!" in template, (CallRegion("CALL!", "!", shouted),))
    plugin = SimpleNamespace(hollama_call_formats=hookimpl(lambda: [spec]))
    formats = {name: found.spec for name, found in load_plugins([("shouting", plugin)]).call_formats.items()}
    assert read(JinjaTemplate("CALL! <tool_call>"), "well CALL!SAY!", formats=formats) == ("", "well", [("say", {})])
    assert read(JinjaTemplate("x"), "CALL!SAY! CALL!say!", "shout", formats) == ("", "CALL!say!", [("say", {})])
