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
SHAPES = "invalid prompt: expected a string, a list of strings, a list of token ids, or a list of such lists"
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
        ({"prompt": 5}, "json: cannot unmarshal number into Go struct field CompletionRequest.prompt of type string"),
        ({"prompt": []}, SHAPES),
        ({"prompt": [[]]}, SHAPES),
        ({"prompt": [1, "a"]}, SHAPES),
        ({"prompt": [-1]}, SHAPES),
        ({"prompt": [True]}, SHAPES),
        ({"prompt": ["a"] * 129, "n": 16}, "too many answers in one request: prompts times n must be at most 2048"),
        ({"stop": ["a", 5]}, "invalid type for 'stop' field: float64"),
        ({"logprobs": 30}, "top_logprobs must be between 0 and 20"),
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
    request = read(echo=True).request
    assert request.raw and request.terms.echo
    assert (request.terms.logprobs, request.terms.truncate, request.terms.answered) == (False, True, True)


def test_an_echo_with_logprobs_scores_its_prompt_uncut() -> None:
    terms = read(echo=True, logprobs=0, max_tokens=0).request.terms
    assert (terms.logprobs, terms.top_logprobs, terms.truncate, terms.answered) == (True, 0, False, False)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a", [("a", ())]),
        (["a", "b"], [("a", ()), ("b", ())]),
        ([5, 6], [("", (5, 6))]),
        ([[5], [6, 7]], [("", (5,)), ("", (6, 7))]),
    ],
)
def test_prompts_in_four_shapes(prompt: Any, found: Any) -> None:
    requests = read(prompt=prompt, n=2).requests(0)
    assert [(one.prompt, one.tokens) for one in requests[::2]] == found
    assert all(one.raw is bool(one.tokens) for one in requests)
    assert len(requests) == 2 * len(found)


def test_each_prompt_of_many_counts_once() -> None:
    answers = [Answer(Delta("x"), END)] * 6
    counts = completion_answer(HEAD, read(prompt=["a", "b", "c"], n=2), answers)["usage"]
    assert (counts["prompt_tokens"], counts["completion_tokens"]) == (9, 12)


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
        "tokens": ["ab", "c"], "token_logprobs": [-1.0, -2.0], "text_offset": [0, 2],
        "top_logprobs": [{"ab": -1.0, "x": -0.5}, {"c": -2.0}],
    }  # fmt: skip
    first, second, _ = streamed(Delta("ab", logprobs=entries[:1]), Delta("c", logprobs=entries[1:]), END, logprobs=1)
    assert [chunk["choices"][0]["logprobs"]["text_offset"] for chunk in (first, second)] == [[0], [2]]


def test_a_character_in_parts_is_spelled_in_bytes() -> None:
    entries = (
        TokenLogprob("\ufffd", None, (0xC3,)),
        TokenLogprob("\ufffd", -1.0, (0xA4,), (TokenLogprob("", -0.5, ()), TokenLogprob("", -0.7, ()))),
        TokenLogprob("x", -2.0, (120,)),
    )
    (choice,) = completion_answer(HEAD, read(logprobs=2), [Answer(Delta("äx", logprobs=entries), END)])["choices"]
    assert choice["logprobs"] == {
        "tokens": ["bytes:\\xc3", "bytes:\\xa4", "x"], "token_logprobs": [None, -1.0, -2.0], "text_offset": [0, 0, 1],
        "top_logprobs": [None, {"bytes:\\xa4": -1.0, "": -0.5}, {"x": -2.0}],
    }  # fmt: skip


def test_models_are_listed() -> None:
    entry = model_entry("m:latest", datetime(2023, 11, 14, 22, 13, 20, 5, UTC), "library")
    assert entry == {"id": "m:latest", "object": "model", "created": 1_700_000_000, "owned_by": "library"}
    assert model_list([]) == {"object": "list", "data": []}
