"""What the router answers, and who may talk to the server."""

import json
from typing import Any

import pytest

from hollama.server.guard import host_check, is_near, split_port
from tests.server.server_desk import Desk


async def get(desk: Desk, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, str]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with desk.http.request(method, desk.url + path, headers=names, allow_redirects=False) as response:
        return response.status, response.headers, await response.text()


async def test_the_root_says_the_words_clients_look_for(desk: Desk) -> None:
    assert (await get(desk, "/"))[::2] == (200, "Ollama is running")
    assert (await get(desk, "/", "HEAD"))[::2] == (200, "")


async def test_the_version_is_one_clients_accept_and_ours_is_in_a_header(desk: Desk) -> None:
    _, headers, text = await get(desk, "/api/version")
    assert int(json.loads(text)["version"].split(".")[1]) >= 14
    assert headers["Server"].startswith("hollama/")


async def test_an_unknown_path_is_404_and_a_wrong_method_405(desk: Desk) -> None:
    assert (await get(desk, "/nope"))[::2] == (404, "404 page not found")
    status, headers, text = await get(desk, "/api/tags", "POST")
    assert (status, headers["Allow"], text) == (405, "GET, HEAD", "405 method not allowed")


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 307), ("DELETE", 404)])
async def test_a_slash_at_the_end_redirects(desk: Desk, method: str, status: int) -> None:
    got, headers, _ = await get(desk, "/api/tags/?a=1", method)
    assert got == status
    assert status == 404 or headers["Location"] == "/api/tags?a=1"


async def test_an_allowed_origin_is_echoed_even_on_streams_and_errors(desk: Desk) -> None:
    for path in ("/api/version", "/nope"):
        _, headers, _ = await get(desk, path, Origin="http://localhost:3000")
        assert headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    body = json.dumps({"model": "noise", "prompt": "x"})
    origin = {"Origin": "app://obsidian.md"}
    async with desk.http.post(f"{desk.url}/api/generate", data=body, headers=origin) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "app://obsidian.md"
        assert response.content_type == "application/x-ndjson"


async def test_a_preflight_is_answered(desk: Desk) -> None:
    status, headers, text = await get(desk, "/api/chat", "OPTIONS", Origin="http://localhost")
    assert (status, text, headers["Allow"]) == (204, "", "POST")
    assert "Content-Type" in headers["Access-Control-Allow-Headers"]


async def test_a_foreign_origin_or_host_gets_nothing(desk: Desk) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert (await get(desk, "/api/tags", **headers))[::2] == (403, "")


def test_a_server_for_all_checks_no_host() -> None:
    assert host_check("0.0.0.0") is None


@pytest.mark.parametrize(
    ("host", "near"),
    [("127.9.9.9", True), ("10.1.2.3", True), ("fd00::1", True), ("0.0.0.0", True), ("8.8.8.8", False), ("x", False)],
)
def test_addresses_nearby_are_known(host: str, near: bool) -> None:
    assert is_near(host) is near


@pytest.mark.parametrize(
    ("text", "host"), [("a:1", "a"), ("a", "a"), ("[::1]:2", "::1"), ("[::1]", "::1"), ("", ""), ("::1", "::1")]
)
def test_a_port_is_split_off(text: str, host: str) -> None:
    assert split_port(text) == host


async def test_a_model_whose_manifest_is_damaged_can_be_deleted(desk: Desk) -> None:
    (manifest,) = (desk.store.root / "manifests").rglob("noise/*")
    manifest.write_text("{")
    async with desk.http.delete(f"{desk.url}/api/delete", data=b'{"model": "Noise"}') as response:
        assert response.status == 200
    assert not manifest.exists()
    async with desk.http.delete(f"{desk.url}/api/delete", data=b'{"model": "Noise"}') as response:
        assert (response.status, await response.json()) == (404, {"error": "model 'Noise' not found"})
