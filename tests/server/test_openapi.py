"""The description of the server: it is of this server, whole, and true."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.server.server_desk import Desk

PLACES = {"{digest}": "sha256:" + "0" * 64, "{model}": "noise", "{key}": "k"}


@pytest.fixture
async def described(desk: Desk) -> AsyncIterator[dict[str, Any]]:
    async with desk.http.get(desk.url + "/openapi.json") as response:
        assert response.status == 200
        yield await response.json()


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, one) for path, known in described["paths"].items() for method, one in known.items()]


def filled(path: str) -> str:
    for place, value in PLACES.items():
        path = path.replace(place, value)
    return path


def test_it_is_valid_openapi(described: dict[str, Any]) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, of the extra `dev`")
    schema = schemathesis.openapi.from_dict(described)
    assert len(list(schema.get_all_operations())) == len(operations(described))


async def test_every_route_is_in_it_and_the_other_way_round(desk: Desk, described: dict[str, Any]) -> None:
    """What is in it is answered by a handler, and no method beside it is: a 405 names those that are."""
    for path, known in described["paths"].items():
        methods = {method.upper() for method in known}
        async with desk.http.request("PATCH", desk.url + filled(path)) as response:
            assert response.status == 405
            assert set(response.headers["Allow"].split(", ")) == methods, path


async def test_bodies_are_decoded_by_the_tables_that_it_shows(desk: Desk, described: dict[str, Any]) -> None:
    """A list is no request anywhere: the decoder's complaint names the table."""
    for method, path, operation in operations(described):
        if method in ("get", "head"):
            continue
        async with desk.http.request(method, desk.url + filled(path), data=b"[]") as response:
            said = await response.text()
        body = operation.get("requestBody", {"content": {"": {"schema": {}}}})
        ((_, content),) = body["content"].items()
        table = content["schema"].get("$ref", "").rpartition("/")[2]
        complaint = f"json: cannot unmarshal array into Go value of type {table}"
        assert (complaint in said) if table else ("cannot unmarshal" not in said), (method, path, said)


async def test_refusals_are_of_the_shape_that_it_shows(desk: Desk, described: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema, of the extra `dev`")
    for method, path, operation in operations(described):
        if "requestBody" not in operation or "{" in path:
            continue
        async with desk.http.request(method, desk.url + path, data=b"{") as response:
            assert response.status >= 400
            said = json.loads(await response.read())
        schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
        jsonschema.validate(said, {**schema, "components": described["components"]})


def test_what_a_request_may_hold_is_there(described: dict[str, Any]) -> None:
    chat = described["components"]["schemas"]["api.ChatRequest"]["properties"]
    assert chat["stream"] == {"type": "boolean"}
    assert chat["keep_alive"] == {"type": ["number", "string"]}
    assert chat["messages"]["items"] == {"$ref": "#/components/schemas/api.Alias"}
    property = described["components"]["schemas"]["api.ToolProperty"]["properties"]
    assert property["anyOf"]["items"] == {"$ref": "#/components/schemas/api.ToolProperty"}
