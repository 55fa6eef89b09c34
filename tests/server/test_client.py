"""What the official Python client can do with the server."""

import ollama
import pytest

from tests.server.server_desk import CHATML, Desk, until

HELLO = [{"role": "user", "content": "Hello"}]


async def test_a_chat_is_answered(desk: Desk) -> None:
    answer = await desk.client.chat("noise", HELLO)
    assert answer.done
    assert answer.done_reason in ("stop", "length")
    assert answer.eval_count
    assert answer.prompt_eval_count == len(b"user\nHello\nassistant\n") + 3  # and three control tokens


async def test_a_stream_says_the_same_as_a_whole_answer(desk: Desk) -> None:
    whole = await desk.client.chat("noise", HELLO)
    chunks = [chunk async for chunk in await desk.client.chat("noise", HELLO, stream=True)]
    assert "".join(chunk.message.content for chunk in chunks) == whole.message.content
    assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_a_generation_gives_its_context_back(desk: Desk) -> None:
    first = await desk.client.generate("noise", "Hello")
    assert first.prompt_eval_count is not None
    assert first.eval_count is not None
    second = await desk.client.generate("noise", "More", context=first.context)
    assert second.context[: len(first.context)] == first.context


async def test_a_stream_of_a_generation_ends_with_the_context(desk: Desk) -> None:
    chunks = [chunk async for chunk in await desk.client.generate("noise", "Hello", stream=True)]
    assert [bool(chunk.context) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_models_are_listed_and_shown(desk: Desk) -> None:
    (model,) = (await desk.client.list()).models
    assert (model.model, model.details.family, model.details.format) == ("noise:latest", "llama", "hef")
    shown = await desk.client.show("noise")
    assert shown.template == CHATML
    assert set(shown.capabilities or ()) == {"completion", "tools"}
    assert (shown.modelinfo or {})["general.architecture"] == "llama"


async def test_a_model_is_created_copied_and_deleted(desk: Desk) -> None:
    made = await desk.client.create("Sub/mine:v1", from_="noise", system="Be kind.", parameters={"temperature": 0.5})
    assert made.status == "success"
    assert (await desk.client.copy("Sub/mine:v1", "twin")).status == "success"
    assert {model.model for model in (await desk.client.list()).models} == {
        "noise:latest",
        "Sub/mine:v1",
        "twin:latest",
    }
    assert "temperature" in ((await desk.client.show("twin")).parameters or "")
    for name in ("sub/MINE:v1", "twin"):
        assert (await desk.client.delete(name)).status == "success"
    assert [model.model for model in (await desk.client.list()).models] == ["noise:latest"]


async def test_creation_streams_its_steps(desk: Desk) -> None:
    steps = [step.status async for step in await desk.client.create("mine", from_="noise", system="x", stream=True)]
    assert steps[-2:] == ["writing manifest", "success"]


async def test_a_loaded_model_is_shown_until_it_is_unloaded(desk: Desk) -> None:
    assert (await desk.client.ps()).models == []
    await desk.client.generate("noise", "Hello", keep_alive="1h")
    (model,) = (await desk.client.ps()).models
    assert (model.model, model.context_length) == ("noise:latest", 512)
    left = (model.expires_at.timestamp() if model.expires_at else 0) - __import__("time").time()
    assert 3500 < left <= 3600
    gone = await desk.client.generate("noise", keep_alive=0)
    assert gone.done_reason == "unload"
    assert (await desk.client.ps()).models == []


async def test_an_empty_request_loads(desk: Desk) -> None:
    assert (await desk.client.chat("noise", [])).done_reason == "load"
    assert (await desk.client.generate("noise")).done_reason == "load"
    assert len(desk.device.loads) == 1


async def test_keep_alive_of_zero_unloads_after_the_answer(desk: Desk) -> None:
    await desk.client.generate("noise", "Hello", keep_alive=0)
    await until(lambda: not desk.runtime.residents())


async def test_a_model_kept_for_ever_expires_in_a_year_clients_can_read(desk: Desk) -> None:
    await desk.client.generate("noise", "Hello", keep_alive=-1)
    (model,) = (await desk.client.ps()).models
    assert model.expires_at and model.expires_at.year > 2300


async def test_a_missing_model_is_named_as_clients_expect(desk: Desk) -> None:
    with pytest.raises(ollama.ResponseError, match=r"^model 'None:1b' not found") as caught:
        await desk.client.chat("None:1b", HELLO)
    assert caught.value.status_code == 404


async def test_a_blob_is_uploaded_once_and_verified(desk: Desk) -> None:
    digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    url = f"{desk.url}/api/blobs/{digest}"
    statuses = []
    for method, data in (("HEAD", None), ("POST", b"other"), ("POST", b"hello"), ("POST", b"hello"), ("HEAD", None)):
        async with desk.http.request(method, url, data=data) as response:
            statuses.append(response.status)
    assert statuses == [404, 400, 201, 200, 200]
    assert desk.store.blob_path(digest).read_bytes() == b"hello"
