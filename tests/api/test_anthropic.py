"""Anthropic's messages, as a client sees them."""

import json
from typing import Any

import pytest

from hollama.api.anthropic import error, fault
from hollama.api.anthropic.answer import MessageStream, message_answer
from hollama.api.anthropic.request import count_request, messages_request
from hollama.api.syntax import BodyInvalid
from hollama.types import ChatRequest, Delta, Finished, Message, Statistics, ToolCall

END = Finished("stop", Statistics(prompt_tokens=3, generated_tokens=2))
CALL = ToolCall("f", {"a": 1}, "call_abcd1234")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def body(**fields: Any) -> bytes:
    given = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], **fields}
    return json.dumps(given).encode()


def read(**fields: Any) -> ChatRequest:
    return messages_request(body(**fields))[0]


def said(*blocks: Any, role: str = "user") -> tuple[Message, ...]:
    return read(messages=[{"role": role, "content": list(blocks)}]).messages


def told(*events: Any) -> list[dict[str, Any]]:
    writer = MessageStream("ab" * 12, read())
    stream = writer.open() + b"".join(map(writer.write, events))
    found = []
    for block in stream.strip().split(b"\n\n"):
        name, data = block.decode().split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_options_are_the_models_unless_they_are_given() -> None:
    assert read().terms.options == {"num_predict": 5}
    options = read(temperature=0, top_p=0.5, top_k=3, stop_sequences=["x"], stream=True).terms.options
    assert options == {"num_predict": 5, "temperature": 0, "top_p": 0.5, "top_k": 3, "stop": ["x"]}


@pytest.mark.parametrize(
    "system", ["ab", [{"type": "text", "text": "a", "cache_control": {}}, {"type": "text", "text": "b"}]]
)
def test_a_system_is_a_message(system: object) -> None:
    assert read(system=system).messages == (Message("system", "ab"), Message("user", "hi"))


def test_a_system_of_another_type_counts_for_nothing() -> None:
    assert read(system=5).messages == (Message("user", "hi"),)


@pytest.mark.parametrize(
    ("fields", "think"),
    [
        ({}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, True),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, False),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, "high"),
        ({"output_config": {"effort": "zz"}}, None),
    ],
)
def test_thinking_is_think(fields: dict[str, Any], think: object) -> None:
    assert read(**fields).terms.think == think


def test_blocks_become_turns() -> None:
    thought, text = {"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "a"}
    use = {"type": "tool_use", "id": "c1", "name": "f", "input": {"b": 1, "a": 2}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [text, text], "is_error": True}
    history = [
        {"role": "assistant", "content": [thought, text, use]},
        {"role": "user", "content": [text, image, result]},
    ]
    assert read(messages=history).messages == (
        Message("assistant", "a", "hm", tool_calls=(ToolCall("f", {"b": 1, "a": 2}, "c1"),)),
        Message("tool", "aa", tool_name="f", tool_call_id="c1"),
        Message("user", "a", images=(b"hi",)),
    )


def test_a_system_may_speak_in_between() -> None:
    assert said({"type": "text", "text": "a"}, role="System") == (Message("system", "a"),)


def test_blocks_of_unknown_types_are_passed_over() -> None:
    assert said({"type": "zzz"}, 5, {"type": "text", "text": "a"}) == (Message("user", "a"),)
    assert said({"type": "zzz"}) == ()


def test_tools_are_functions() -> None:
    tools = [
        {"name": "f", "description": "d", "input_schema": {**SCHEMA, "$schema": "x"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ]
    assert read(tools=tools).tools == (
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}},
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": ""}, "model is required"),
        ({"max_tokens": 0}, "max_tokens is required and must be positive"),
        ({"max_tokens": None}, "max_tokens is required and must be positive"),
        ({"messages": []}, "messages is required"),
        ({"messages": [{"content": 5}]}, "invalid message content type: float64"),
        ({"messages": [{"content": [{"type": "tool_use", "name": "f"}]}]},
         "tool_use block missing required 'id' field"),
        ({"messages": [{"content": [{"type": "tool_use", "id": "c"}]}]},
         "tool_use block missing required 'name' field"),
        ({"messages": [{"content": [{"type": "image"}]}]}, "invalid image source"),
        ({"messages": [{"content": [{"type": "image", "source": {"type": "url"}}]}]},
         "invalid image source type: url. Only base64 images are supported."),
        ({"tools": [{"name": "x", "input_schema": {"properties": 5}}]}, "invalid input_schema for tool \"x\": Value "
         "looks like object, but can't find closing '}' symbol"),
    ],
)  # fmt: skip
def test_refusals_have_ollamas_words(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        read(**fields)
    assert str(caught.value) == text


def test_counting_wants_no_bound_and_cuts_nothing() -> None:
    terms = count_request(body(max_tokens=None)).terms
    assert (terms.render_only, terms.truncate) == (True, False)


def test_a_whole_answer() -> None:
    whole = message_answer("ab" * 12, "m", Delta("yes", "hm", (CALL,)), END)
    assert whole == {
        "id": "msg_" + "ab" * 12, "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "yes"},
            {"type": "tool_use", "id": "call_abcd1234", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "shown"), [("stop", "end_turn"), ("length", "max_tokens"), ("load", "stop_sequence")]
)
def test_reasons(reason: str, shown: str) -> None:
    whole = message_answer("", "m", Delta(), Finished(reason))
    assert (whole["content"], whole["stop_reason"]) == (None, shown)


def test_blocks_are_told_one_after_the_other() -> None:
    events = told(Delta(thinking="h"), Delta(thinking="m"), Delta("yes"), Delta(tool_calls=(CALL,)), END)
    assert [(event["type"].removeprefix("content_block_"), event.get("index")) for event in events] == [
        ("message_start", None), ("start", 0), ("delta", 0), ("delta", 0), ("stop", 0), ("start", 1), ("delta", 1),
        ("stop", 1), ("start", 2), ("delta", 2), ("stop", 2), ("message_delta", None), ("message_stop", None),
    ]  # fmt: skip
    assert events[0]["message"]["content"] == []
    assert events[5]["content_block"] == {"type": "text", "text": ""}
    assert events[8]["content_block"] == {"type": "tool_use", "id": "call_abcd1234", "name": "f", "input": {}}
    assert events[9]["delta"] == {"type": "input_json_delta", "partial_json": '{"a":1}'}
    assert events[-2] == {
        "type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 3, "output_tokens": 2}
    }  # fmt: skip


def test_a_call_is_told_once() -> None:
    events = told(Delta(tool_calls=(CALL, CALL)), END)
    assert sum(event["type"] == "content_block_start" for event in events) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (404, "not_found_error"), (503, "overloaded_error"), (500, "api_error")],
)
def test_errors_have_a_shape_of_their_own(status: int, kind: str) -> None:
    shape = {"type": "error", "error": {"type": kind, "message": "x"}}
    assert error("x", status, "ff") == {**shape, "request_id": "req_ff"}
    assert fault("x", status) == b"event: error\ndata: " + json.dumps(shape, separators=(",", ":")).encode() + b"\n\n"
