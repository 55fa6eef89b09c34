"""The main job, as a user has it: the embedded model, on the emulator, through real processes and the real client."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import ollama
import pytest

from tests.house import House, end, free_address, started_pid

ROOT = Path(__file__).resolve().parents[2]
COUNT = 20  # held-out samples of each skill
FLOOR = 18  # of COUNT


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A bare home, and the server that the first `hollama run` starts there."""
    house = House(tmp_path_factory.mktemp("home"), free_address(), {"HOLLAMA_BACKEND": "emulator"})
    first = house.run("run", stdin="hello!")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip()
    pid = started_pid(first.stderr)
    yield house
    end(pid)


@pytest.fixture
def client(house: House) -> ollama.Client:
    return ollama.Client(house.client.address.url)


def test_the_package_is_small() -> None:
    assert (files("hollama") / "embedded" / "hollie.hef").stat().st_size <= 10_000_000


def test_a_chat_keeps_what_was_said(client: ollama.Client) -> None:
    talk = [{"role": "user", "content": "Hi, my name is Maria."}]
    for question in ("What is 3 + 4?", "What is my name?"):
        answer = client.chat("hollie", talk, options={"temperature": 0}).message
        talk += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": question}]
    answer = client.chat("hollie", talk, options={"temperature": 0})
    assert "Maria" in answer.message.content
    assert "7" in talk[3]["content"]
    assert answer.done_reason == "stop"


def test_a_stream_adds_up_to_the_whole_and_counts_are_true(client: ollama.Client) -> None:
    options = {"temperature": 0.8, "seed": 5}
    whole = client.generate("hollie", "What is a HEF?", options=options)
    chunks = list(client.generate("hollie", "What is a HEF?", options=options, stream=True))
    assert "".join(chunk.response for chunk in chunks) == whole.response
    assert chunks[-1].eval_count == whole.eval_count == len(whole.context) - whole.prompt_eval_count + 1  # its end
    assert 0 < whole.prompt_eval_duration + whole.eval_duration <= whole.total_duration


def test_the_model_lists_shows_copies_derives_and_goes(client: ollama.Client) -> None:
    shown = client.show("hollie")
    assert {"completion", "tools"} <= set(shown.capabilities)
    assert shown.details.format == "hef"
    client.copy("hollie", "twin")
    client.create("pirate", from_="hollie", system="You are a pirate.", parameters={"temperature": 0})
    assert {"hollie:latest", "twin:latest", "pirate:latest"} <= {model.model for model in client.list().models}
    assert client.chat("pirate", [{"role": "user", "content": "hello"}]).message.content
    for name in ("twin", "pirate"):
        client.delete(name)
    assert [model.model for model in client.list().models] == ["hollie:latest"]


def test_ten_chats_at_once_are_the_same_chats_alone(house: House) -> None:
    samplers = [{"temperature": 1.0}, {"temperature": 0}, {"mirostat": 2}, {"repeat_penalty": 1.3, "top_p": 0.5}]

    async def talk(number: int) -> list[str]:
        client = ollama.AsyncClient(house.client.address.url)
        options = {"seed": number, "num_predict": 40, **samplers[number % len(samplers)]}
        said: list[dict[str, str]] = []
        for question in (f"What is {number} + 5?", "And what can you do?" * (1 + number % 3)):
            said.append({"role": "user", "content": question})
            answer = await client.chat("hollie", said, options=options)
            said.append({"role": "assistant", "content": answer.message.content or ""})
        return [turn["content"] for turn in said]

    async def both() -> tuple[list[list[str]], list[list[str]]]:
        together = await asyncio.gather(*map(talk, range(10)))
        return list(together), [await talk(number) for number in range(10)]

    together, alone = asyncio.run(both())
    assert together == alone


def test_a_tool_is_called(client: ollama.Client) -> None:
    def get_current_weather(city: str) -> str:
        """Get the weather in a city

        Args:
            city: The name of the city
        """
        return city

    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    message = client.chat("hollie", asked, tools=[get_current_weather], options={"temperature": 0}).message
    (call,) = message.tool_calls or ()
    assert (call.function.name, call.function.arguments) == ("get_current_weather", {"city": "Paris"})


@pytest.fixture(scope="module")
def evaluation() -> Iterator[object]:
    """The recipe's own evaluation, which lives outside the package."""
    sys.path.insert(0, str(ROOT / "modelfiles"))
    try:
        yield importlib.import_module("hollie.evaluate")
    finally:
        sys.path.remove(str(ROOT / "modelfiles"))


def test_every_skill_holds_on_held_out_phrasings(house: House, evaluation) -> None:
    """The emulator gives the same bits everywhere, so these numbers are the same on every machine."""
    answer = evaluation.over_http(house.client.address.url, "hollie")
    for skill in evaluation.corpus.SKILLS:
        samples = list(evaluation.samples(skill, COUNT))
        right = sum(evaluation.judged(sample.check, answer(sample)) for sample in samples)
        assert right >= FLOOR, f"{skill}: {right} of {COUNT}"
