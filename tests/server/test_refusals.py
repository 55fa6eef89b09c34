"""What the server refuses, and how it says so."""

import pytest

from hollama.types import JsonObject
from tests.server.server_desk import Desk

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("path", ["generate", "chat", "show", "create", "copy", "pull", "push", "embed", "embeddings"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"model":5}', b"[" * 10_000])
async def test_a_malformed_body_is_answered_with_400_and_a_text(desk: Desk, path: str, body: bytes) -> None:
    status, answer = await desk.post(f"/api/{path}", body)
    assert status == 400
    assert answer["error"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../b", "a/b/c/d", "-x", "a:", "..", "x" * 100, "a\0b"])
async def test_a_name_that_is_none_reaches_no_file(desk: Desk, name: str) -> None:
    for path, body in (("generate", {"prompt": "x"}), ("show", {}), ("create", {"from": "noise"})):
        assert await desk.post(f"/api/{path}", {"model": name, **body}) == (400, {"error": "invalid model name"})
    status, _ = await desk.post("/api/copy", {"source": "noise", "destination": name})
    assert status == 400


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"temperature": "a"}, 'option "temperature" must be of type float32'),
        ({"num_ctx": True}, 'option "num_ctx" must be of type integer'),
        ({"stop": "x"}, 'option "stop" must be of type array'),
        ({"stop": ["a", 1]}, 'option "stop" must be of an array of strings'),
    ],
)
async def test_an_option_of_the_wrong_type_is_named(desk: Desk, options: JsonObject, text: str) -> None:
    status, answer = await desk.post("/api/generate", {"model": "noise", "prompt": "x", "options": options})
    assert (status, answer) == (500, {"error": text})


async def test_unknown_and_null_options_are_ignored(desk: Desk) -> None:
    options = {"mirostat": 2, "foo": {"bar": 1}, "top_k": None, "num_predict": 2.9}
    body = {"model": "noise", "prompt": "x", "options": options, "stream": False}
    status, answer = await desk.post("/api/generate", body)
    assert (status, answer["eval_count"]) == (200, 2)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"raw": True, "system": "x"}, "raw mode does not support template, system, or context"),
        ({"think": True}, '"noise" does not support thinking'),
        ({"suffix": "x"}, "registry.ollama.ai/library/noise:latest does not support insert"),
        ({"images": ["aGVsbG8="]}, '"noise" does not support images'),
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"template": "{{ .Prompt"}, "template: :1: unclosed action"),
        ({"context": [9999]}, "token 9999 is outside the vocabulary of 260; is it of another model?"),
    ],
)
async def test_what_a_model_cannot_do_is_said_before_anything_streams(desk: Desk, body: JsonObject, text: str) -> None:
    assert await desk.post("/api/generate", {"model": "noise", "prompt": "x", **body}) == (400, {"error": text})


async def test_a_model_in_the_cloud_is_refused(desk: Desk) -> None:
    status, answer = await desk.post("/api/chat", {"model": "gpt-oss:120b-cloud", "messages": HELLO})
    assert (status, answer) == (403, {"error": "ollama cloud is disabled: remote model is unavailable"})
