"""OpenAI's chat completions: bodies to requests, events to chunks, as a client sees them."""

import json
from typing import Any

import pytest

from hollama.api.answer import Answer
from hollama.api.encode import encode
from hollama.api.openai import error
from hollama.api.openai.chat import ChatStream, chat_answer, chat_request
from hollama.api.openai.envelope import Head
from hollama.api.openai.terms import Asked
from hollama.api.syntax import BodyInvalid
from hollama.types import ChatRequest, Delta, Finished, Message, Rendered, Statistics, TokenLogprob, ToolCall

HEAD = Head(12, 1_700_000_000, "m")
HELLO = [{"role": "user", "content": "Hello"}]
END = Finished("stop", Statistics(prompt_tokens=3, generated_tokens=2))
CALL = ToolCall("f", {"a": "<1>"}, "call_abcd1234", 0)
PIXEL = "data:image/png;base64,aGk="


def read(**fields: Any) -> Asked[ChatRequest]:
    return chat_request(json.dumps({"model": "m", "messages": HELLO, **fields}).encode())


def said(*contents: Any, **more: Any) -> tuple[Message, ...]:
    return read(messages=[{"role": "user", "content": content, **more} for content in contents]).request.messages


def events(stream: bytes) -> list[Any]:
    found = [line.removeprefix(b"data: ") for line in stream.split(b"\n\n") if line]
    return [text.decode() if text == b"[DONE]" else json.loads(text) for text in found]


def streamed(*told: Any, **fields: Any) -> list[Any]:
    writer = ChatStream(HEAD, read(**fields))
    return events(b"".join(writer.write(0, event) for event in told) + writer.close())


def test_options_have_the_defaults_of_this_dialect() -> None:
    asked = read()
    assert asked.request.terms.options == {"temperature": 1.0, "top_p": 1.0}
    assert (asked.stream, asked.include_usage, asked.choices) == (False, False, 1)


def test_options_get_ollamas_names() -> None:
    options = read(temperature=0, top_p=0.5, seed=7, stop="x", max_tokens=4, presence_penalty=1).request.terms.options
    assert options == {
        "temperature": 0, "top_p": 0.5, "seed": 7, "stop": ["x"], "num_predict": 4, "presence_penalty": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"max_completion_tokens": 9}, 9),
        ({"max_completion_tokens": 9, "max_tokens": 4}, 4),
        ({"max_tokens": None}, None),
    ],
)
def test_the_older_name_of_the_bound_wins(fields: dict[str, Any], most: int | None) -> None:
    assert read(**fields).request.terms.options.get("num_predict") == most


@pytest.mark.parametrize(("stop", "kept"), [("a", ["a"]), (["a", 5], ["a"]), (5, None)])
def test_stops_that_are_no_texts_are_dropped(stop: object, kept: object) -> None:
    assert read(stop=stop).request.terms.options.get("stop") == kept


@pytest.mark.parametrize(
    ("format", "wanted"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, "json"),
        ({"type": " JSON_Schema ", "json_schema": {"schema": {"type": "object"}}}, {"type": "object"}),
        ({"type": "json_schema"}, None),
        ({"type": "xml"}, None),
    ],
)
def test_response_format_is_format(format: object, wanted: object) -> None:
    assert read(response_format=format).request.terms.format == wanted


@pytest.mark.parametrize(
    ("effort", "think"),
    [("", None), ("none", False), ("minimal", "low"), ("medium", "medium"), ("xhigh", "max"), ("ultra", "max")],
)
def test_effort_is_think(effort: str, think: object) -> None:
    assert read(reasoning_effort=effort).request.terms.think == think
    assert read(reasoning={"effort": effort}, reasoning_effort="high").request.terms.think == think


def test_each_choice_after_the_first_has_a_seed_of_its_own() -> None:
    assert [one.terms.options["seed"] for one in read(n=3, seed=7).requests(100)] == [7, 8, 9]
    first, *others = read(n=3).requests(100)
    assert "seed" not in first.terms.options
    assert [one.terms.options["seed"] for one in others] == [101, 102]
    assert [one.terms.options["seed"] for one in read(n=2, seed=2**63 - 1).requests(100)] == [2**63 - 1, 0]
    assert [one.terms.options["seed"] for one in read(n=2, seed=-1).requests(100)] == [-1, 101]


def test_each_part_is_a_message() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    assert said(parts) == (Message("user", "a"), Message("user", images=(b"hi",)))
    assert said([{"type": "image_url", "image_url": PIXEL}]) == (Message("user", images=(b"hi",)),)
    assert said([]) == ()


