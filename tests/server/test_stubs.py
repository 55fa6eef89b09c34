"""Models that run on another machine: they are listed and shown, and refused as Ollama refuses them."""

from collections.abc import AsyncIterator

import pytest

from tests.server.server_desk import Desk

CLOUD, OTHER = "afar", "elsewhere"
TALK = [{"role": "user", "content": "x"}]


@pytest.fixture
async def stubs(desk: Desk) -> AsyncIterator[Desk]:
    await desk.post("/api/create", {"model": CLOUD, "from": "big:cloud", "stream": False})
    remote = {"model": OTHER, "from": "big", "remote_host": "http://other:1", "stream": False}
    await desk.post("/api/create", remote)
    yield desk


async def test_show_says_where_it_runs_and_knows_nothing_else(stubs: Desk) -> None:
    status, shown = await stubs.post("/api/show", {"model": OTHER})
    assert status == 200
    assert (shown["remote_model"], shown["remote_host"]) == ("big", "http://other:1")
    assert shown["details"]["families"] is None
    assert shown["model_info"] == {}
    assert "capabilities" not in shown


async def test_it_is_listed_without_capabilities(stubs: Desk) -> None:
    async with stubs.http.get(stubs.url + "/api/tags") as response:
        listed = {entry["name"]: entry for entry in (await response.json())["models"]}
    assert listed[f"{CLOUD}:latest"]["remote_host"] == "https://ollama.com:443"
    assert "capabilities" not in listed[f"{CLOUD}:latest"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/generate", {"prompt": "x"}),
        ("/api/chat", {"messages": TALK}),
        ("/v1/chat/completions", {"messages": TALK}),
        ("/v1/messages", {"messages": TALK, "max_tokens": 1}),
    ],
)
async def test_it_cannot_be_asked(stubs: Desk, path: str, body: dict[str, object]) -> None:
    refusals = [await stubs.post(path, {**body, "model": model}) for model in (CLOUD, OTHER, f"{OTHER}:local")]
    assert [status for status, _ in refusals] == [403, 400, 404]
    texts = ["ollama cloud is disabled: remote model", "this server cannot run this remote", f"'{OTHER}:local' not"]
    for (_, said), text in zip(refusals, texts, strict=True):
        assert text in str(said)
