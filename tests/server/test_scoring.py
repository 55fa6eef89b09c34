"""Prompts scored through OpenAI's client, as lm-evaluation-harness does; the oracle is the golden model itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from numpy.typing import NDArray

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.ir.interpreter import Cache, Segment, run
from hollama.ir.quantised import QuantisedArithmetic
from hollama.store.manifest import HEF, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store
from tests.checkpoints import byte_tokenizer, random_checkpoint

CONTEXT = 96
TEXT = "Once upon a time there was a König who had täglich nothing to do."
IDS = [7 * n % 250 for n in range(60)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scoring")
    settings = CompileSettings(context=CONTEXT, prefill_chunk=16, group_size=32)
    compile_checkpoint(random_checkpoint(folder / "checkpoint"), folder / "m.hef", settings, lambda *_: None)
    return folder / "m.hef"


@pytest.fixture(scope="module")
def golden(package: Path) -> Callable[[list[int]], NDArray[np.float64]]:
    """Log-probabilities (tokens, vocabulary) behind each token, in float64 from the golden model's logits."""
    with Hef.open(package) as hef:
        graph, weights = read_model(hef)
        arithmetic = QuantisedArithmetic(graph, weights, CONTEXT)

    def logprobs(tokens: list[int]) -> NDArray[np.float64]:
        keys, values = np.zeros((2, graph.caches, graph.kv_heads, CONTEXT, graph.head_dim), np.uint8)
        segment = Segment(Cache([*keys], [*values]), 0, tokens, range(-len(tokens), 0))
        logits = run(graph, arithmetic, [segment]).astype(np.float64)
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    return logprobs


@pytest.fixture
async def client(start: Callable[..., Any], store: Store, package: Path) -> AsyncIterator[openai.AsyncOpenAI]:
    store.write_manifest(ModelName.parse("m"), ModelConfig("hef", "qwen2"), [store.add_blob(package, HEF)])
    desk = await start(backend="emulator")
    async with openai.AsyncOpenAI(base_url=f"{desk.url}/v1", api_key="any", max_retries=0) as client:
        yield client


async def ask(client: openai.AsyncOpenAI, prompt: Any, **more: Any) -> Any:
    defaults = {"model": "m", "prompt": prompt, "echo": True, "logprobs": 3, "max_tokens": 0, "temperature": 0}
    return await client.completions.create(**{**defaults, **more})


def values(choice: Any) -> list[float]:
    first, *rest = choice.logprobs.token_logprobs
    assert first is None and choice.logprobs.top_logprobs[0] is None
    return rest


def expected(golden: Any, ids: list[int]) -> Any:
    return pytest.approx(golden(ids)[np.arange(len(ids) - 1), ids[1:]], abs=1e-5)


async def test_scores_are_the_golden_models(client: openai.AsyncOpenAI, golden: Any) -> None:
    answer = await ask(client, IDS)
    (choice,) = answer.choices
    assert values(choice) == expected(golden, IDS)
    best = np.sort(golden(IDS)[:-1], axis=1)[:, :-4:-1]
    for place, top in enumerate(choice.logprobs.top_logprobs[1:]):
        assert max(top.values()) == pytest.approx(best[place, 0], abs=1e-5)
        assert choice.logprobs.token_logprobs[place + 1] in top.values()
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, choice.finish_reason) == (60, 0, "length")


async def test_a_text_is_scored_as_it_stands(client: openai.AsyncOpenAI, golden: Any) -> None:
    (choice,) = (await ask(client, TEXT)).choices
    ids = byte_tokenizer().encode(TEXT).ids
    assert choice.text == TEXT
    assert values(choice) == expected(golden, ids)
    places = [len(TEXT.encode()[:count].decode(errors="ignore")) for count in range(len(ids))]
    assert choice.logprobs.text_offset == places
    assert choice.logprobs.tokens[0] == "O"


async def test_what_follows_is_scored_like_the_prompt(client: openai.AsyncOpenAI, golden: Any) -> None:
    (choice,) = (await ask(client, IDS, max_tokens=1, logprobs=0)).choices
    assert len(values(choice)) == len(IDS)
    assert values(choice)[-1] == pytest.approx(golden(IDS)[-1].max(), abs=1e-5)
    assert [len(top) for top in choice.logprobs.top_logprobs[1:]] == [1] * len(IDS)


async def test_a_batch_is_scored_in_its_order(client: openai.AsyncOpenAI, golden: Any) -> None:
    batch = [IDS[:20], IDS[:40], [5], IDS[20:]]
    answer = await ask(client, batch)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    for ids, choice in zip(batch, answer.choices, strict=True):
        assert values(choice) == expected(golden, ids)
    assert answer.usage.prompt_tokens == sum(map(len, batch))
    texts = await ask(client, ["Once", "upon"], echo=False, logprobs=None, max_tokens=3, n=2)
    assert len(texts.choices) == 4


async def test_a_stream_begins_with_the_scores(client: openai.AsyncOpenAI) -> None:
    (whole,) = (await ask(client, TEXT, max_tokens=4)).choices
    chunks = [chunk.choices[0] async for chunk in await ask(client, TEXT, max_tokens=4, stream=True)]
    told = [chunk.logprobs for chunk in chunks if chunk.logprobs]
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert [value for part in told for value in part.token_logprobs] == whole.logprobs.token_logprobs
    assert chunks[0].text == TEXT


async def test_the_same_again_costs_no_score(client: openai.AsyncOpenAI) -> None:
    first, again = [(await ask(client, IDS)).choices[0].logprobs for _ in range(2)]
    assert first == again


async def test_a_prompt_to_be_scored_is_never_cut(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="the prompt has 120 tokens, the context holds 96"):
        await ask(client, IDS * 2)
    with pytest.raises(openai.BadRequestError, match="outside the vocabulary"):
        await ask(client, [1, 10**6])
