"""Embeddings over HTTP: what clients send and get, what is refused and how; the same vectors whatever else runs."""

import asyncio
import base64
import math
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import ollama
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.server_desk import CHATML, HIDDEN, Desk, until

POOLED = {"llama.pooling_type": 1}


@pytest.fixture
async def desk(start: Any, install: Any) -> Desk:
    """A server with the decoder "noise" and the embedding model "pooled", which puts a token before every text."""
    install("noise", template=CHATML)
    install("pooled", metadata=POOLED, salt="pooled")
    desk: Desk = await start()
    return desk


@pytest.fixture
async def openai_client(desk: Desk) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{desk.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def length(vector: Any) -> float:
    return math.sqrt(sum(number * number for number in vector))


async def vector(desk: Desk, text: str, **more: Any) -> list[float]:
    (found,) = (await desk.client.embed(more.pop("model", "pooled"), text, **more)).embeddings
    return list(found)


async def test_the_client_of_ollama_gets_unit_vectors_in_order(desk: Desk) -> None:
    answer = await desk.client.embed("pooled", ["hello", "sky", "hello"])
    assert [len(one) for one in answer.embeddings] == [HIDDEN] * 3
    assert all(length(one) == pytest.approx(1, abs=1e-6) for one in answer.embeddings)
    assert answer.embeddings[0] == answer.embeddings[2] != answer.embeddings[1]
    assert answer.prompt_eval_count == 6 + 4 + 6
    assert answer.total_duration and answer.load_duration


async def test_a_decoder_embeds_by_its_last_state(desk: Desk) -> None:
    assert await vector(desk, "hello", model="noise") != await vector(desk, "hello there", model="noise")
    raw = (await desk.client.embeddings("noise", "hello")).embedding
    assert length(raw) > 2
    unit = np.array(raw) / length(raw)
    assert await vector(desk, "hello", model="noise") == pytest.approx(unit.tolist(), abs=1e-6)


async def test_the_old_route_gives_one_vector(desk: Desk) -> None:
    found = (await desk.client.embeddings("pooled", "hello")).embedding
    assert found == await vector(desk, "hello")
    assert (await desk.client.embeddings("pooled", "")).embedding == []


async def test_fewer_dimensions_are_the_first_ones_and_of_length_one_again(desk: Desk) -> None:
    whole = await vector(desk, "hello")
    for dimensions in (0, -1, HIDDEN, 10**6):
        assert await vector(desk, "hello", dimensions=dimensions) == whole
    cut = await vector(desk, "hello", dimensions=5)
    assert cut == pytest.approx((np.array(whole[:5]) / length(whole[:5])).tolist(), abs=1e-6)


async def test_openais_client_gets_the_same_as_numbers_and_as_bytes(
    desk: Desk, openai_client: openai.AsyncOpenAI
) -> None:
    expected = (await desk.client.embed("pooled", ["hello", "sky"])).embeddings
    for more in ({}, {"encoding_format": "float"}):  # it asks for base64 by itself
        answer = await openai_client.embeddings.create(model="pooled", input=["hello", "sky"], **more)
        found = [np.float32(item.embedding).tobytes() for item in answer.data]
        assert found == [np.float32(one).tobytes() for one in expected]
        assert [item.index for item in answer.data] == [0, 1]
        assert (answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens) == ("pooled", 10, 10)
    _, plain = await desk.post("/v1/embeddings", {"model": "pooled", "input": "sky", "encoding_format": "BASE64"})
    assert np.frombuffer(base64.b64decode(plain["data"][0]["embedding"]), "<f4").tolist() == pytest.approx(expected[1])
    cut = await openai_client.embeddings.create(model="pooled", input="", dimensions=3)
    assert len(cut.data[0].embedding) == 3


async def test_texts_that_are_too_long_are_cut_or_refused(desk: Desk) -> None:
    long = "x" * 600
    answer = await desk.client.embed("pooled", ["a", long])
    assert answer.prompt_eval_count == 2 + 512
    assert await vector(desk, "x" * 511) == list(answer.embeddings[1])
    assert (await desk.client.embed("pooled", long, options={"num_ctx": 32})).prompt_eval_count == 32
    for call in (desk.client.embed("pooled", ["a", long], truncate=False), desk.client.embeddings("pooled", long)):
        with pytest.raises(ollama.ResponseError, match=r"^the input length exceeds the context length") as caught:
            await call
        assert caught.value.status_code == 400


@pytest.mark.parametrize("given", [{}, {"input": ""}, {"input": None}, {"input": []}, {"prompt": "hello"}])
async def test_without_texts_a_model_is_only_loaded(desk: Desk, given: Any) -> None:
    assert await desk.post("/api/embed", {"model": "pooled", **given}) == (200, {"model": "pooled", "embeddings": []})
    assert len(desk.device.loads) == 1
    unload = {"model": "pooled", "keep_alive": 0, **given}
    assert await desk.post("/api/embed", unload) == (200, {"model": "pooled", "embeddings": []})
    await until(lambda: not desk.runtime.residents())
    assert await desk.post("/api/embed", unload) == (200, {"model": "pooled", "embeddings": []})
    assert len(desk.device.loads) == 1


@pytest.mark.parametrize("given", [5, True, {"a": 1}, [5], ["a", None], [["a"]]])
async def test_an_input_of_another_type_is_refused(desk: Desk, given: Any) -> None:
    body = {"model": "pooled", "input": given}
    assert await desk.post("/api/embed", body) == (400, {"error": "invalid input type"})
    status, answer = await desk.post("/v1/embeddings", body)
    assert (status, answer["error"]["message"]) == (400, "invalid input type")


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/api/embed", {"model": "none", "input": "x"}, 404, 'model "none" not found, try pulling it first'),
        ("/api/embed", {"input": "x"}, 404, "model '' not found"),
        ("/api/embed", {"model": "noise", "input": ""}, 200, None),
        ("/api/embed", {"model": "noise", "input": [""]}, 400, "Input content cannot be empty"),
        ("/api/embeddings", {"prompt": "x"}, 400, "model is required"),
        ("/api/embeddings", {"model": "none", "prompt": "x"}, 404, 'model "none" not found, try pulling it first'),
        (
            "/api/embed",
            {"model": "pooled", "input": "x", "keep_alive": "10"},
            400,
            'time: missing unit in duration "10"',
        ),
        (
            "/api/embed",
            {"model": "pooled", "options": {"num_ctx": "a"}},
            500,
            'option "num_ctx" must be of type integer',
        ),
    ],
)
async def test_refusals_have_ollamas_words(desk: Desk, path: str, body: Any, status: int, text: str | None) -> None:
    found, answer = await desk.post(path, body)
    assert (found, answer.get("error")) == (status, text)


