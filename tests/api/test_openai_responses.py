"""OpenAI's responses, as a client sees them."""

import json
from typing import Any

import pytest

from hollama.api.answer import Answer
from hollama.api.openai.envelope import Head
from hollama.api.openai.response_object import ResponseStream, response_answer
from hollama.api.openai.responses import AskedResponse, responses_request
from hollama.api.syntax import BodyInvalid
from hollama.types import Delta, Finished, Message, Statistics, ToolCall

HEAD = Head(12, 1_700_000_000, "m")
END = Finished("stop", Statistics(prompt_tokens=3, generated_tokens=2))
CALL = ToolCall("f", {"a": 1}, "call_abcd1234")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


def read(**fields: Any) -> AskedResponse:
    return responses_request(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def said(*items: Any) -> tuple[Message, ...]:
    return read(input=list(items)).request.messages


def told(*events: Any, **fields: Any) -> list[dict[str, Any]]:
    """The events of a stream, their names checked, their numbers in order."""
    writer = ResponseStream(HEAD, read(**fields))
    stream = writer.open() + b"".join(writer.write(event, 1_700_000_001) for event in events)
    found = []
    for number, block in enumerate(stream.strip().split(b"\n\n")):
        name, data = block.decode().split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
        assert found[-1].pop("sequence_number") == number
    return found


def test_a_text_is_a_question() -> None:
    asked = read(instructions="Be kind.", max_output_tokens=4, reasoning={"effort": "none"})
    assert asked.request.messages == (Message("system", "Be kind."), Message("user", "hi"))
    assert asked.request.terms.options == {"temperature": 1.0, "num_predict": 4}
    assert (asked.request.terms.think, asked.stream) == (False, False)


@pytest.mark.parametrize("nothing", ["", None, []])
def test_no_input_asks_nothing(nothing: object) -> None:
    assert read(input=nothing).request.messages == ()


def test_items_become_turns() -> None:
    assert said(
        {"role": "developer", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        {"type": "reasoning", "encrypted_content": "hm", "summary": [], "content": None},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"role": "assistant", "content": [{"type": "output_text", "text": "wait"}]},
        {"type": "function_call_output", "call_id": "c1", "output": "3"},
        {"type": "web_search_call"},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}]},
    ) == (
        Message("developer", "ab"),
        Message("assistant", "wait", "hm", tool_calls=(ToolCall("f", {"a": 1}, "c1"),)),
        Message("tool", "3", tool_name="f", tool_call_id="c1"),
        Message("user", images=(b"hi",)),
    )


def test_tools_of_a_namespace_carry_its_name() -> None:
    function = {"type": "function", "name": "g", "parameters": {**PARAMETERS, "additionalProperties": False}}
    space = {"type": "namespace", "name": "ns", "tools": [function, {**function, "name": "ns.h"}]}
    tools = read(tools=[space, {"type": "web_search"}]).request.tools
    assert [tool["function"]["name"] for tool in tools] == ["ns.g", "ns.h"]
    assert tools[0]["function"]["parameters"] == PARAMETERS


def test_a_schema_is_a_format() -> None:
    assert read(text={"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}}).request.terms.format == {
        "a": 1
    }
    assert read(text={"format": {"type": "json_object"}}).request.terms.format is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (5, "input must be a string or array: "),
        ([{}], "input[0]: input item missing required 'type' field"),
        ([{"role": "user"}, {"type": "x"}], 'input[1]: unknown input item type: "x"'),
        ([{"role": "user", "content": [{"type": "x"}]}], "input[0]: content[0]: unknown content type: x"),
        ([{"role": "user", "content": 5}], "input[0]: content must be a string or array: "),
        ([{"role": "user", "content": [{"type": "input_file"}]}], "input[0]: file inputs are not currently supported"),
        ([{"type": "function_call_output", "output": 5}], "input[0]: output must be a string or array: "),
        ([{"type": "function_call", "arguments": "{"}], "input[0]: failed to parse function call arguments: "),
    ],
)
def test_refusals_have_ollamas_words(given: object, text: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        read(input=given)
    assert str(caught.value).startswith(text)


def test_a_whole_answer_has_all_keys() -> None:
    whole = response_answer(HEAD, read(), Answer(Delta("yes", "hm"), END), 1_700_000_001)
    assert (whole["id"], whole["status"], whole["completed_at"]) == ("resp_12", "completed", 1_700_000_001)
    assert (whole["tools"], whole["text"], whole["reasoning"]) == ([], {"format": {"type": "text"}}, None)
    assert whole["usage"]["total_tokens"] == 5
    assert len(whole) == 31
    reasoning, message = whole["output"]
    assert (reasoning["id"], reasoning["encrypted_content"]) == ("rs_resp_12", "hm")
    assert message["content"] == [{"type": "output_text", "text": "yes", "annotations": [], "logprobs": []}]


def test_an_answer_that_was_cut_says_so() -> None:
    whole = response_answer(HEAD, read(), Answer(Delta("y"), Finished("length")), 0)
    assert (whole["status"], whole["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


def test_what_was_asked_is_repeated() -> None:
    tool = {"type": "function", "name": "f", "parameters": PARAMETERS}
    whole = response_answer(HEAD, read(tools=[tool], temperature=0.5), Answer(Delta(tool_calls=(CALL,)), END), 0)
    assert whole["tools"] == [{**tool, "description": None, "strict": None}]
    assert whole["temperature"] == 0.5
    (call,) = whole["output"]
    assert (call["id"], call["call_id"], call["arguments"]) == ("fc_resp_12_0", "call_abcd1234", '{"a":1}')


def test_the_events_of_a_text() -> None:
    events = told(Delta("ye"), Delta("s"), END)
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert events[0]["response"]["output"] == []
    assert events[6] == {
        "type": "response.output_text.done", "item_id": "msg_12", "output_index": 0, "content_index": 0,
        "text": "yes", "logprobs": [],
    }  # fmt: skip
    assert events[-1]["response"]["output"] == [events[-2]["item"]]
    assert list(events[2]) == sorted(events[2])


def test_items_are_closed_before_the_next_is_opened() -> None:
    events = told(Delta(thinking="hm"), Delta("yes"), Delta(tool_calls=(CALL, CALL)), Delta("dropped"), END)
    marks = [
        (event["type"].rpartition(".")[2], event["item"]["type"], event["output_index"])
        for event in events
        if "output_item" in event["type"]
    ]
    kinds = ["reasoning", "message", "function_call", "function_call"]
    assert marks == [(what, kind, index) for index, kind in enumerate(kinds) for what in ("added", "done")]
    assert [item["type"] for item in events[-1]["response"]["output"]] == kinds
    assert len({item["id"] for item in events[-1]["response"]["output"]}) == 4


def test_a_failure_within_a_stream_is_told() -> None:
    writer = ResponseStream(HEAD, read())
    writer.open()
    event = json.loads(writer.fault("gone", 500).split(b"data: ")[1])
    assert (event["type"], event["response"]["status"]) == ("response.failed", "failed")
    assert event["response"]["error"] == {"code": "server_error", "message": "gone"}
