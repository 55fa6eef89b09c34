"""Ten concurrent chats, each equal, token for token, to the same chat alone: over HTTP, on the emulator.

The chats differ in all that a request may say about sampling, some outgrow their context, and each has a second turn,
which finds its first in a cache or does not.
"""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.store.manifest import HEF, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store
from tests.checkpoints import random_checkpoint
from tests.server.server_desk import Desk

OPTIONS: tuple[dict[str, Any], ...] = (
    {"temperature": 0},
    {"temperature": 1.5, "top_k": 0, "top_p": 1.0},
    {"temperature": 0.7, "top_p": 0.5},
    {"min_p": 0.1},
    {"typical_p": 0.6},
    {"repeat_penalty": 1.5, "repeat_last_n": -1},
    {"presence_penalty": 0.8, "frequency_penalty": 0.5},
    {"mirostat": 1, "mirostat_tau": 3.0},
    {"mirostat": 2, "mirostat_eta": 0.5},
    {"num_ctx": 48, "num_keep": 8, "temperature": 1.2},
)
CHATS = tuple({**options, "seed": seed, "num_predict": 40} for seed, options in enumerate(OPTIONS))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("determinism")
    settings = CompileSettings(context=96, prefill_chunk=16, group_size=32)
    compile_checkpoint(random_checkpoint(folder / "checkpoint"), folder / "m.hef", settings, lambda *_: None)
    return folder / "m.hef"


@pytest.fixture
def serve(start: Callable[..., Any], store: Store, package: Path) -> Callable[[], Any]:
    """A new server with nothing loaded."""
    store.write_manifest(ModelName.parse("m"), ModelConfig("hef", "qwen2"), [store.add_blob(package, HEF)])
    return lambda: start(backend="emulator")


async def chat(desk: Desk, options: dict[str, Any], leave_after: int = 1000) -> list[Any]:
    """All that the server says of each token in two turns; a chat that leaves does so in the midst of the first."""
    messages = [{"role": "user", "content": f"Question {options['seed']}"}]
    said: list[Any] = []
    for _ in range(2):
        body = {"model": "m", "messages": messages, "options": options, "logprobs": True, "top_logprobs": 2}
        text = ""
        async with desk.http.post(f"{desk.url}/api/chat", data=json.dumps(body)) as response:
            async for line in response.content:
                chunk = json.loads(line)
                text += chunk["message"]["content"]
                said += [chunk["message"], chunk.get("logprobs"), chunk.get("done_reason"), chunk.get("eval_count")]
                if len(said) > 4 * leave_after:
                    response.close()
                    return said
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": "More"}]
    return said


async def test_chats_say_the_same_together_as_alone(serve: Callable[[], Any]) -> None:
    desk = await serve()
    alone = [await chat(desk, options) for options in CHATS]
    assert len({json.dumps(said) for said in alone}) == len(CHATS)
    desk = await serve()
    assert await asyncio.gather(*(chat(desk, options) for options in CHATS)) == alone


async def test_chats_do_not_notice_others_that_leave(serve: Callable[[], Any]) -> None:
    chance = random.Random(0)
    desk = await serve()
    alone = [await chat(desk, options) for options in CHATS]
    desk = await serve()
    order = chance.sample(range(len(CHATS)), len(CHATS))
    stayed = {place: asyncio.ensure_future(chat(desk, CHATS[place])) for place in order}
    leavers = [asyncio.ensure_future(chat(desk, CHATS[place], chance.randrange(1, 20))) for place in order]
    assert [await stayed[place] for place in range(len(CHATS))] == alone
    assert all(len(said) < len(alone[place]) for place, said in zip(order, await asyncio.gather(*leavers), strict=True))
