"""No body, however wrong, gets more out of a dialect than a refusal."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.api.answer import Answer
from hollama.api.anthropic.request import count_request, messages_request
from hollama.api.encode import encode
from hollama.api.openai.chat import chat_request
from hollama.api.openai.completions import completion_request
from hollama.api.openai.envelope import Head
from hollama.api.openai.response_object import response_answer
from hollama.api.openai.responses import responses_request
from hollama.api.syntax import BodyInvalid
from hollama.types import Delta, Finished
from tests.api.bodies import bodies

DECODERS = [chat_request, completion_request, responses_request, messages_request, count_request]


@pytest.mark.parametrize("decode", DECODERS, ids=lambda decode: decode.__name__)
@given(data=st.data())
@settings(max_examples=60)
def test_a_body_is_read_or_refused(decode: Callable[[bytes], Any], data: st.DataObject) -> None:
    try:
        decode(data.draw(bodies(model="m", max_tokens=5)))
    except BodyInvalid as error:
        assert str(error)


@given(body=bodies(model="m"))
@settings(max_examples=60)
def test_whatever_a_response_repeats_can_be_written(body: bytes) -> None:
    try:
        asked = responses_request(body)
    except BodyInvalid:
        return
    encode(response_answer(Head(1, 2, "m"), asked, Answer(Delta("x"), Finished("stop")), 3))


@pytest.mark.parametrize("decode", DECODERS, ids=lambda decode: decode.__name__)
def test_a_deep_body_is_refused(decode: Callable[[bytes], Any]) -> None:
    deep = b"[" * 100_000
    for body in (deep, b'{"messages":[{"role":"user","content":' + deep, b'{"input":' + b'{"a":' * 5000):
        with pytest.raises(BodyInvalid):
            decode(body)
