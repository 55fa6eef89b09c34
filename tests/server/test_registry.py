"""Pulling and pushing: refused in the words and the framing of an Ollama that reaches no registry."""

import json
from typing import Any

import pytest

from tests.server.server_desk import Desk

REGISTRY = {"model": "127.0.0.1:9/some/body:v1", "insecure": True}


async def lines(desk: Desk, path: str, body: dict[str, Any]) -> tuple[int, str, list[dict[str, Any]]]:
    async with desk.http.post(desk.url + path, data=json.dumps(body)) as response:
        text = await response.text()
        return response.status, response.content_type, [json.loads(line) for line in text.splitlines()]


async def test_a_pull_begins_and_then_says_that_nobody_is_there(desk: Desk) -> None:
    status, kind, said = await lines(desk, "/api/pull", REGISTRY)
    assert (status, kind) == (200, "application/x-ndjson")
    assert said[0] == {"status": "pulling manifest"}
    assert said[1]["error"].startswith("pull model manifest: registry 127.0.0.1:9 is unreachable")
    assert len(said) == 2


@pytest.mark.parametrize("path", ["/api/pull", "/api/push"])
async def test_without_a_stream_the_status_says_so(desk: Desk, path: str) -> None:
    await desk.client.copy("noise", REGISTRY["model"])
    status, kind, said = await lines(desk, path, {**REGISTRY, "stream": False})
    assert (status, kind) == (500, "application/json")
    assert "unreachable" in said[0]["error"]


async def test_a_push_of_what_is_not_installed_says_which_file_is_missing(desk: Desk) -> None:
    status, _, said = await lines(desk, "/api/push", {"model": "nobody/nothing"})
    assert status == 200
    assert said[:2] == [{"status": "retrieving manifest"}, {"status": "couldn't retrieve manifest"}]
    path = desk.store.root / "manifests/registry.ollama.ai/nobody/nothing/latest"
    assert said[2] == {"error": f"open {path}: no such file or directory"}


async def test_create_does_not_find_its_base_at_another_registry_either(desk: Desk) -> None:
    status, _, said = await lines(desk, "/api/create", {"model": "x", "from": REGISTRY["model"]})
    assert (status, said[0]) == (200, {"status": "pulling manifest"})
    assert said[1] == {"error": "pull model manifest: registry 127.0.0.1:9 is unreachable"}
