"""Measures an engine: what waits for the first token, and how fast tokens go in and come out.

Knows token ids and clocks; no text, and no reason why a number is what it is.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median

from hollama.engine import Engine, Job, Token
from hollama.modelfile import default_options


@dataclass(frozen=True)
class Load:
    """What is measured together: `batch` prompts of `prompt_tokens` at once, `generate` tokens each."""

    prompt_tokens: int
    batch: int
    generate: int


@dataclass(frozen=True)
class Speed:
    """Seconds, and tokens a second over all prompts of the batch. `decode_tps` is 0 where no token came in its window.

    The window of decoding is the time in which all of the batch decode: from the last first token to the first end.
    """

    ttft: float
    prefill_tps: float
    decode_tps: float


class Silent:
    """A listener that wants no text, so that what is timed is the engine."""

    def accept(self, token: int) -> tuple[str, bool]:
        return "", False

    def flush(self) -> str:
        return ""


async def measure(engine: Engine, load: Load, vocab_size: int, repeat: int) -> Speed:
    """The median of every number over `repeat` runs, after one that warms up."""
    speeds = [await _once(engine, load, vocab_size, seed) for seed in range(repeat + 1)][1:]
    return Speed(**{field.name: median(getattr(speed, field.name) for speed in speeds) for field in fields(Speed)})


async def _once(engine: Engine, load: Load, vocab_size: int, seed: int) -> Speed:
    # Every prompt differs from its first token on, so that no cached prefix helps.
    chance = random.Random(repr((seed, asdict(load))))
    prompts = [chance.choices(range(vocab_size), k=load.prompt_tokens) for _ in range(load.batch)]
    start = time.perf_counter()
    times = await asyncio.gather(*(_token_times(engine, prompt, load.generate) for prompt in prompts))
    return speed_of(start, times, load.prompt_tokens)


async def _token_times(engine: Engine, prompt: Sequence[int], generate: int) -> list[float]:
    options = {**default_options(), "temperature": 0.0, "seed": 0, "num_predict": generate}
    stream = engine.submit(Job(tuple(prompt), Silent(), options, shift=False))
    return [time.perf_counter() async for event in stream if isinstance(event, Token)]


def speed_of(start: float, times: Sequence[Sequence[float]], prompt_tokens: int) -> Speed:
    """From when each prompt's tokens came, by a clock that showed `start` when all were submitted."""
    firsts, lasts = [row[0] for row in times], [row[-1] for row in times]
    begin, end = max(firsts), min(lasts)
    inside = sum(begin < moment <= end for row in times for moment in row)
    return Speed(
        ttft=median(firsts) - start,
        prefill_tps=prompt_tokens * len(times) / (begin - start),
        decode_tps=inside / (end - begin) if end > begin else 0.0,
    )
