"""Malformed bodies at the doors of the other dialects: no 5xx, and every refusal in the dialect's own shape."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.api.bodies import bodies
from tests.server.server_desk import Desk

COUNT = 40


def drawn(strategy: st.SearchStrategy[bytes]) -> list[bytes]:
    found: list[bytes] = []

    @settings(max_examples=COUNT, phases=[Phase.generate], database=None, derandomize=True)
    @given(strategy)
    def take(body: bytes) -> None:
        found.append(body)

    take()
    return found


def shaped(path: str, body: dict[str, Any]) -> bool:
    error = body["error"]
    if path.startswith("/v1/messages"):
        return body["type"] == "error" and bool(error["message"]) and body["request_id"].startswith("req_")
    return set(error) == {"message", "type", "param", "code"} and bool(error["message"])


@pytest.mark.parametrize(
    ("path", "fixed"),
    [
        ("/v1/chat/completions", {"max_tokens": 2}),
        ("/v1/completions", {"max_tokens": 2, "prompt": "x"}),
        ("/v1/responses", {"max_output_tokens": 2}),
        ("/v1/messages", {"max_tokens": 2}),
        ("/v1/messages/count_tokens", {}),
    ],
)
async def test_malformed_bodies_are_refused_in_shape(desk: Desk, path: str, fixed: dict[str, Any]) -> None:
    for body in await asyncio.to_thread(drawn, bodies(model="noise", **fixed)):
        async with desk.http.post(desk.url + path, data=body) as response:
            text = await response.text()
        assert response.status < 500, (body, text)
        if response.status != 200:
            assert shaped(path, json.loads(text)), text
