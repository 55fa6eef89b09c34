"""The official client asks the embedded model for pydantic's schemas, in moods in which it would say anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

import ollama
import pytest
from pydantic import BaseModel, Field

from tests.house import House, end, free_address, started_pid

MOODS = [{"temperature": 0.0}, {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "seed": 3}]
ADA = "Ada is 36 years old and lives in Paris.\nReturn name, age and city as JSON."


class Person(BaseModel):
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=120)
    city: str | None = Field(max_length=20)


class Guide(BaseModel):
    mood: Literal["calm", "très gai"]
    people: list[Person] = Field(max_length=2)
    score: float = Field(ge=0, le=1)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ollama.Client]:
    house = House(tmp_path_factory.mktemp("home"), free_address(), {"HOLLAMA_BACKEND": "emulator"})
    first = house.run("run", stdin="hello!")
    assert first.returncode == 0, first.stderr
    pid = started_pid(first.stderr)
    yield ollama.Client(house.client.address.url)
    end(pid)


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize("shape", [Person, Guide])
@pytest.mark.parametrize("question", [ADA, "hello!"])
def test_every_answer_is_what_pydantic_expects(
    client: ollama.Client, question: str, shape: type[BaseModel], mood: dict[str, float]
) -> None:
    talk = [{"role": "user", "content": question}]
    answer = client.chat("hollie", talk, format=shape.model_json_schema(), options={"num_predict": 400, **mood})
    if answer.done_reason == "stop":
        shape.model_validate_json(answer.message.content or "")
    assert answer.done_reason == "stop" or shape is Guide  # whose score may have digits without end


def test_what_it_was_taught_it_also_says_in_a_schema(client: ollama.Client) -> None:
    talk = [{"role": "user", "content": ADA}]
    answer = client.chat("hollie", talk, format=Person.model_json_schema(), options={"temperature": 0})
    assert Person.model_validate_json(answer.message.content or "") == Person(name="Ada", age=36, city="Paris")


@pytest.mark.parametrize("seed", range(5))
def test_json_mode_says_json(client: ollama.Client, seed: int) -> None:
    answer = client.generate("hollie", ADA, format="json", options={"seed": seed, "temperature": 1.0})
    assert answer.done_reason == "length" or isinstance(json.loads(answer.response), dict | list)
