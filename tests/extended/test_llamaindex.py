"""LlamaIndex: its model asks for the context's length first; chat, streams, tools, structures, embeddings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.extended.conftest import MODEL, WEATHER

llms = pytest.importorskip("llama_index.llms.ollama", reason="needs llama-index-llms-ollama, of the extra `extended`")
embeddings = pytest.importorskip(
    "llama_index.embeddings.ollama", reason="needs llama-index-embeddings-ollama, of the extra `extended`"
)


@pytest.fixture
def model(url: str) -> Any:
    return llms.Ollama(model=MODEL, base_url=url, temperature=0, request_timeout=60)


def said(text: str) -> list[Any]:
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role="user", content=text)]


def test_a_chat_and_its_stream_say_the_same(model: Any) -> None:
    whole = model.chat(said("Hi, my name is Maria.")).message.content
    assert "Maria" in whole
    assert list(model.stream_chat(said("Hi, my name is Maria.")))[-1].message.content == whole


def test_a_completion_and_its_stream_say_the_same(model: Any) -> None:
    assert model.complete("hello!").text == list(model.stream_complete("hello!"))[-1].text


def test_a_tool_is_called(model: Any) -> None:
    from llama_index.core.tools import FunctionTool

    def get_current_weather(city: str) -> str:
        """Get the weather in a city"""
        return city

    tool = FunctionTool.from_defaults(get_current_weather)
    answer = model.chat_with_tools([tool], user_msg=WEATHER)
    (call,) = model.get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("get_current_weather", {"city": "Paris"})


def test_a_structure_is_kept(model: Any) -> None:
    from llama_index.core.bridge.pydantic import BaseModel

    class Person(BaseModel):
        name: str
        age: int

    ask = said("Ada is 36 years old and lives in Paris.\nReturn name and age as JSON.")
    assert model.as_structured_llm(Person).chat(ask).raw.name == "Ada"


def test_embeddings(url: str) -> None:
    embedder = embeddings.OllamaEmbedding(model_name=MODEL, base_url=url)
    one, two, again = embedder.get_text_embedding_batch(["one", "two", "one"])
    assert one == pytest.approx(again)
    assert one != two
