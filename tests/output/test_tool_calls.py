"""Calls of tools in the shapes that models write, however the text is cut."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.output import ToolCallParser

TOKYO = {"location": "Tokyo"}
CALL = json.dumps({"name": "get_conditions", "arguments": TOKYO})


def parse(tag, *texts, names=("get_temperature", "get_conditions", "say_hello", "say_hello_world")):
    parser = ToolCallParser(tag, [{"type": "function", "function": {"name": name}} for name in names])
    deltas = [delta for text in texts for delta in parser.push(text)] + parser.flush()
    calls = [call for delta in deltas for call in delta.tool_calls]
    assert [call.index for call in calls] == list(range(len(calls)))
    return "".join(delta.content for delta in deltas), [(call.name, dict(call.arguments)) for call in calls]


CONDITIONS = [("get_conditions", TOKYO)]
CASES = [
    ("<tool_call>", f"<tool_call>{CALL}</tool_call>", "", CONDITIONS),
    ("<tool_call>", f"Let me check. <tool_call>{CALL}</tool_call> bye", "Let me check. ", CONDITIONS),
    ("<tool_call>", f"<tool_call>{CALL}</tool_call><tool_call>{CALL}</tool_call>", "", CONDITIONS * 2),
    ("<tool_call>", "no call <tool", "no call <tool", []),
    ("<tool_call>", "<tool_call>nonsense", "", []),
    ("{", CALL.replace("arguments", "parameters"), "", CONDITIONS),
    ("{", f"\n {CALL}", "\n ", CONDITIONS),
    ("{", '{"hello": "world"}', '{"hello": "world"}', []),
    ("{", '{"hello": "world"} and more', '{"hello": "world"} and more', []),
    ("{", '{"hello": ', '{"hello": ', []),
    ("{", f"hi {CALL}", f"hi {CALL}", []),
    ("{", f"{CALL} thank you", "", CONDITIONS),
    ("{", '{"get_temperature": {"city": "x"}}', "", [("get_temperature", {"city": "x"})]),
    ("{", '{"name": "get_conditions", "arguments": "{\\"a\\": 1}"}', "", [("get_conditions", {"a": 1})]),
    ("{", '{"name": "say_hello", "arguments": {"to": "}{\\""}}', "", [("say_hello", {"to": '}{"'})]),
    ("{", '{"name": "say_hello"}', "", [("say_hello", {})]),
    ("{", '{"function": ' + CALL + "}", "", CONDITIONS),
    ("[", f"[{CALL}, {CALL}]", "", CONDITIONS * 2),
    ("[", "[1, 2]", "[1, 2]", []),
    ("[TOOL_CALLS]", '[TOOL_CALLS]say_hello_world{"a": 1}', "", [("say_hello_world", {"a": 1})]),
    ("[TOOL_CALLS]", '[TOOL_CALLS]say_hello{"name": "Bob"}', "", [("say_hello", {"name": "Bob"})]),
    ("<t>", "<t>{broken} " + CALL, "", CONDITIONS),
    ("", CALL, "", CONDITIONS),
]


@pytest.mark.parametrize(("tag", "text", "content", "calls"), CASES)
def test_calls(tag, text, content, calls):
    assert parse(tag, text) == (content, calls)
    assert parse(tag, *text) == (content, calls)


def test_name_that_may_grow_waits():
    parser = ToolCallParser("<t>", [{"function": {"name": name}} for name in ("say_hello", "say_hello_world")])
    assert parser.push('<t>{"a": 1} say_hello') == []
    (delta,) = parser.push(" ")
    assert delta.tool_calls[0].name == "say_hello"


def test_call_is_told_as_soon_as_it_is_complete():
    parser = ToolCallParser("<t>", [{"function": {"name": "f"}}])
    assert parser.push('<t>{"name": "f", "arguments": {}') == []
    assert parser.push("}")[0].tool_calls


def test_numbers_and_order_of_arguments_are_kept():
    parser = ToolCallParser("{", [{"function": {"name": "f"}}])
    (delta,) = parser.push('{"name": "f", "arguments": {"z": 1, "a": 2.5, "m": [null, true]}}')
    assert json.dumps(delta.tool_calls[0].arguments) == '{"z": 1, "a": 2.5, "m": [null, true]}'


words = st.lists(
    st.sampled_from(["{", "}", "[", "]", '"', "\\", ":", "name", "f", "ff", "arguments", " ", "<t>", CALL, "{f: {}}"]),
    max_size=14,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["{", "[", "<t>"]), words)
def test_nothing_escapes_and_no_text_is_shown_twice(tag, texts):
    content, calls = parse(tag, *texts, names=("f", "ff"))
    whole = "".join(texts)
    assert whole.startswith(content) or calls
    assert len(content) <= len(whole)


def test_long_arguments_are_quick():
    """A file written through a tool, one token at a time, with all that could make a scanner go back."""
    parser = ToolCallParser("<t>", [{"function": {"name": "write"}}])
    parser.push('<t>{"name": "write", "arguments": {"text": "')
    started = time.thread_time()
    for _ in range(2000):
        parser.push("some { text \\\\ } \\")
        parser.push("n")
    (delta,) = parser.push('"}}')
    assert len(delta.tool_calls[0].arguments["text"]) > 20000
    assert time.thread_time() - started < 5


def test_many_broken_objects_are_quick():
    parser = ToolCallParser("<t>", [{"function": {"name": "f"}}])
    parser.push("<t>f ")
    started = time.thread_time()
    for _ in range(300):
        parser.push("{x}")
    assert time.thread_time() - started < 5


@pytest.mark.parametrize("depth", [100, 900, 990, 5000, 100_000])
def test_deep_nesting_does_not_crash(depth):
    content, calls = parse("<t>", "<t>f" + '{"a":' * depth + "1" + "}" * depth, names=("f",))
    assert not content and len(calls) <= 1
