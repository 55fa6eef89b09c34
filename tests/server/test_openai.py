"""What the official Python client of OpenAI can do with the server."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest

from tests.server.server_desk import CHATML, THINKING, Desk, until

HELLO: Any = [{"role": "user", "content": "Hello"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
CALL = 'Sure. <tool_call>{"name": "weather", "arguments": {"city": "Zug"}}</tool_call>'


class Speaker:
    """A server whose model says a script, and a client of it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.client = openai.AsyncOpenAI(base_url=f"{desk.url}/v1", api_key="any", max_retries=0)

    async def chat(self, **more: Any) -> Any:
        return await self.client.chat.completions.create(**{"model": "m", "messages": HELLO, "max_tokens": 200, **more})

    async def respond(self, **more: Any) -> Any:
        return await self.client.responses.create(**{"model": "m", "input": "Hello", "max_output_tokens": 200, **more})


@pytest.fixture
async def speaker(start: Callable[..., Any], install: Callable[..., None], device: Any) -> AsyncIterator[Any]:
    spoken: list[Speaker] = []

    async def go(script: str, template: str = CHATML, **settings: Any) -> Speaker:
        install("m", template=template)
        device.script = script
        spoken.append(Speaker(await start(**settings)))
        return spoken[0]

    yield go
    for one in spoken:
        await one.client.close()


