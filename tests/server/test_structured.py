"""Structured answers through the server: with thoughts, with tools, refused, and in no one's way."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from hollama.types import JsonObject
from tests.server.server_desk import THINKING, Desk

HELLO = [{"role": "user", "content": "Hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
ONLY = {**SCHEMA, "additionalProperties": False}
LONG = {"num_predict": 200}


async def chat(desk: Desk, **more: Any) -> JsonObject:
    body = {"model": "noise", "messages": HELLO, "stream": False, "options": LONG, **more}
    status, answer = await desk.post("/api/chat", body)
    assert status == 200, answer
    return answer


async def test_a_schema_holds_in_a_chat(desk: Desk) -> None:
    answer = await chat(desk, format=ONLY)
    assert json.loads(answer["message"]["content"])["city"] in ("Paris", "Rome")
    assert answer["done_reason"] == "stop"


async def test_a_stream_is_constrained_too(desk: Desk) -> None:
    chunks = [chunk async for chunk in await desk.client.chat("noise", HELLO, format=ONLY, options=LONG, stream=True)]
    assert json.loads("".join(chunk.message.content for chunk in chunks))["city"] in ("Paris", "Rome")


async def test_a_length_limit_may_cut_it(desk: Desk) -> None:
    answer = await chat(desk, format=ONLY, options={"num_predict": 5})
    assert (answer["done_reason"], answer["message"]["content"][0]) == ("length", "{")


@pytest.mark.parametrize(
    ("script", "think", "thinking"),
    [
        ('<think>Paris, I think.</think>\n\n{"city":"Paris"}', None, "Paris, I think."),
        ('<think>Paris, I think.</think>\n\n{"city":"Paris"}', True, "Paris, I think."),
        ('{"city":"Paris"}', None, None),
        ('{"city":"Paris"}', False, None),
    ],
)
async def test_thoughts_come_before_the_document(
    start: Callable[..., Any], install: Callable[..., None], device: Any, script: str, think: Any, thinking: str | None
) -> None:
    install("noise", template=THINKING)
    device.script = script
    answer = await chat(await start(), format=ONLY, think=think)
    assert answer["message"].get("thinking") == thinking
    assert json.loads(answer["message"]["content"]) == {"city": "Paris"}


async def test_without_thinking_the_document_comes_at_once(
    start: Callable[..., Any], install: Callable[..., None], device: Any
) -> None:
    install("noise", template=THINKING)
    device.script = "<think>Rome!</think> It is Rome."
    message = (await chat(await start(), format=ONLY, think=False))["message"]
    assert "thinking" not in message
    assert json.loads(message["content"])["city"] in ("Paris", "Rome")


async def test_a_document_that_is_a_call_is_one(desk: Desk) -> None:
    """As in Ollama: the grammar rules what is said, the tools are looked for in it."""
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    shape = {
        "type": "object", "required": ["name", "arguments"], "additionalProperties": False,
        "properties": {"name": {"const": "weather"}, "arguments": {"const": {"city": "Rome"}}},
    }  # fmt: skip
    plain = (await chat(desk, format=ONLY, tools=[tool]))["message"]
    assert json.loads(plain["content"])["city"] in ("Paris", "Rome")
    await desk.client.create("bare", from_="noise", template="{{ .Prompt }}{{ .Tools }}")
    (call,) = (await chat(desk, model="bare", format=shape, tools=[tool]))["message"]["tool_calls"]
    assert (call["function"]["name"], call["function"]["arguments"]) == ("weather", {"city": "Rome"})


async def test_a_grammar_is_an_option(desk: Desk) -> None:
    answer = await chat(desk, options={**LONG, "regex": "(yes|no), (sir|madam)"})
    assert answer["message"]["content"].split(", ")[0] in ("yes", "no")


async def test_a_grammar_may_be_a_models_own(desk: Desk) -> None:
    await desk.client.create("terse", from_="noise", parameters={"gbnf": 'root ::= "yes" | "no"'})
    assert (await desk.client.generate("terse", "Hello")).response in ("yes", "no")


def refusal(text: str) -> str:
    message = (
        f"Unable to generate parser for this template. Automatic parser generation failed: JSON schema error {text}"
    )
    return json.dumps(
        {"error": {"code": 400, "message": message, "type": "invalid_request_error"}}, separators=(",", ":")
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"format": {"type": "zzz"}}, refusal("at #: unrecognized type zzz")),
        (
            {"format": {"properties": {"a": {"items": {"type": ["null", "x"]}}}}},
            refusal("at #/properties/a/items: unrecognized type x"),
        ),
        (
            {"format": {"anyOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {}}},
            refusal("at #/anyOf/0: cannot resolve $ref #/$defs/a~1b, a~1b not found"),
        ),
        ({"format": {"type": 5}}, refusal("at #: type must be a string or array of strings")),
        ({"format": {"enum": []}}, refusal("at #: Unsatisfiable schema: anyOf is empty")),
        ({"options": {"regex": "[a"}}, 'option "regex" is no grammar: '),
        ({"options": {"gbnf": "root = 5"}}, 'option "gbnf" is no grammar: Expected ::='),
        ({"options": {"lark": "start"}}, 'option "lark" is no grammar: '),
        ({"options": {"lark": 5}}, 'option "lark" is 5; expected a grammar as text'),
        ({"format": "json", "options": {"regex": "a"}}, "format and regex both say what the answer looks like; "),
    ],
)
async def test_what_is_no_schema_is_refused_before_the_model_is_loaded(desk: Desk, body: JsonObject, text: str) -> None:
    status, answer = await desk.post("/api/chat", {"model": "noise", "messages": HELLO, **body})
    assert status == 400
    assert answer["error"].startswith(text)
    assert not desk.device.loads


async def test_what_cannot_be_enforced_is_only_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    answer = await chat(desk, format={**ONLY, "not": {"required": ["x"]}})
    assert json.loads(answer["message"]["content"])
    assert 'Unimplemented keys: ["not"]' in caplog.text


async def test_others_answers_are_not_touched(desk: Desk) -> None:
    """Constrained and free requests at once say what they say alone."""
    asked: list[JsonObject] = [
        {"format": ONLY},
        {},
        {"options": {"num_predict": 9, "regex": "[ab]{7}"}},
        {"format": SCHEMA},
    ]
    alone = [(await chat(desk, **more))["message"] for more in asked]
    together = await asyncio.gather(*(chat(desk, **more) for more in asked * 2))
    assert [answer["message"] for answer in together] == alone * 2


async def test_a_client_that_leaves_frees_the_slot(desk: Desk) -> None:
    desk.device.pause = 0.02
    stream = await desk.client.chat("noise", HELLO, format={"type": "string"}, options={"num_predict": -1}, stream=True)
    await anext(stream)
    await stream.aclose()
    desk.device.pause = 0
    assert (await asyncio.wait_for(chat(desk, format=ONLY), 5))["done"]
