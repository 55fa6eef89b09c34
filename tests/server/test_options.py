"""What the options of a request do at their edges, on a live server. Source: facts about the API, 3.5 and 4.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.server.server_desk import CHATML, Desk


async def ask(desk: Desk, **more: Any) -> dict[str, Any]:
    status, answer = await desk.post("/api/generate", {"model": "noise", "prompt": "Hi", "stream": False, **more})
    assert status == 200, answer
    return dict(answer)


async def rendered(desk: Desk, **more: Any) -> str:
    return str((await ask(desk, _debug_render_only=True, **more))["_debug_info"]["rendered_template"])


@pytest.mark.parametrize(("asked", "held"), [(-5, 4), (0, 4), (3, 4), (100, 100), (10**9, 512), (64.9, 64)])
async def test_a_context_out_of_range_is_the_next_that_is_in_it(desk: Desk, asked: float, held: int) -> None:
    await ask(desk, options={"num_ctx": asked, "num_predict": 1})
    (model,) = (await desk.client.ps()).models
    assert model.context_length == held


async def test_an_empty_stop_ends_at_once(desk: Desk) -> None:
    answer = await ask(desk, options={"stop": [""]})
    assert (answer["response"], answer["done_reason"]) == ("", "stop")


@pytest.mark.parametrize("most", [-1, -2, 0, 10**6])
async def test_an_answer_is_bounded_by_ten_contexts(
    start: Callable[..., Any], install: Callable[..., None], device: Any, most: int
) -> None:
    install("noise", template=CHATML)
    device.script = "x" * 3000
    answer = await ask(await start(), raw=True, options={"num_ctx": 16, "num_predict": most})
    assert (answer["eval_count"], answer["done_reason"]) == (160, "length")


async def test_without_shift_a_full_context_ends_an_answer(
    start: Callable[..., Any], install: Callable[..., None], device: Any
) -> None:
    install("noise", template=CHATML)
    device.script = "x" * 3000
    answer = await ask(await start(), raw=True, shift=False, options={"num_ctx": 64, "num_predict": -1})
    assert (answer["eval_count"], answer["done_reason"]) == (62, "length")


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 0}, {"top_k": 40.9}, {"repeat_last_n": -1}, {"repeat_last_n": 0}, {"seed": -1}, {"num_keep": -1},
        {"temperature": 0}, {"min_p": 1.0}, {"typical_p": 0.5}, {"repeat_penalty": 1.1}, {"presence_penalty": -2},
        {"frequency_penalty": 2}, {"top_p": None}, {"num_batch": 1}, {"num_gpu": 0}, {"main_gpu": 1},
        {"use_mmap": False}, {"num_thread": 1}, {"draft_num_predict": 0}, {"mirostat": 0}, {"tfs_z": "any"},
    ],
)  # fmt: skip
async def test_every_option_is_taken(desk: Desk, options: dict[str, Any]) -> None:
    assert (await ask(desk, options={"num_predict": 2, **options}))["done"]


async def test_a_requests_template_system_and_context_go_before_the_models(desk: Desk) -> None:
    template = "{{ .System }}|{{ .Prompt }}|"
    assert await rendered(desk, template=template, system="Be brief") == "Be brief|Hi|"
    context = (await ask(desk, template=template, options={"num_predict": 1}))["context"]
    assert (await rendered(desk, template=template, context=context)).startswith("|Hi|")


async def test_a_raw_prompt_takes_nothing_else(desk: Desk) -> None:
    for more in ({"template": "x"}, {"system": "x"}, {"context": [1]}):
        status, answer = await desk.post("/api/generate", {"model": "noise", "prompt": "Hi", "raw": True, **more})
        assert (status, answer["error"]) == (400, "raw mode does not support template, system, or context")


async def test_an_option_that_nobody_reads_is_told_to_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await ask(desk, options={"temprature": 0, "temperature": 0, "regex": "a|b", "num_predict": 1})
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["invalid option provided: 'temprature'"]