async def test_a_chat(speaker: Any) -> None:
    answer = await (await speaker("yes")).chat()
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("yes", "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == "m"


async def test_a_stream_with_usage(speaker: Any) -> None:
    stream = await (await speaker("yes")).chat(stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "yes"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-2:] == [None, "stop"]
    assert chunks[-1].usage.completion_tokens == 4  # and the end
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1


async def test_a_tool_is_called_and_answered(speaker: Any) -> None:
    one = await speaker(CALL)
    message = (await one.chat(tools=[WEATHER], tool_choice="auto")).choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Zug"}')
    history = [*HELLO, message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert (await one.chat(messages=history)).choices[0].message.content


async def test_a_tool_is_called_in_a_stream(speaker: Any) -> None:
    chunks = [chunk async for chunk in await (await speaker(CALL)).chat(tools=[WEATHER], stream=True)]
    (call,) = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert (call.index, call.function.arguments) == (0, '{"city":"Zug"}')
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_thoughts_have_both_names(speaker: Any) -> None:
    one = await speaker("<think>hm</think>yes", THINKING)
    message = (await one.chat()).choices[0].message
    assert (message.content, message.reasoning, message.reasoning_content) == ("yes", "hm", "hm")
    plain = (await one.chat(reasoning_effort="none")).choices[0].message
    assert plain.content == "<think>hm</think>yes"


async def test_choices_differ_where_the_model_is_not_sure(desk: Desk) -> None:
    async with openai.AsyncOpenAI(base_url=f"{desk.url}/v1", api_key="any") as client:
        ask: Any = {"model": "noise", "messages": HELLO, "n": 3, "seed": 5, "max_tokens": 8}
        answer = await client.chat.completions.create(**ask)
        texts = [choice.message.content for choice in answer.choices]
        assert len(set(texts)) == 3
        streamed = ["", "", ""]
        async for chunk in await client.chat.completions.create(**ask, stream=True):
            for choice in chunk.choices:
                streamed[choice.index] += choice.delta.content or ""
        assert streamed == texts
        assert answer.usage and answer.usage.completion_tokens == 24


async def test_logprobs(speaker: Any) -> None:
    one = await speaker("yes")
    entries = (await one.chat(logprobs=True, top_logprobs=2)).choices[0].logprobs.content
    assert [entry.token for entry in entries][:3] == ["y", "e", "s"]
    assert all(len(entry.top_logprobs) == 2 for entry in entries)
    answer = await one.client.completions.create(model="m", prompt="Hello", max_tokens=9, logprobs=1)
    assert answer.choices[0].logprobs.tokens[:3] == ["y", "e", "s"]


async def test_a_completion(speaker: Any) -> None:
    one = await speaker("yes")
    answer = await one.client.completions.create(model="m", prompt="Hello", max_tokens=2, echo=True)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("Helloye", "length")
    stream = await one.client.completions.create(model="m", prompt="Hello", max_tokens=9, stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "yes"


async def test_models(speaker: Any) -> None:
    client = (await speaker("yes")).client
    (model,) = (await client.models.list()).data
    assert (model.id, model.object, model.owned_by) == ("m:latest", "model", "library")
    assert (await client.models.retrieve("m")).id == "m"
    with pytest.raises(openai.NotFoundError, match="model 'x:latest' not found"):
        await client.models.retrieve("x")


async def test_refusals_are_the_clients_own_errors(speaker: Any) -> None:
    one = await speaker("yes")
    with pytest.raises(openai.NotFoundError, match="model 'x' not found") as caught:
        await one.chat(model="x")
    assert (caught.value.type, caught.value.code) == ("not_found_error", None)
    with pytest.raises(openai.BadRequestError, match="does not support images"):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
        await one.chat(messages=[{"role": "user", "content": [image]}])
    with pytest.raises(openai.BadRequestError, match="does not support thinking"):
        await one.chat(reasoning_effort="high")


async def test_a_failure_within_a_stream_is_raised(speaker: Any) -> None:
    one = await speaker("yes" * 200)
    one.desk.device.pause = 0.01
    stream = await one.chat(stream=True)
    await anext(stream)
    await one.desk.runtime.aclose()
    with pytest.raises(openai.APIError, match="unloaded"):
        _ = [chunk async for chunk in stream]


async def test_a_client_that_leaves_frees_all_its_choices(speaker: Any) -> None:
    one = await speaker("x" * 300, num_parallel=3)
    one.desk.device.pause = 0.005
    stream = await one.chat(stream=True, n=3)
    await anext(stream)
    await stream.close()
    (resident,) = one.desk.runtime._residency.residents
    await until(lambda: not resident.users and not resident.loaded.model.engine.busy)


async def test_a_schema_is_kept_to(desk: Desk) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"enum": [True]}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    async with openai.AsyncOpenAI(base_url=f"{desk.url}/v1", api_key="any") as client:
        ask: Any = {"model": "noise", "messages": HELLO, "max_tokens": 200}
        format: Any = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
        answer = await client.chat.completions.create(**ask, response_format=format)
        assert json.loads(answer.choices[0].message.content or "") == {"ok": True}
        text: Any = {"format": {"type": "json_schema", "name": "n", "schema": schema}}
        response = await client.responses.create(model="noise", input="Hello", text=text, max_output_tokens=200)
        assert json.loads(response.output_text) == {"ok": True}
        with pytest.raises(openai.BadRequestError):
            format["json_schema"]["schema"] = {"type": "zzz"}
            await client.chat.completions.create(**ask, response_format=format)


async def test_a_response(speaker: Any) -> None:
    answer = await (await speaker("yes")).respond(instructions="Be kind.", previous_response_id="resp_1")
    assert (answer.output_text, answer.status, answer.instructions) == ("yes", "completed", "Be kind.")
    assert answer.previous_response_id is None
    cut = await (await speaker("yes")).respond(max_output_tokens=1)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")


async def test_a_response_is_streamed(speaker: Any) -> None:
    one = await speaker("<think>hm</think>yes", THINKING)
    async with one.client.responses.stream(model="m", input="Hello", max_output_tokens=200) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.output_text == "yes"


async def test_a_response_calls_a_tool(speaker: Any) -> None:
    one = await speaker(CALL)
    tool = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}
    answer = await one.respond(tools=[tool, {"type": "web_search"}])
    assert [item.type for item in answer.output] == ["message", "function_call"]
    call = answer.output[1]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    history = [{"role": "user", "content": "Hello"}, *answer.output, result]
    assert (await one.respond(input=history)).output_text


async def test_a_response_that_is_refused(speaker: Any) -> None:
    one = await speaker("yes")
    with pytest.raises(openai.BadRequestError, match=r"input\[0\]: unknown input item type"):
        await one.respond(input=[{"type": "x"}])
    with pytest.raises(openai.NotFoundError, match="model 'x' not found"):
        await one.respond(model="x", stream=True)