@pytest.mark.parametrize(
    ("more", "status", "kind", "text"),
    [
        ({}, 400, "invalid_request_error", "invalid input"),
        ({"input": []}, 400, "invalid_request_error", "invalid input"),
        ({"input": "x", "model": "none"}, 404, "not_found_error", 'model "none" not found, try pulling it first'),
        (
            {"input": "x", "encoding_format": "hex"},
            400,
            "invalid_request_error",
            "Invalid value for 'encoding_format' = hex. Supported values: ['float', 'base64'].",
        ),
    ],
)
async def test_openais_refusals_have_its_shape(desk: Desk, more: Any, status: int, kind: str, text: str) -> None:
    found = await desk.post("/v1/embeddings", {"model": "pooled", **more})
    assert found == (status, {"error": {"message": text, "type": kind, "param": None, "code": None}})


@pytest.mark.parametrize(("number", "name"), [(0, "none"), (4, "rank"), (9, "9")])
async def test_a_model_without_a_vector_for_a_text_says_so(start: Any, install: Any, number: int, name: str) -> None:
    install("odd", metadata={"llama.pooling_type": number})
    status, answer = await (await start()).post("/api/embed", {"model": "odd", "input": "x"})
    assert status == 400
    assert answer["error"].startswith(f"Pooling type '{name}' is not OAI compatible.")


