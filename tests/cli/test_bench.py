"""What the benchmark makes of clocks, and that it measures a real engine."""

import pytest
from hollama_backends.null import NullModel, hashed

from hollama.cli.measure import Load, Speed, measure, speed_of
from hollama.engine import Engine
from hollama.interfaces import Limits
from hollama.plugins import load_plugins


def test_speeds_of_one_prompt() -> None:
    assert speed_of(10.0, [[10.5, 10.6, 10.7, 10.8]], 100) == Speed(
        ttft=0.5, prefill_tps=200.0, decode_tps=pytest.approx(10.0)
    )


def test_decoding_counts_only_while_all_decode() -> None:
    speed = speed_of(0.0, [[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]], 20)
    assert speed == Speed(ttft=1.5, prefill_tps=10.0, decode_tps=2.0)


def test_one_token_each_leaves_nothing_to_decode() -> None:
    assert speed_of(0.0, [[1.0], [2.0]], 20).decode_tps == 0.0


async def test_measures_an_encoder() -> None:
    limits = Limits(context=64, prefill_chunk=64, sessions=4, hidden=8, generates=False)
    engine = Engine(NullModel(hashed(20), 20, limits), (), parallel=1, context=64)
    try:
        speed = await measure(engine, Load(prompt_tokens=20, batch=2, generate=0), 20, repeat=1)
    finally:
        engine.close()
    assert speed.prefill_tps == pytest.approx(40 / speed.ttft)
    assert not speed.decode_tps


async def test_measures_an_engine(tmp_path) -> None:
    (tmp_path / "script").write_bytes(b"bench")
    model = load_plugins().backend("null").load(tmp_path / "script", 256)
    vocab_size = model.vocab_size
    engine = Engine(model, (), parallel=2, context=256)
    try:
        speed = await measure(engine, Load(prompt_tokens=20, batch=2, generate=8), vocab_size, repeat=1)
    finally:
        engine.close()
    assert speed.ttft > 0 < speed.prefill_tps
