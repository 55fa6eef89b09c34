"""LiteLLM under all the names that it has for such a server; RAGFlow chats through it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.extended.conftest import MODEL, WEATHER

HELLO = [{"role": "user", "content": "Hi, my name is Maria."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the weather in a city",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {"city": {"type": "string", "description": "The name of the city"}},
        },
    },
}


@pytest.fixture(scope="module")
def litellm() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would ask the network
        yield pytest.importorskip("litellm", reason="needs litellm, of the extra `extended`")


@pytest.fixture(params=["ollama_chat", "ollama", "openai", "anthropic"])
def ask(request: pytest.FixtureRequest, litellm: Any, url: str) -> Any:
    base = f"{url}/v1" if request.param == "openai" else url

    def go(messages: Any, **more: Any) -> Any:
        name = f"{request.param}/{MODEL}"
        return litellm.completion(
            name, messages, api_base=base, api_key="any", temperature=0, max_tokens=60, drop_params=True, **more
        )

    return go


def test_a_chat_and_its_stream_say_the_same(ask: Any) -> None:
    whole = ask(HELLO)
    assert "Maria" in whole.choices[0].message.content
    assert whole.usage.completion_tokens > 0
    chunks = list(ask(HELLO, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content


def test_a_tool_is_called(ask: Any, request: pytest.FixtureRequest) -> None:
    if request.node.name.endswith("[ollama]"):
        pytest.skip("for this route LiteLLM writes the tools into the prompt by itself")
    message = ask([{"role": "user", "content": WEATHER}], tools=[TOOL]).choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, call.function.arguments.replace(" ", "")) == ("get_current_weather", '{"city":"Paris"}')


@pytest.mark.parametrize("route", ["ollama", "openai"])
def test_embeddings(litellm: Any, url: str, route: str) -> None:
    base = f"{url}/v1" if route == "openai" else url
    more = {"encoding_format": "float"} if route == "openai" else {}
    found = litellm.embedding(f"{route}/{MODEL}", input=["one", "two"], api_base=base, api_key="any", **more)
    assert len(found.data) == 2


def test_a_missing_model_is_no_server_fault(litellm: Any, url: str) -> None:
    with pytest.raises(Exception, match="not found"):
        litellm.completion("ollama_chat/nobody", HELLO, api_base=url)
