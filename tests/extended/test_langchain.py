"""LangChain's three packages: chat, streams, tools, structured output, embeddings, the check of a model's presence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.extended.conftest import MODEL, WEATHER

ollama = pytest.importorskip("langchain_ollama", reason="needs langchain-ollama, of the extra `extended`")
openai = pytest.importorskip("langchain_openai", reason="needs langchain-openai, of the extra `extended`")
anthropic = pytest.importorskip("langchain_anthropic", reason="needs langchain-anthropic, of the extra `extended`")

HELLO = "Hi, my name is Maria."
PERSON = {
    "title": "Person",
    "description": "A person",
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}
ADA = "Ada is 36 years old and lives in Paris.\nReturn name and age as JSON."


def get_current_weather(city: str) -> str:
    """Get the weather in a city

    Args:
        city: The name of the city
    """
    return city


@pytest.fixture(params=["ollama", "openai", "openai responses", "anthropic"])
def chat(request: pytest.FixtureRequest, url: str) -> Any:
    made = {
        "ollama": lambda: ollama.ChatOllama(
            model=MODEL, base_url=url, temperature=0, num_predict=60, validate_model_on_init=True
        ),
        "openai": lambda: openai.ChatOpenAI(
            model=MODEL, base_url=f"{url}/v1", api_key="any", temperature=0, max_tokens=60
        ),
        "openai responses": lambda: openai.ChatOpenAI(
            model=MODEL, base_url=f"{url}/v1", api_key="any", temperature=0, max_tokens=60, use_responses_api=True
        ),
        "anthropic": lambda: anthropic.ChatAnthropic(
            model=MODEL, base_url=url, api_key="any", temperature=0, max_tokens=60
        ),
    }
    return made[request.param]()


def test_a_chat_and_its_stream_say_the_same(chat: Any) -> None:
    whole = chat.invoke(HELLO)
    assert "Maria" in whole.text
    pieces = list(chat.stream(HELLO))
    assert "".join(piece.text for piece in pieces) == whole.text
    assert whole.usage_metadata["output_tokens"] > 0


def test_a_tool_is_called_and_its_result_is_taken(chat: Any) -> None:
    asked = chat.bind_tools([get_current_weather]).invoke(WEATHER)
    (call,) = asked.tool_calls
    assert (call["name"], call["args"]) == ("get_current_weather", {"city": "Paris"})
    talk = [{"role": "user", "content": WEATHER}, asked]
    result = {"role": "tool", "content": "18 degrees and sunny", "tool_call_id": call["id"]}
    assert chat.bind_tools([get_current_weather]).invoke([*talk, result]).text


def test_a_structure_is_kept(chat: Any) -> None:
    if isinstance(chat, anthropic.ChatAnthropic):
        pytest.skip("Anthropic's structured output is a tool that must be called, and Ollama ignores tool_choice")
    found = chat.with_structured_output(PERSON, method="json_schema").invoke(ADA)
    assert set(found) == {"name", "age"}
    assert found["name"] == "Ada"


def test_a_batch_runs_at_once(chat: Any) -> None:
    said = chat.batch([HELLO, "hello!", HELLO])
    assert said[0].text == said[2].text


def test_completions_continue(url: str) -> None:
    model = ollama.OllamaLLM(model=MODEL, base_url=url, temperature=0, num_predict=20)
    assert model.invoke(HELLO) == "".join(model.stream(HELLO))


def test_embeddings(url: str) -> None:
    vectors = ollama.OllamaEmbeddings(model=MODEL, base_url=url).embed_documents(["one", "two", "one"])
    assert vectors[0] == vectors[2] != vectors[1]
    other = openai.OpenAIEmbeddings(
        model=MODEL, base_url=f"{url}/v1", api_key="any", check_embedding_ctx_length=False
    ).embed_query("one")
    assert other == pytest.approx(vectors[0], abs=1e-6)


def test_a_model_that_is_not_there_is_missed_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="nobody"):
        ollama.ChatOllama(model="nobody", base_url=url, validate_model_on_init=True)
