"""Answers beyond plain text: thoughts, calls of tools, stops, probabilities, raw text, long prompts."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.server.server_desk import CHATML, THINKING, Desk

HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
Start = Callable[..., Any]


async def ask(desk: Desk, **body: Any) -> Any:
    path = "chat" if "messages" in body else "generate"
    options = {"num_predict": 200, **body.pop("options", {})}
    status, answer = await desk.post(f"/api/{path}", {"model": "m", "stream": False, "options": options, **body})
    assert status == 200, answer
    return answer


@pytest.fixture
def scripted(start: Start, install: Start, device: Any) -> Start:
    async def go(script: str, template: str = CHATML, **layers: Any) -> Desk:
        install("m", template=template, **layers)
        device.script = script
        desk: Desk = await start()
        return desk

    return go


async def test_thoughts_are_split_from_the_answer(scripted: Start) -> None:
    desk = await scripted("<think> hm </think> yes", THINKING)
    answer = await ask(desk, messages=HELLO)
    assert answer["message"] == {"role": "assistant", "content": "yes", "thinking": "hm "}
    answer = await ask(desk, prompt="Hello")
    assert (answer["response"], answer["thinking"]) == ("yes", "hm ")


async def test_a_model_told_not_to_think_is_taken_at_its_word(scripted: Start) -> None:
    desk = await scripted("<think>hm</think>yes", THINKING)
    answer = await ask(desk, messages=HELLO, think=False)
    assert answer["message"] == {"role": "assistant", "content": "<think>hm</think>yes"}


async def test_a_call_of_a_tool_comes_whole_and_with_an_id(scripted: Start) -> None:
    desk = await scripted('Sure. <tool_call>{"name": "weather", "arguments": {"city": "Zug"}}</tool_call>')
    message = (await ask(desk, messages=HELLO, tools=[WEATHER]))["message"]
    (call,) = message["tool_calls"]
    assert message["content"].strip() == "Sure."
    assert call["function"] == {"index": 0, "name": "weather", "arguments": {"city": "Zug"}}
    assert call["id"].startswith("call_")
    assert len(call["id"]) == 13


async def test_without_tools_a_call_is_text(scripted: Start) -> None:
    desk = await scripted("<tool_call>{}</tool_call>")
    assert (await ask(desk, messages=HELLO, tools=[]))["message"]["content"] == "<tool_call>{}</tool_call>"


async def test_an_answer_ends_before_its_stop_string(scripted: Start) -> None:
    desk = await scripted("one two three")
    answer = await ask(desk, prompt="x", options={"stop": [" thr", "zzz"]})
    assert (answer["response"], answer["done_reason"]) == ("one two", "stop")


async def test_num_predict_ends_an_answer(scripted: Start) -> None:
    desk = await scripted("one two three")
    answer = await ask(desk, prompt="x", options={"num_predict": 3})
    assert (answer["response"], answer["done_reason"], answer["eval_count"]) == ("one", "length", 3)


async def test_probabilities_come_with_their_tokens(scripted: Start) -> None:
    desk = await scripted("é")
    answer = await ask(desk, prompt="x", logprobs=True, top_logprobs=2)
    entries = answer["logprobs"]
    assert [entry["bytes"] for entry in entries][:2] == [[0xC3], [0xA9]]
    assert all(entry["logprob"] <= 0 and len(entry["top_logprobs"]) == 2 for entry in entries)


async def test_raw_text_goes_to_the_model_as_it_is(scripted: Start) -> None:
    desk = await scripted("yes")
    answer = await ask(desk, prompt="abc", raw=True)
    assert answer["prompt_eval_count"] == 3
    assert "context" not in answer


async def test_a_suffix_is_given_to_the_template(scripted: Start) -> None:
    desk = await scripted("yes", "{{ if .Suffix }}<{{ .Prompt }}|{{ .Suffix }}>{{ else }}{{ .Prompt }}{{ end }}")
    body = {"prompt": "a", "suffix": "b", "_debug_render_only": True}
    assert (await ask(desk, **body))["_debug_info"] == {"rendered_template": "<a|b>"}


async def test_system_and_messages_of_a_model_come_first(scripted: Start) -> None:
    shots = '[{"role":"user","content":"1"},{"role":"assistant","content":"2"}]'
    desk = await scripted(
        "yes", "{{ range .Messages }}[{{ .Role }} {{ .Content }}]{{ end }}", system="S", messages=shots
    )

    async def rendered(**body: Any) -> str:
        text: str = (await ask(desk, _debug_render_only=True, **body))["_debug_info"]["rendered_template"]
        return text

    assert await rendered(messages=HELLO) == "[system S][user 1][assistant 2][user Hello]"
    own = [{"role": "system", "content": "T"}, *HELLO]
    assert await rendered(messages=own) == "[user 1][assistant 2][system T][user Hello]"
    assert await rendered(prompt="x", system="T") == "[system T][user 1][assistant 2][user x]"
    assert await rendered(prompt="x", template="<{{ .Prompt }}>") == "<1>2<x>"


async def test_the_oldest_messages_of_a_long_conversation_are_dropped(scripted: Start) -> None:
    desk = await scripted("yes", "{{ range .Messages }}[{{ .Role }} {{ .Content }}]{{ end }}")
    turns = [{"role": "user", "content": f"{n:030d}"} for n in range(4)]
    messages = [{"role": "system", "content": "S"}, turns[0], {"role": "assistant", "content": "ok"}, *turns[1:2]]
    answer = await ask(desk, messages=messages, options={"num_ctx": 70}, _debug_render_only=True)
    assert answer["_debug_info"]["rendered_template"] == f"[system S][assistant ok][user {1:030d}]"


async def test_a_prompt_that_is_too_long_keeps_its_beginning_and_its_end(scripted: Start) -> None:
    desk = await scripted("yes", "{{ .Prompt }}")
    answer = await ask(desk, prompt="abcd" + "x" * 100 + "z" * 18, options={"num_ctx": 40, "num_predict": 1})
    assert answer["prompt_eval_count"] == 22
    assert bytes(answer["context"][:22]) == b"abcd" + b"z" * 18


@pytest.mark.parametrize("switch", ["truncate", "shift"])
async def test_a_prompt_that_may_not_be_cut_is_refused(scripted: Start, switch: str) -> None:
    desk = await scripted("yes")
    body = {"model": "m", "prompt": "x" * 600, switch: False}
    status, answer = await desk.post("/api/generate", body)
    assert status == 400
    assert "context" in answer["error"]
    status, answer = await desk.post("/api/chat", {"model": "m", "messages": HELLO, "stream": False})
    assert (status, answer["message"]["content"]) == (200, "yes")


async def test_a_jinja_template_serves_where_there_is_no_other(start: Start, install: Start, device: Any) -> None:
    install("m", chat_template="{% for m in messages %}{{ m.role }}={{ m.content }};{% endfor %}")
    device.script = "yes"
    desk = await start()
    answer = await ask(desk, messages=HELLO, _debug_render_only=True)
    assert answer["_debug_info"]["rendered_template"] == "user=Hello;"