def test_a_history_of_calls_is_understood() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"b":1,"a":2}'}}
    history = [
        {"role": "Assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]
    assert read(messages=history).request.messages == (
        Message("assistant", thinking="hm", tool_calls=(ToolCall("f", {"b": 1, "a": 2}, "c1"),)),
        Message("tool", "3", tool_name="f", tool_call_id="c1"),
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"messages": []}, "[] is too short - 'messages'"),
        ({"messages": [{"role": "user"}]}, "invalid message content type: <nil>"),
        ({"messages": [{"content": 5}]}, "invalid message content type: float64"),
        ({"messages": [{"content": {}}]}, "invalid message content type: map[string]interface {}"),
        ({"messages": [{"content": ["a"]}]}, "invalid message format"),
        ({"messages": [{"content": [{"type": "text", "text": 5}]}]}, "invalid message format"),
        ({"messages": [{"content": [{"type": "image_url", "image_url": "x"}]}]}, "invalid image input"),
        ({"messages": [{"content": [{"type": "input_audio"}]}]}, "invalid input_audio format"),
        ({"messages": [{"tool_calls": [{"function": {"arguments": "[]"}}]}]}, "invalid tool call arguments"),
        ({"messages": "x"}, "json: cannot unmarshal string into Go struct field ChatCompletionRequest.messages of type "
                            "[]openai.Message"),
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"n": 0}, "n must be between 1 and 128"),
        ({"temperature": 1e39}, "temperature is out of range"),
        ({"reasoning_effort": "zz"}, 'invalid reasoning value: "zz" (must be "minimal", "low", "medium", "high", '
                                     '"xhigh", "ultra", "max", or "none")'),
    ],
)  # fmt: skip
def test_refusals_have_ollamas_words(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        read(**fields)
    assert str(caught.value) == text


def test_an_image_elsewhere_is_not_fetched() -> None:
    with pytest.raises(BodyInvalid, match=r"^image URLs are not currently supported"):
        said([{"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}])


@pytest.mark.parametrize(
    ("body", "text"), [(b"", "EOF"), (b"{", "unexpected EOF"), (b"null", "[] is too short - 'messages'")]
)
def test_a_body_that_is_none(body: bytes, text: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        chat_request(body)
    assert str(caught.value) == text


def test_a_whole_answer_in_the_order_of_the_wire() -> None:
    whole = chat_answer(HEAD, read(), [Answer(Delta("hi", "hm"), END)])
    assert encode(whole).decode() == (
        '{"id":"chatcmpl-12","object":"chat.completion","created":1700000000,"model":"m","system_fingerprint":'
        '"fp_ollama","choices":[{"index":0,"message":{"role":"assistant","content":"hi","reasoning":"hm",'
        '"reasoning_content":"hm"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,'
        '"total_tokens":5}}'
    )


def test_a_call_is_why_an_answer_ends_only_where_it_would_have_stopped() -> None:
    (choice,) = chat_answer(HEAD, read(), [Answer(Delta(tool_calls=(CALL,)), END)])["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant", "content": "", "tool_calls": [
            {"id": "call_abcd1234", "index": 0, "type": "function",
             "function": {"name": "f", "arguments": '{"a":"\\u003c1\\u003e"}'}},
        ],
    }  # fmt: skip
    (choice,) = chat_answer(HEAD, read(), [Answer(Delta(tool_calls=(CALL,)), Finished("length"))])["choices"]
    assert choice["finish_reason"] == "length"


def test_a_prompt_counts_once_for_all_choices() -> None:
    whole = chat_answer(HEAD, read(n=2), [Answer(Delta("a"), END), Answer(Delta("b"), END)])
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert [(choice["index"], choice["message"]["content"]) for choice in whole["choices"]] == [(0, "a"), (1, "b")]


def test_a_rendered_prompt_is_shown() -> None:
    whole = chat_answer(HEAD, read(), [Answer(Delta(), Rendered("p"))])
    assert whole["choices"] == [{"index": 0, "message": {"role": "", "content": ""}, "finish_reason": None}]
    assert whole["_debug_info"] == {"rendered_template": "p"}


def test_a_stream() -> None:
    first, second, last, done = streamed(Delta("a"), Delta("b"), END)
    common = {"id": "chatcmpl-12", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
              "system_fingerprint": "fp_ollama"}  # fmt: skip
    begin = {"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}
    assert first == {**common, "choices": [begin]}
    assert second["choices"] == [{"index": 0, "delta": {"content": "b"}, "finish_reason": None}]
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert done == "[DONE]"


def test_usage_comes_by_itself_before_the_end() -> None:
    *_, last, counts, done = streamed(Delta("a"), END, stream_options={"include_usage": True})
    assert "usage" not in last
    assert (counts["choices"], counts["usage"]["total_tokens"], done) == ([], 5, "[DONE]")


def test_a_stream_of_thoughts_and_calls() -> None:
    deltas = [chunk["choices"][0]["delta"] for chunk in streamed(Delta("c", "t", (CALL,)), END)[:-2]]
    assert deltas[0] == {"role": "assistant", "content": "", "reasoning": "t", "reasoning_content": "t"}
    assert deltas[1]["content"] == "c"
    assert deltas[1]["tool_calls"][0]["function"]["name"] == "f"


def test_a_stream_that_says_nothing_still_has_a_role() -> None:
    first, last, _ = streamed(Finished("load"))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert last["choices"][0]["finish_reason"] == "load"


def test_logprobs_stand_beside_their_text() -> None:
    entry = TokenLogprob("a", -1.0, (97,))
    (first, *_) = streamed(Delta("a", logprobs=(entry,)), END)
    assert first["choices"][0]["logprobs"] == {"content": [{"token": "a", "logprob": -1.0, "bytes": [97]}]}


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (404, "not_found_error"), (503, "api_error")]
)
def test_errors_have_an_envelope(status: int, kind: str) -> None:
    assert error("x", status) == {"error": {"message": "x", "type": kind, "param": None, "code": None}}
