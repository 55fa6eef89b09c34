"""What clients send that cannot run in a test, and what they read of the answers. Source: facts about the clients."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.server.server_desk import Desk

TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
NATIVE_TOOL = {"type": "function", "function": TOOL}
HELLO = [{"role": "user", "content": "Hi"}]


async def got(desk: Desk, path: str) -> Any:
    async with desk.http.get(desk.url + path) as response:
        assert response.status == 200
        return await response.json()


async def lines(desk: Desk, body: dict[str, Any], path: str = "/api/chat") -> list[dict[str, Any]]:
    async with desk.http.post(desk.url + path, data=json.dumps(body)) as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")
        return [json.loads(line) async for line in response.content]


async def events(desk: Desk, path: str, body: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    async with desk.http.post(desk.url + path, data=json.dumps(body), headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        text = await response.text()
    named = [block.split("\n") for block in text.strip().split("\n\n")]
    assert all(kind.startswith("event: ") and data.startswith("data: ") for kind, data in named)
    return [json.loads(data[6:]) for _, data in named]


async def test_open_webui_polls_and_sends_its_tools_whatever_the_model_can(desk: Desk) -> None:
    assert (await got(desk, "/api/version"))["version"]
    body = {"model": "noise", "messages": HELLO, "stream": True, "tools": [NATIVE_TOOL] * 36, "options": {}}
    last = (await lines(desk, body))[-1]
    assert {"eval_count", "eval_duration", "prompt_eval_count", "prompt_eval_duration"} <= set(last)
    (listed,), (loaded,) = (await got(desk, "/api/tags"))["models"], (await got(desk, "/api/ps"))["models"]
    assert listed["model"] == loaded["model"] == "noise:latest"
    assert datetime.fromisoformat(loaded["expires_at"][:19]).year < 9999
    title = {**body, "stream": False, "options": {"num_predict": 1000}, "tools": None}
    assert (await desk.post("/api/chat", title))[1]["done"]


async def test_ragflow_verifies_a_key_and_goes_without_a_limit(desk: Desk) -> None:
    (listed,) = (await got(desk, "/api/tags"))["models"]
    _, shown = await desk.post("/api/show", {"model": listed["name"]})
    assert shown["model_info"][f"{shown['details']['family']}.context_length"] > 0
    assert "completion" in shown["capabilities"]
    body = {"model": "noise", "messages": [{"role": "user", "content": "Hi", "images": []}], "stream": True}
    more = {"options": {"temperature": 0.9}, "stream_options": {"include_usage": True}}
    assert (await lines(desk, {**body, **more}))[-1]["done"]
    vision = {**body, "stream": False, "options": {"top_k": 0.3, "temperature": 0.1}}
    assert (await desk.post("/api/chat", vision))[0] == 200


async def test_home_assistant_lists_waits_for_pulls_and_sends_results_without_ids(desk: Desk) -> None:
    talk = [*HELLO, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]
    talk += [{"role": "tool", "content": '{"on": true}'}]
    for keep_alive in (-1, "300s"):
        body = {"model": "noise", "messages": talk, "tools": [NATIVE_TOOL], "stream": True, "keep_alive": keep_alive}
        chunks = await lines(desk, {**body, "options": {"num_ctx": 8192.0}, "think": False})
        assert [chunk["done"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    pulled = await lines(desk, {"model": "nobody", "stream": True}, "/api/pull")
    assert "error" in pulled[-1]


async def test_continue_reads_parameters_and_fills_in_the_middle(desk: Desk) -> None:
    template = "{{ if .Suffix }}<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>{{ else }}{{ .Prompt }}{{ end }}"
    made = {"model": "filler", "from": "noise", "template": template, "parameters": {"stop": ["<EOT>"]}}
    await desk.post("/api/create", {**made, "stream": False})
    _, shown = await desk.post("/api/show", {"name": "filler"})
    assert ".Suffix" in shown["template"]
    assert shown["parameters"] == f'{"stop":<30} "<EOT>"'
    body = {"model": "filler", "prompt": "a", "suffix": "b", "keep_alive": 1800, "options": {"num_ctx": 256}}
    assert (await lines(desk, {**body, "raw": False}, "/api/generate"))[-1]["prompt_eval_count"] >= len("<PRE>a")


async def test_opencompass_posts_what_openai_has_and_ollama_ignores(desk: Desk) -> None:
    body = {"model": "noise", "messages": HELLO, "max_tokens": 8, "n": 1, "logprobs": False, "top_logprobs": None}
    status, said = await desk.post("/v1/chat/completions", {**body, "stop": None, "temperature": 0.001})
    assert status == 200
    assert said["choices"][0]["message"]["content"]


async def test_litellm_sends_no_content_type_and_finds_no_route_behind_its_base(desk: Desk) -> None:
    data = json.dumps({"model": "noise", "messages": HELLO, "stream": False}).encode()
    async with desk.http.post(f"{desk.url}/api/chat", data=data, skip_auto_headers=["Content-Type"]) as response:
        assert response.status == 200
    async with desk.http.post(f"{desk.url}/api/chat/api/show", data=b'{"name": "noise"}') as response:
        assert response.status == 404


async def test_codex_streams_a_response_to_developers_namespaces_and_old_thoughts(desk: Desk) -> None:
    text = {"type": "input_text", "text": "Be brief."}
    given = [
        {"type": "message", "role": "developer", "id": "m1", "content": [text]},
        {"type": "reasoning", "id": "r1", "summary": [], "content": None, "encrypted_content": "hm"},
        {"type": "function_call", "call_id": "c1", "name": "shell", "arguments": '{"a": "ls"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "README"},
        {"type": "message", "role": "user", "content": [text]},
    ]
    function = {"type": "function", "strict": False, **TOOL}
    tools = [function, {"type": "namespace", "name": "mcp", "tools": [function]}, {"type": "web_search"}]
    kept = {"include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "client_metadata": {"a": "b"}}
    body = {"model": "noise", "input": given, "tools": tools, "tool_choice": "auto", "stream": True, "store": False}
    told = await events(desk, "/v1/responses", {**body, **kept, "parallel_tool_calls": False})
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert (told[0]["type"], told[-1]["type"]) == ("response.created", "response.completed")
    assert told[-1]["response"]["usage"]["output_tokens"] > 0


async def test_claude_code_asks_in_beta_with_systems_everywhere(desk: Desk) -> None:
    async with desk.http.head(desk.url + "/") as response:
        assert response.status == 200
    cached = {"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral"}}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "b"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "no"}
    messages = [
        {"role": "user", "content": [cached]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, use]},
        {"role": "user", "content": [result]},
        {"role": "system", "content": "A reminder."},
        {"role": "user", "content": "Go on."},
    ]
    asked = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "context_management": {"edits": []}}
    tools = [{"name": "f", "description": "d", "input_schema": TOOL["parameters"]}] * 24
    body = {"model": "noise", "max_tokens": 32000, "stream": True, "system": [cached] * 3, "messages": messages}
    beta = {"anthropic-beta": "a,b", "x-api-key": "", "Authorization": "Bearer ollama"}
    told = await events(desk, "/v1/messages?beta=true", {**body, **asked, "tools": tools, "metadata": {}}, **beta)
    kinds = [event["type"] for event in told]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert told[1]["content_block"] == {"type": "text", "text": ""}
    assert told[-2]["usage"]["output_tokens"] > 0


async def test_a_browser_may_send_what_openais_client_sends(desk: Desk) -> None:
    asked = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"}
    async with desk.http.options(f"{desk.url}/v1/chat/completions", headers=asked) as response:
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "x-stainless-retry-count", "x-stainless-timeout"} <= set(allowed.split(","))
    assert response.status == 204
