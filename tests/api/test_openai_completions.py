"""OpenAI's completions and models, as a client sees them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hollama.api.answer import Answer
from hollama.api.openai.completions import CompletionStream, completion_answer, completion_request
from hollama.api.openai.envelope import Head
from hollama.api.openai.models import model_entry, model_list
from hollama.api.openai.terms import Asked
from hollama.api.syntax import BodyInvalid
from hollama.types import Delta, Finished, GenerateRequest, Statistics, TokenLogprob

HEAD = Head(12, 1_700_000_000, "m")
END = Finished("length", Statistics(prompt_tokens=3, generated_tokens=2))


def read(**fields: Any) -> Asked[GenerateRequest]:
    return completion_request(json.dumps({"model": "m", "prompt": "Once", **fields}).encode())


def streamed(*told: Any, **fields: Any) -> list[Any]:
    writer = CompletionStream(HEAD, read(**fields))
    stream = b"".join(writer.write(0, event) for event in told) + writer.close()
    *lines, done = [line.removeprefix(b"data: ") for line in stream.split(b"\n\n") if line]
    assert done == b"[DONE]"
    return [json.loads(line) for line in lines]


def test_a_completion_is_a_generation() -> None:
    request = read(suffix="end", max_tokens=4, top_p=0, logprobs=2).request
    assert (request.prompt, request.suffix, request.raw) == ("Once", "end", False)
    assert request.terms.options == {
        "temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "num_predict": 4,
    }  # fmt: skip
    assert (request.terms.logprobs, request.terms.top_logprobs) == (True, 2)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"prompt": ["a"]}, "json: cannot unmarshal array into Go struct field CompletionRequest.prompt of type "
                             "string"),
        ({"stop": ["a", 5]}, "invalid type for 'stop' field: float64"),
        ({"logprobs": 30}, "top_logprobs must be between 0 and 20"),
        ({"logprobs": 1, "echo": True}, "log-probabilities of the prompt are not available yet; leave out echo or "
                                        "logprobs"),
    ],
)  # fmt: skip
def test_refusals(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        read(**fields)
    assert str(caught.value) == text


def test_a_whole_answer() -> None:
    assert completion_answer(HEAD, read(), [Answer(Delta("a", "thoughts"), END)]) == {
        "id": "cmpl-12", "object": "text_completion", "created": 1_700_000_000, "model": "m",
        "system_fingerprint": "fp_ollama", "choices": [{"text": "a", "index": 0, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }  # fmt: skip


def test_an_echo_is_a_continuation_of_the_text_itself() -> None:
    asked = read(echo=True)
    assert asked.request.raw
    (choice,) = completion_answer(HEAD, asked, [Answer(Delta(" upon"), END)])["choices"]
    assert choice["text"] == "Once upon"
    assert "".join(chunk["choices"][0]["text"] for chunk in streamed(Delta(" up"), Delta("on"), END, echo=True)) == (
        "Once upon"
    )


def test_the_last_chunk_says_why() -> None:
    first, last = streamed(Delta("a"), END)
    assert list(first) == ["id", "object", "created", "choices", "model", "system_fingerprint"]
    assert first["choices"] == [{"text": "a", "index": 0, "finish_reason": None}]
    assert last["choices"] == [{"text": "", "index": 0, "finish_reason": "length"}]


def test_usage_stands_in_every_chunk_once_it_is_wanted() -> None:
    first, last, counts = streamed(Delta("a"), END, stream_options={"include_usage": True})
    assert [chunk["usage"]["total_tokens"] for chunk in (first, last, counts)] == [0, 0, 5]
    assert counts["choices"] == []


def test_logprobs_are_lists_in_step() -> None:
    entries = (TokenLogprob("ab", -1.0, (97, 98), (TokenLogprob("x", -0.5, (120,)),)), TokenLogprob("c", -2.0, (99,)))
    (choice,) = completion_answer(HEAD, read(logprobs=1), [Answer(Delta("abc", logprobs=entries), END)])["choices"]
    assert choice["logprobs"] == {
        "tokens": ["ab", "c"], "token_logprobs": [-1.0, -2.0], "top_logprobs": [{"x": -0.5}, {}], "text_offset": [0, 2],
    }  # fmt: skip
    first, second, _ = streamed(Delta("ab", logprobs=entries[:1]), Delta("c", logprobs=entries[1:]), END, logprobs=1)
    assert [chunk["choices"][0]["logprobs"]["text_offset"] for chunk in (first, second)] == [[0], [2]]


def test_models_are_listed() -> None:
    entry = model_entry("m:latest", datetime(2023, 11, 14, 22, 13, 20, 5, UTC), "library")
    assert entry == {"id": "m:latest", "object": "model", "created": 1_700_000_000, "owned_by": "library"}
    assert model_list([]) == {"object": "list", "data": []}
