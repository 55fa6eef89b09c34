"""Routes of ollama.com's accounts: nobody is signed in."""

from tests.server.server_desk import Desk


async def test_nobody_is_signed_in(desk: Desk) -> None:
    status, body = await desk.post("/api/me", {})
    assert (status, body["error"]) == (401, "unauthorized")
    assert body["signin_url"].startswith("https://ollama.com/connect?name=")
    assert await desk.post("/api/signout", {}) == (401, {"error": "you are not currently signed in"})
    async with desk.http.delete(f"{desk.url}/api/user/keys/abc") as response:
        assert response.status == 401


async def test_the_cloud_searches_for_nobody(desk: Desk) -> None:
    for path in ("web_search", "web_fetch"):
        assert await desk.post(f"/api/experimental/{path}", b"") == (400, {"error": "missing request body"})
        status, body = await desk.post(f"/api/experimental/{path}", {"query": "x"})
        assert (status, body["error"]) == (401, "unauthorized")


async def test_a_model_is_recommended(desk: Desk) -> None:
    async with desk.http.get(f"{desk.url}/api/experimental/model-recommendations") as response:
        body = await response.json()
    assert [entry["model"] for entry in body["recommendations"]] == ["hollie"]
