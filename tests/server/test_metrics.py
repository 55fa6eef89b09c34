"""The page that Prometheus reads, of a live server."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hollama.server import metrics
from tests.server.server_desk import CHATML, Desk, until

Samples = dict[tuple[str, ...], float]


async def scrape(desk: Desk) -> Samples:
    """Values by the sample's name and its labels' values."""
    async with desk.http.get(desk.url + "/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain")
        text = await response.text()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_an_answer_is_counted(desk: Desk) -> None:
    options = {"num_predict": 5}
    for _ in range(2):
        await desk.client.generate("noise", "Hello", raw=True, options=options)
    counted = await scrape(desk)
    model = "noise:latest"
    assert counted["hollama_prompt_tokens_total", model] == 10
    assert counted["hollama_cached_tokens_total", model] == 4
    assert counted["hollama_generated_tokens_total", model] == 10
    assert counted["hollama_time_to_first_token_seconds_count", model] == 2
    assert counted["hollama_tokens_per_second_count", model] == 2
    assert counted["hollama_requests_total", "POST", "/api/generate", "200"] == 2
    assert counted["hollama_request_seconds_count", "/api/generate"] == 2
    assert counted["hollama_models_loaded",] == 1
    assert counted["hollama_model_memory_bytes", model] > 0
    assert counted["hollama_jobs_running", model] == 0


async def test_running_and_waiting_are_what_they_are(
    start: Callable[..., Any], install: Callable[..., None], device: Any
) -> None:
    install("noise", template=CHATML)
    device.script, device.pause = "x" * 5000, 0.005
    desk: Desk = await start(num_parallel=1)
    options = {"num_predict": 400}
    asked = [asyncio.ensure_future(desk.client.generate("noise", "x", options=options)) for _ in range(3)]
    await until(lambda: [(one.running, one.waiting) for one in desk.runtime.residents()] == [(1, 2)], 20)
    counted = await scrape(desk)
    assert counted["hollama_jobs_running", "noise:latest"] == 1
    assert counted["hollama_jobs_waiting", "noise:latest"] == 2
    for one in asked:
        one.cancel()
    await until(lambda: not desk.runtime.residents()[0].running)
    left = ("hollama_requests_total", "POST", "/api/generate", "499")
    while (await scrape(desk)).get(left) != 3:
        await asyncio.sleep(0.01)


async def test_no_label_is_what_a_client_sent(desk: Desk) -> None:
    for number in range(5):
        await desk.http.request("PROPFIND", f"{desk.url}/path{number}")
        await desk.http.get(f"{desk.url}/v1/models/model{number}")
        await desk.post("/api/generate", {"model": f"model{number}", "prompt": "x"})
    counted = await scrape(desk)
    requests = {labels[1:]: value for labels, value in counted.items() if labels[0] == "hollama_requests_total"}
    assert requests == {
        ("other", "other", "404"): 5,
        ("GET", "/v1/models/{model}", "404"): 5,
        ("POST", "/api/generate", "404"): 5,
    }


async def test_pages_of_a_device_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.client.generate("noise", "")
    (loaded,) = desk.device.loads
    monkeypatch.setattr(type(loaded), "pages", property(lambda model: (3, 8)))
    counted = await scrape(desk)
    assert (counted["hollama_kv_pages_used", "noise:latest"], counted["hollama_kv_pages", "noise:latest"]) == (3, 8)


async def test_without_the_library_the_page_says_what_is_missing(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    desk = await start()
    async with desk.http.get(desk.url + "/metrics") as response:
        assert response.status == 501
        assert "hollama[metrics]" in (await response.json())["error"]
    assert metrics.make_metrics(desk.runtime) is None
