"""What the server says of a model."""

from collections.abc import Callable
from typing import Any

from hollama.modelfile import parse
from tests.server.server_desk import CHATML, Desk

PARAMS = '{"stop":["<|im_end|>","two words"],"temperature":0.5,"num_ctx":64}'


async def test_everything_of_a_model_is_shown(start: Callable[..., Any], install: Callable[..., None]) -> None:
    install(
        "m",
        template=CHATML,
        system="Be\nkind.",
        params=PARAMS,
        license="MIT",
        messages='[{"role":"user","content":"q"}]',
    )
    desk: Desk = await start()
    status, shown = await desk.post("/api/show", {"name": "M"})
    assert status == 200
    assert shown["parameters"].splitlines() == [
        'stop                           "<|im_end|>"',
        'stop                           "two words"',
        "temperature                    0.5",
        "num_ctx                        64",
    ]
    assert (shown["license"], shown["system"], shown["template"]) == ("MIT", "Be\nkind.", CHATML)
    assert shown["messages"] == [{"role": "user", "content": "q"}]
    assert shown["tensors"] == [{"name": "w", "type": shown["tensors"][0]["type"], "shape": [2, 3]}]
    assert shown["model_info"]["general.parameter_count"] == 1_500_000
    assert "general.name" not in shown["model_info"]


async def test_a_packages_own_template_is_not_replaced_by_the_default(
    start: Callable[..., Any], install: Callable[..., None]
) -> None:
    install("m", chat_template="{% for m in messages %}{{ m.content }}{% endfor %}")
    desk = await start()
    _, shown = await desk.post("/api/show", {"model": "m"})
    assert "TEMPLATE" not in shown["modelfile"]
    assert shown["template"].startswith("{% for")


async def test_the_modelfile_makes_the_model_again(start: Callable[..., Any], install: Callable[..., None]) -> None:
    install("m", template=CHATML, system="Be\nkind.", params=PARAMS)
    desk: Desk = await start()
    _, shown = await desk.post("/api/show", {"model": "m", "options": {"seed": 3}})
    modelfile = parse(shown["modelfile"])
    assert modelfile.sources == (str(desk.store.find("m").model_path),)
    assert (modelfile.last("template"), modelfile.last("system")) == (CHATML, "Be\nkind.")
    assert modelfile.typed_parameters() == {
        "stop": ["<|im_end|>", "two words"], "temperature": 0.5, "num_ctx": 64, "seed": 3,
    }  # fmt: skip


async def test_a_broken_model_does_not_hide_the_others(desk: Desk) -> None:
    model = desk.store.find("noise")
    desk.store.copy("noise", "twin")
    model.model_path.write_bytes(b"damaged")
    listed = (await desk.client.list()).models
    assert {entry.model for entry in listed} == {"noise:latest", "twin:latest"}
    status, answer = await desk.post("/api/generate", {"model": "noise", "prompt": "x"})
    assert status == 500
    assert answer["error"]


async def test_another_system_stands_in_the_answer_and_in_its_modelfile(desk: Desk) -> None:
    _, shown = await desk.post("/api/show", {"model": "noise", "system": "Be brief."})
    assert shown["system"] == "Be brief."
    assert "\nSYSTEM Be brief.\n" in shown["modelfile"]
