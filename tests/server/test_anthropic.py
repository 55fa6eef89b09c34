"""What the official Python client of Anthropic can do with the server."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import pytest

from tests.server.server_desk import CHATML, THINKING, Desk

HELLO: Any = [{"role": "user", "content": "Hello"}]
WEATHER: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALL = 'Sure. <tool_call>{"name": "weather", "arguments": {"city": "Zug"}}</tool_call>'
ASK: Any = {"model": "m", "max_tokens": 200, "messages": HELLO}


@pytest.fixture
async def speaker(start: Callable[..., Any], install: Callable[..., None], device: Any) -> AsyncIterator[Any]:
    clients: list[anthropic.AsyncAnthropic] = []

    async def go(script: str, template: str = CHATML) -> tuple[Desk, anthropic.AsyncAnthropic]:
        install("m", template=template)
        device.script = script
        desk: Desk = await start()
        clients.append(anthropic.AsyncAnthropic(base_url=desk.url, api_key="any", max_retries=0))
        return desk, clients[0]

    yield go
    for client in clients:
        await client.close()


async def test_a_message(speaker: Any) -> None:
    _, client = await speaker("yes")
    answer = await client.messages.create(**ASK, system=[{"type": "text", "text": "Be kind."}])
    assert ([block.text for block in answer.content], answer.stop_reason) == (["yes"], "end_turn")
    assert answer.usage.output_tokens == 4  # and the end
    cut = await client.messages.create(**{**ASK, "max_tokens": 1})
    assert cut.stop_reason == "max_tokens"


async def test_a_message_is_streamed(speaker: Any) -> None:
    _, client = await speaker("<think>hm</think>yes", THINKING)
    async with client.messages.stream(**ASK, thinking={"type": "enabled", "budget_tokens": 1024}) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert [(block.type, getattr(block, block.type)) for block in final.content] == [
        ("thinking", "hm"),
        ("text", "yes"),
    ]
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 21)


async def test_a_tool_is_used_and_answered(speaker: Any) -> None:
    _, client = await speaker(CALL)
    whole = await client.messages.create(**ASK, tools=[WEATHER])
    async with client.messages.stream(**ASK, tools=[WEATHER]) as stream:
        final = await stream.get_final_message()
    for answer in (whole, final):
        text, use = answer.content
        assert (text.text.strip(), use.name, use.input, answer.stop_reason) == (
            "Sure.", "weather", {"city": "Zug"}, "tool_use",
        )  # fmt: skip
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    turns = [{"role": "assistant", "content": final.content}, {"role": "user", "content": [result]}]
    assert (await client.messages.create(**{**ASK, "messages": [*HELLO, *turns]})).content


async def test_a_stop_sequence_ends_an_answer(speaker: Any) -> None:
    _, client = await speaker("one two")
    answer = await client.messages.create(**ASK, stop_sequences=[" t"])
    assert (answer.content[0].text, answer.stop_reason) == ("one", "end_turn")


async def test_thoughts_that_a_model_has_not_are_not_missed(speaker: Any) -> None:
    _, client = await speaker("yes")
    answer = await client.beta.messages.create(**ASK, thinking={"type": "enabled", "budget_tokens": 1024})
    assert answer.content[0].text == "yes"


async def test_tokens_are_counted(speaker: Any) -> None:
    _, client = await speaker("yes")
    counted = await client.messages.count_tokens(model="m", messages=HELLO)
    answer = await client.messages.create(**ASK)
    assert counted.input_tokens == answer.usage.input_tokens
    much: Any = [{"role": "user", "content": "x" * 2000}]
    assert (await client.messages.count_tokens(model="m", messages=much)).input_tokens > 2000  # more than the context


async def test_refusals_are_the_clients_own_errors(speaker: Any) -> None:
    _, client = await speaker("yes")
    with pytest.raises(anthropic.NotFoundError, match="model 'x' not found") as caught:
        await client.messages.create(**{**ASK, "model": "x"})
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    assert body["request_id"].startswith("req_")
    with pytest.raises(anthropic.BadRequestError, match="messages is required"):
        await client.messages.create(**{**ASK, "messages": []})


async def test_a_failure_within_a_stream_is_raised(speaker: Any) -> None:
    desk, client = await speaker("yes" * 200)
    desk.device.pause = 0.01
    stream = await client.messages.create(**ASK, stream=True)
    await anext(stream)
    await desk.runtime.aclose()
    with pytest.raises(anthropic.APIError, match="unloaded"):
        _ = [event async for event in stream]
