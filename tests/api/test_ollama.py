"""Bodies to requests and events to chunks, as a client would see them."""

import json
import math

import pytest

from hollama.api.answer import gather
from hollama.api.encode import encode
from hollama.api.names import CloudRefused, local_name
from hollama.api.ollama import chat_chunk, chat_request, generate_chunk, generate_request
from hollama.api.syntax import BodyInvalid
from hollama.errors import RequestError
from hollama.types import Delta, Finished, Message, Rendered, Statistics, TokenLogprob, ToolCall

NOW = 1_700_000_000_000_000_001
TIME = '"created_at":"2023-11-14T22:13:20.000000001Z"'


def test_streaming_is_the_default_and_can_be_switched_off() -> None:
    assert chat_request(b'{"model":"m"}')[1] is True
    assert generate_request(b'{"model":"m","stream":false}')[1] is False


def test_a_chat_becomes_messages() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "USER", "content": "hi", "images": []},
            {
                "role": "assistant",
                "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}}],
            },
            {"role": "tool", "content": "3", "tool_name": "f", "tool_call_id": "c1"},
        ],
    }
    request, _ = chat_request(json.dumps(body).encode())
    assert request.messages == (
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("f", {"b": 1, "a": 2}, "c1"),)),
        Message("tool", "3", tool_name="f", tool_call_id="c1"),
    )


@pytest.mark.parametrize(
    ("value", "seconds"), [(0, 0.0), (1.5, 1.5), ("5m", 300.0), (-1, math.inf), ("-1m", math.inf), ("0", 0)]
)
def test_keep_alive_is_seconds(value: object, seconds: float) -> None:
    assert generate_request(json.dumps({"keep_alive": value}).encode())[0].terms.keep_alive == seconds


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_format_asks_for_nothing(value: object) -> None:
    assert generate_request(json.dumps({"format": value}).encode())[0].terms.format is None


@pytest.mark.parametrize(("value", "shown"), [("xml", r'"\"xml\""'), (5, '"5"'), ([], '"[]"'), (True, '"true"')])
def test_another_format_is_refused(value: object, shown: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        generate_request(json.dumps({"format": value}).encode())
    assert str(caught.value) == f'invalid format: {shown}; expected "json" or a valid JSON Schema object'


@pytest.mark.parametrize("count", [-1, 21])
def test_top_logprobs_have_bounds(count: int) -> None:
    with pytest.raises(BodyInvalid, match=r"^top_logprobs must be between 0 and 20$"):
        chat_request(json.dumps({"top_logprobs": count}).encode())


def test_a_piece_of_a_generation() -> None:
    assert (
        encode(generate_chunk("m", NOW, Delta("hi"))).decode() == f'{{"model":"m",{TIME},"response":"hi","done":false}}'
    )


def test_the_end_of_a_generation_in_the_order_of_the_wire() -> None:
    end = Finished("stop", Statistics(9, 8, 7, 6, 5, 4), (1, 2))
    assert encode(generate_chunk("m", NOW, Delta(), end)).decode() == (
        f'{{"model":"m",{TIME},"response":"","done":true,"done_reason":"stop","context":[1,2],"total_duration":9,'
        '"load_duration":8,"prompt_eval_count":7,"prompt_eval_duration":6,"eval_count":5,"eval_duration":4}'
    )


def test_counts_of_guesses_come_last() -> None:
    end = Finished("stop", Statistics(generated_tokens=5, drafted_tokens=3, accepted_tokens=2))
    assert encode(generate_chunk("m", NOW, Delta(), end)).decode() == (
        f'{{"model":"m",{TIME},"response":"","done":true,"done_reason":"stop","eval_count":5,'
        '"hollama_drafted_count":3,"hollama_accepted_count":2}'
    )


def test_a_load_has_no_metrics() -> None:
    assert encode(chat_chunk("m", NOW, Delta(), Finished("load"))).decode() == (
        f'{{"model":"m",{TIME},"message":{{"role":"assistant","content":""}},"done":true,"done_reason":"load"}}'
    )


def test_a_tool_call_in_a_chat() -> None:
    delta = Delta(tool_calls=(ToolCall("f", {"b": 1, "a": 2}, "call_1", 0),))
    assert chat_chunk("m", NOW, delta)["message"]["tool_calls"] == [
        {"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"b": 1, "a": 2}}}
    ]


def test_a_rendered_prompt() -> None:
    assert generate_chunk("m", NOW, Delta(), Rendered("p", 1)) == {
        "model": "m", "created_at": "2023-11-14T22:13:20.000000001Z", "response": "", "done": False,
        "_debug_info": {"rendered_template": "p", "image_count": 1},
    }  # fmt: skip
    assert chat_chunk("m", NOW, Delta(), Rendered("p"))["message"] == {"role": "", "content": ""}


def test_logprobs_leave_out_missing_alternatives() -> None:
    entry = TokenLogprob("a", 0.0, (97,))
    chunk = generate_chunk("m", NOW, Delta("a", logprobs=(entry, TokenLogprob("b", -1.0, (98,), (entry,)))))
    assert chunk["logprobs"] == [
        {"token": "a", "logprob": 0.0, "bytes": [97]},
        {"token": "b", "logprob": -1.0, "bytes": [98], "top_logprobs": [{"token": "a", "logprob": 0.0, "bytes": [97]}]},
    ]


def test_pieces_are_gathered() -> None:
    assert gather([Delta("a", "x"), Delta("b", "y")]) == Delta("ab", "xy")


def test_source_suffixes() -> None:
    assert local_name(" m:1b:LOCAL ") == "m:1b"
    assert local_name("m:1b") == "m:1b"
    for name in ("m:cloud", "gpt:120b-cloud"):
        with pytest.raises(CloudRefused, match=r"^ollama cloud is disabled: remote model is unavailable$"):
            local_name(name)
    with pytest.raises(RequestError, match=r'^use either :local or :cloud, not both: "x:cloud:local"$'):
        local_name("x:cloud:local")
