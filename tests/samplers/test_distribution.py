"""Temperature, greedy and the draw itself."""

import math

import numpy as np
import pytest
from hollama_samplers import hollama_samplers

from hollama.engine.chain import Chain, logprobs
from hollama.engine.draw import Draw
from hollama.errors import BackendError, PluginError, RequestError
from hollama.interfaces import SamplerContext, SamplerSpec
from hollama.sampling.probabilities import exp, log, log_softmax, softmax


def draws(chain, logits, count):
    return np.bincount([chain.pick(logits) for _ in range(count)], minlength=len(logits))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_distribution(chain, temperature):
    """Chi-square with 9 degrees of freedom: 27.9 is exceeded once in a thousand; the seed is fixed."""
    logits = np.linspace(-1, 1.5, 10).astype(np.float32)
    weights = np.exp(logits / temperature)
    expected = 5000 * weights / weights.sum()
    observed = draws(chain(temperature=temperature), logits, 5000)
    assert ((observed - expected) ** 2 / expected).sum() < 27.9


def test_same_seed_draws_the_same(chain, real):
    first, second, other = (chain(len(real), seed=seed, temperature=1.5) for seed in (5, 5, 6))
    tokens = [[c.pick(real) for _ in range(20)] for c in (first, second, other)]
    assert tokens[0] == tokens[1] != tokens[2]


def test_seed_minus_one_is_another_one_each_time():
    assert Draw(-1).next() != Draw(-1).next()


def test_draws_are_the_same_on_every_machine():
    draw = Draw(42)
    assert [draw.next() for _ in range(3)] == [0.8201981478608876, 0.18924562408645496, 0.8676608148821462]


@pytest.mark.parametrize("seed", [-2, 2**64, 10**40, 1.5])
def test_any_number_is_a_seed(chain, seed):
    assert 0 <= chain(seed=seed).pick(np.zeros(10, np.float32)) < 10


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_no_temperature_is_greedy_and_of_equals_the_lower_id_wins(chain, temperature):
    logits = np.float32([0, 3, 1, 3, 0, 0, 0, 0, 0, 0])
    assert draws(chain(temperature=temperature), logits, 20)[1] == 20


def test_smallest_temperature_is_greedy_without_overflow(chain):
    assert draws(chain(temperature=1e-300), np.arange(10, dtype=np.float32) * 1e30, 20)[9] == 20


@pytest.mark.parametrize("name", ["temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "top_k", "seed"])
@pytest.mark.parametrize("value", [math.nan, math.inf, "hot", [1]])
def test_options_that_are_no_numbers_are_refused_by_name(chain, name, value):
    with pytest.raises(RequestError, match=name):
        chain(**{name: value})


def test_ollamas_defaults():
    defaults = Chain(hollama_samplers(), SamplerContext({}, (1,), 1000, 16))
    assert defaults.names == ("top_k", "top_p", "temperature")


def test_the_backends_logits_stay_as_they_are(chain, real):
    before = real.copy()
    chain(len(real), top_k=3, repeat_penalty=2, prompt=(1, 2, 3)).pick(real)
    assert (before == real).all()


@pytest.mark.parametrize("logits", [np.float32([math.nan] * 10), np.zeros(9, np.float32), np.float32([math.inf] * 10)])
def test_logits_that_are_none_are_the_backends_fault(chain, logits):
    with pytest.raises(BackendError, match="one finite number for every token"):
        chain().pick(logits)


@pytest.mark.parametrize("wrong", [lambda x: x[:3], lambda x: x * np.nan, lambda x: x * 0 - np.inf, lambda x: 1 / 0])
def test_sampler_that_fails_is_named(wrong):
    specs = [SamplerSpec("broken", 1, lambda context: wrong)]
    with pytest.raises(PluginError, match='"broken"'):
        Chain(specs, SamplerContext({}, (), 10, 16)).pick(np.zeros(10, np.float32))


def test_sampler_that_cannot_be_built_is_named():
    with pytest.raises(PluginError, match='"broken"'):
        Chain([SamplerSpec("broken", 1, lambda context: context.nothing)], SamplerContext({}, (), 10, 16))


def test_logprobs_are_of_the_raw_logits(real):
    own, top = logprobs(real, 17, 20)
    exact = real - np.log(np.exp(real.astype(np.float64) - real.max()).sum()) - real.max()
    assert own == pytest.approx(exact[17], abs=1e-5)
    assert [token for token, _ in top] == np.argsort(-real, kind="stable")[:20].tolist()
    assert [value for _, value in top] == pytest.approx(np.sort(exact)[::-1][:20], abs=1e-5)


def test_softmax_and_its_parts_are_close_to_numpys(real):
    x = -np.linspace(0, 80, 1001)
    assert np.allclose(exp(x), np.exp(x), rtol=1e-6)
    y = np.logspace(-300, 300, 1001)
    assert np.allclose(log(y), np.log(y), rtol=4e-16, atol=1e-16)
    assert softmax(real).sum() == pytest.approx(1)
    assert np.allclose(np.exp(log_softmax(real)), softmax(real), rtol=1e-5)
    assert softmax(np.float32([0, -np.inf])).tolist() == [1, 0]