async def test_numbers_that_are_none_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.client.embed("pooled", "x")
    (device,) = desk.device.loads
    monkeypatch.setattr(device, "encode", lambda work: [np.full((w.wanted, HIDDEN), np.nan, np.float32) for w in work])
    answer = await desk.post("/api/embed", {"model": "pooled", "input": "x"})
    assert answer == (400, {"error": "embedding contains NaN or Inf values"})


async def test_an_embedding_model_embeds_and_nothing_else(desk: Desk) -> None:
    assert (await desk.client.show("pooled")).capabilities == ["embedding"]
    with pytest.raises(ollama.ResponseError, match='"pooled" does not support chat'):
        await desk.client.chat("pooled", [{"role": "user", "content": "Hello"}])
    async with desk.http.get(desk.url + "/api/tags") as response:
        listed = {model["name"]: model["capabilities"] for model in (await response.json())["models"]}
    assert listed["pooled:latest"] == ["embedding"]


async def test_a_client_that_leaves_stops_its_embedding(desk: Desk) -> None:
    await desk.client.embed("pooled", "x")
    waiting = asyncio.ensure_future(desk.client.embed("pooled", ["y" * 500] * 200))
    (resident,) = desk.runtime._residency.residents
    await until(lambda: resident.loaded.model.engine.busy > 0)
    waiting.cancel()
    await until(lambda: resident.loaded.model.engine.busy == 0 and not resident.users)


async def test_a_batch_is_its_texts_alone_also_while_chats_run(start: Any, install: Any) -> None:
    install("noise", template=CHATML)
    desk = await start(num_parallel=4)
    texts = ["", "a", "hello", "x" * 300, "hello there", "y" * 511, "ü€"]
    alone = [await vector(desk, text, model="noise") for text in texts[1:]]
    prompt = [{"role": "user", "content": "Hello"}]
    before = await desk.client.chat("noise", prompt, options={"num_predict": 100})
    chats = [desk.client.chat("noise", prompt, options={"num_predict": 100}) for _ in range(4)]
    batches = [desk.client.embed("noise", texts[1:]) for _ in range(3)]
    *said, one, two, three = await asyncio.gather(*chats, *batches)
    assert {answer.message.content for answer in said} == {before.message.content}
    for batch in (one, two, three):
        assert [list(found) for found in batch.embeddings] == alone


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
likely = st.sampled_from(["noise", "pooled", "hello", "float", "base64", "", [], ["a", "b"], 0, -1, 3, "5m", "x" * 700])
names = ("model", "input", "prompt", "truncate", "dimensions", "keep_alive", "options", "encoding_format", "Model")
options = st.dictionaries(st.sampled_from(["num_ctx", "seed", "stop", "num_batch"]), values, max_size=3)
bodies = st.fixed_dictionaries(
    {"model": st.sampled_from(["noise", "pooled"]) | likely | values},
    optional={name: options if name == "options" else likely | values for name in names[1:]},
)


async def test_no_body_is_answered_with_a_fault_of_the_server(desk: Desk) -> None:
    """200, or a refusal in the dialect's shape; at once."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=bodies, path=st.sampled_from(["/api/embed", "/api/embeddings", "/v1/embeddings"]))
    def hurl(body: Any, path: str) -> None:
        asking = asyncio.run_coroutine_threadsafe(desk.post(path, body), loop)
        status, answer = asking.result(10)
        if status == 200:
            assert {"/api/embed": "embeddings", "/api/embeddings": "embedding", "/v1/embeddings": "data"}[
                path
            ] in answer
        else:
            text = answer["error"]["message"] if path.startswith("/v1") else answer["error"]
            assert text
            assert status in (400, 404) or (status == 500 and text.startswith('option "'))

    await asyncio.to_thread(hurl)
