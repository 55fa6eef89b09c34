"""The embedded model through the official clients of the other dialects: a real process, on the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import numpy as np
import ollama
import openai
import pytest

from tests.house import House, end, free_address, started_pid

HELLO: Any = [{"role": "user", "content": "hello!"}]
WEATHER = "What is the weather in Paris?"
PARAMETERS: Any = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The name of the city"}},
    "required": ["city"],
}
SURE = {"temperature": 0, "top_p": 0.9}
ABOUT = {"name": "get_current_weather", "description": "Get the weather in a city"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    house = House(tmp_path_factory.mktemp("home"), free_address(), {"HOLLAMA_BACKEND": "emulator"})
    first = house.run("run", stdin="hello!")
    assert first.returncode == 0, first.stderr
    yield house.client.address.url
    end(started_pid(first.stderr))


@pytest.fixture
def gpt(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def test_all_dialects_say_the_same(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    ask: Any = {"model": "hollie", "messages": HELLO, "temperature": 0, "top_p": 0.9, "max_tokens": 60}
    chat = gpt.chat.completions.create(**ask).choices[0].message.content
    streamed = gpt.chat.completions.create(**ask, stream=True)
    assert chat
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == chat
    response = gpt.responses.create(model="hollie", input="hello!", temperature=0, top_p=0.9, max_output_tokens=60)
    assert response.output_text == chat
    said: Any = {"model": "hollie", "messages": HELLO, "max_tokens": 60, "extra_body": SURE}
    (block,) = claude.messages.create(**said).content
    assert block.type == "text" and block.text == chat
    with claude.messages.stream(**said) as stream:
        assert "".join(stream.text_stream) == chat


def test_a_tool_is_called_in_all_dialects(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    question: Any = [{"role": "user", "content": WEATHER}]
    ask: Any = {"model": "hollie", "temperature": 0}
    function: Any = {**ABOUT, "parameters": PARAMETERS}
    chat = gpt.chat.completions.create(
        **ask, messages=question, tools=[{"type": "function", "function": function}]
    ).choices[0]
    assert chat.finish_reason == "tool_calls"
    assert chat.message.tool_calls
    (call,) = chat.message.tool_calls
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_current_weather", '{"city":"Paris"}')
    response = gpt.responses.create(**ask, input=WEATHER, tools=[{"type": "function", **function}])
    assert [item.arguments for item in response.output if item.type == "function_call"] == ['{"city":"Paris"}']
    tool: Any = {**ABOUT, "input_schema": PARAMETERS}
    message = claude.messages.create(model="hollie", messages=question, max_tokens=100, tools=[tool], extra_body=SURE)
    assert [block.input for block in message.content if block.type == "tool_use"] == [{"city": "Paris"}]


def test_all_dialects_embed_the_same(gpt: openai.OpenAI, url: str) -> None:
    texts = ["the sky is blue", "the sea is blue", "x" * 5000]
    client = ollama.Client(url)
    vectors = [np.float32(vector) for vector in client.embed("hollie", texts).embeddings]
    assert [np.linalg.norm(vector) for vector in vectors] == pytest.approx([1, 1, 1], abs=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        alone = gpt.embeddings.create(model="hollie", input=text).data[0].embedding
        assert np.float32(alone).tobytes() == vector.tobytes()
    raw = np.array(client.embeddings("hollie", texts[0]).embedding)
    assert vectors[0] == pytest.approx(raw / np.linalg.norm(raw), abs=1e-6)


def test_the_model_is_there(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    assert "hollie:latest" in [model.id for model in gpt.models.list()]
    assert claude.messages.count_tokens(model="hollie", messages=HELLO).input_tokens > 0
