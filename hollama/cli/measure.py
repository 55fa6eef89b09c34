"""Measures an engine: what waits for the first token, and how fast tokens go in and come out.

Knows token ids and clocks; no text, and no reason why a number is what it is.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median

from hollama.engine import End, Engine, Job, Texts
from hollama.modelfile import default_options


@dataclass(frozen=True)
class Load:
    """What is measured together: `batch` prompts of `prompt_tokens` at once, `generate` tokens each.

    Each follows `depth` tokens of its own that the engine has seen before, as a conversation's next turn does.
    """

    prompt_tokens: int
    batch: int
    generate: int
    depth: int = 0


@dataclass(frozen=True)
class Speed:
    """Seconds, and tokens a second over all prompts of the batch. `decode_tps` is 0 where no token came in its window.

    Tokens that the engine still knew are not counted as prefill. The window of decoding is the time in which all of the
    batch decode: from the last first token to the first end.
    """

    ttft: float
    prefill_tps: float
    decode_tps: float


class Watch:
    """A listener that wants no text and notes, on the engine's own thread, when each token came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def accept(self, token: int) -> tuple[str, bool]:
        self.times.append(time.perf_counter())
        return "", False

    def flush(self) -> str:
        return ""


async def measure(engine: Engine, load: Load, vocab_size: int, repeat: int) -> Speed:
    """The median of every number over `repeat` runs, after one that warms up; of an encoder's, those of embedding."""
    once = _once if engine.generates else _once_embedded
    speeds = [await once(engine, load, vocab_size, seed) for seed in range(repeat + 1)][1:]
    return Speed(**{field.name: median(getattr(speed, field.name) for speed in speeds) for field in fields(Speed)})


async def _once(engine: Engine, load: Load, vocab_size: int, seed: int) -> Speed:
    # Every prompt differs from its first token on, so that no other one's prefix helps.
    chance = random.Random(repr((seed, asdict(load))))
    prompts = [chance.choices(range(vocab_size), k=load.depth + load.prompt_tokens) for _ in range(load.batch)]
    if load.depth:
        await asyncio.gather(*(_timed(engine, prompt[: load.depth], 1) for prompt in prompts))
    start = time.perf_counter()
    runs = await asyncio.gather(*(_timed(engine, prompt, load.generate) for prompt in prompts))
    return speed_of(start, [times for times, _ in runs], sum(computed for _, computed in runs))


async def _once_embedded(engine: Engine, load: Load, vocab_size: int, seed: int) -> Speed:
    """The vectors are all there at once: there is no first token, and none to decode."""
    chance = random.Random(repr((seed, asdict(load))))
    texts = tuple(tuple(chance.choices(range(vocab_size), k=load.prompt_tokens)) for _ in range(load.batch))
    start = time.perf_counter()
    await engine.embed(Texts(texts, "mean"))
    seconds = time.perf_counter() - start
    return Speed(ttft=seconds, prefill_tps=load.batch * load.prompt_tokens / seconds, decode_tps=0.0)


async def _timed(engine: Engine, prompt: Sequence[int], generate: int) -> tuple[list[float], int]:
    """When each token came, and how many tokens of the prompt were computed. Without guesses, which depend on text."""
    options = {**default_options(), "temperature": 0.0, "seed": 0, "num_predict": generate, "draft_num_predict": 0}
    watch, computed = Watch(), 0
    async for event in engine.submit(Job(tuple(prompt), watch, options, shift=False)):
        if isinstance(event, End):
            computed = event.prompt_tokens - event.cached_tokens
    return watch.times, computed


def speed_of(start: float, times: Sequence[Sequence[float]], computed: int) -> Speed:
    """From when each prompt's tokens came, by a clock that showed `start` when all were submitted.

    computed: tokens of all prompts together.
    """
    firsts, lasts = [row[0] for row in times], [row[-1] for row in times]
    begin, end = max(firsts), min(lasts)
    inside = sum(begin < moment <= end for row in times for moment in row)
    return Speed(
        ttft=median(firsts) - start,
        prefill_tps=computed / (begin - start),
        decode_tps=inside / (end - begin) if end > begin else 0.0,
    )


def peak_memory() -> int:
    """The most bytes that this process ever held in memory; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
