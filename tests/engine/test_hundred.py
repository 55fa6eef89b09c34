"""A hundred chats at once on the emulator, all samplers, adapters, shared prefixes, guesses: as each says it alone."""

import asyncio
import copy
import random
from dataclasses import replace

import numpy as np
import pytest
from hollama_adapters import hollama_adapters
from hollama_backends.emulator import load
from hollama_samplers import hollama_samplers

from hollama.compiler import CompileSettings, compile_package, read_adapter
from hollama.engine import Engine, Job
from hollama.interfaces import SamplerSpec
from tests.checkpoints import random_checkpoint
from tests.engine.desk import Desk, Ears
from tests.engine.test_machine import SAMPLERS
from tests.loras import random_lora

CONTEXT = 160
CHATS = 100
ADAPTERS = ("", "one", "two")
PAGE = 2 * 2 * 2 * 64 * 16  # bytes: keys and values of 2 layers, 2 heads, 64 tokens, 16 dimensions


class Parrot:
    """Makes a random model say the same thing again and again, mostly; its logits still depend on all it has said."""

    def __init__(self) -> None:
        self.last = 0

    def apply(self, logits):
        logits[(self.last * 7 + 3) % 13] += np.float32(12)
        return logits

    def accept(self, token):
        self.last = token

    def reset(self):
        self.last = 0

    def clone(self):
        return copy.copy(self)


SPECS = (*hollama_samplers(), SamplerSpec("parrot", 90, lambda context: Parrot()))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hundred")
    settings = CompileSettings(context=CONTEXT, prefill_chunk=32, group_size=32)
    source = random_checkpoint(folder / "checkpoint")
    loras = {name: random_lora(folder / name, source, seed=seed) for seed, name in enumerate(ADAPTERS[1:])}
    adapters = tuple(read_adapter(name, path, hollama_adapters()) for name, path in loras.items())
    compile_package(source, folder / "m.hef", replace(settings, adapters=adapters), lambda *_: None)
    return folder / "m.hef"


def jobs() -> list[tuple[list[int], dict, str]]:
    chance = random.Random(0)
    heads = [chance.choices(range(259), k=60) for _ in range(3)]
    return [
        (
            [*chance.choice([[], *heads]), *chance.choices(range(259), k=chance.randint(1, 40))],
            {**SAMPLERS[n % len(SAMPLERS)], "seed": n, "num_predict": 20, "repeat_last_n": 16},
            ADAPTERS[n % len(ADAPTERS)],
        )
        for n in range(CHATS)
    ]


async def said(engine, prompt, options, adapter, pause):
    await asyncio.sleep(pause)
    job = Job(tuple(prompt), Ears(), options, top_logprobs=1, adapter=adapter)
    *tokens, end = [event async for event in engine.submit(job)]
    return tokens, end


@pytest.fixture(scope="module")
def alone(package):
    model = load(package, 0)
    boxes = []
    for prompt, options, adapter in jobs():
        desk = Desk(model, 1, SPECS)
        boxes.append(desk.answer(prompt, **options, top_logprobs=1, draft_num_predict=0, adapter=adapter))
        desk.scheduler.close("")
    model.close()
    return boxes


@pytest.mark.parametrize("pages", [3, 11, 10**4])  # a context has three
async def test_a_hundred_chats_say_the_same_together_as_alone(package, alone, pages, monkeypatch):
    monkeypatch.setenv("HOLLAMA_KV_CACHE", str(pages * PAGE))
    engine = Engine(load(package, 0), SPECS, parallel=8, context=CONTEXT)
    pauses = random.Random(1)
    together = await asyncio.gather(*(said(engine, *job, pauses.random() / 4) for job in jobs()))
    await asyncio.to_thread(engine.close)
    for box, (tokens, end) in zip(alone, together, strict=True):
        assert tokens == box.events[:-1]
        assert (end.tokens, end.reason) == (box.end.tokens, box.end.reason)
    assert sum(end.accepted_tokens for _, end in together) > 100
    if pages > CHATS:
        assert sum(end.cached_tokens for _, end in together) > 60 * 50
