"""Penalties and mirostat: what they learn, forget and copy."""

import numpy as np
import pytest
from hollama_samplers import mirostat

from hollama.engine.draw import Draw
from hollama.errors import RequestError
from hollama.interfaces import SamplerContext


def logits():
    return np.float32([2, -2, 1, 0.5, 0, 0, 0, 0, 0, 0])


def test_repeat_penalty_pulls_towards_unlikely(build):
    result = build("penalties", prompt=[0, 1, 1], repeat_penalty=2).apply(logits())
    assert result.tolist() == [1, -4, *logits()[2:]]


def test_frequency_counts_and_presence_does_not(build):
    options = {"frequency_penalty": 0.25, "presence_penalty": 0.5}
    result = build("penalties", prompt=[0, 2, 2], **options).apply(logits())
    assert result.tolist() == [1.25, -2, 0, *logits()[3:]]


def test_only_the_last_tokens_count(build):
    penalties = build("penalties", prompt=[0, 1, 2], repeat_last_n=2, presence_penalty=1)
    penalties.accept(3)
    assert (penalties.apply(logits()) - logits()).tolist() == [0, 0, -1, -1, *[0] * 6]


def test_minus_one_is_the_whole_context(build):
    penalties = build("penalties", prompt=[0] * 5 + [1] * 15, repeat_last_n=-1, frequency_penalty=1)
    assert (penalties.apply(logits()) - logits()).tolist() == [-1, -15, *[0] * 8]


@pytest.mark.parametrize(
    "options",
    [{"repeat_penalty": 1e-300}, {"repeat_penalty": 3e38}, {"frequency_penalty": -3e38}, {"presence_penalty": 3e38}],
)
def test_the_most_extreme_penalties_leave_finite_logits(build, options):
    assert np.isfinite(build("penalties", prompt=[0, 1, 1, 1], **options).apply(logits() * 1e3)).all()


@pytest.mark.parametrize("options", [{}, {"repeat_last_n": 0, "repeat_penalty": 2}])
def test_penalties_off(build, options):
    assert build("penalties", **options) is None


@pytest.mark.parametrize("options", [{"repeat_penalty": 0}, {"repeat_penalty": -1}, {"repeat_last_n": -2}])
def test_penalties_without_sense(build, options):
    with pytest.raises(RequestError, match=next(iter(options))):
        build("penalties", **options)


@pytest.mark.parametrize("options", [{"presence_penalty": 1}, {"mirostat": 1}, {"mirostat": 2}])
def test_clone_is_independent_and_reset_forgets(build, options):
    name = "mirostat" if "mirostat" in options else "penalties"
    sampler = build(name, prompt=[0], mirostat_tau=1, mirostat_eta=0.9, **options)
    fresh = sampler.apply(logits()).tolist()
    copy = sampler.clone()
    for _ in range(3):
        sampler.apply(logits())
        sampler.accept(0)
    sampler.accept(3)
    assert copy.apply(logits()).tolist() == fresh != sampler.apply(logits()).tolist()
    clone_of_later = sampler.clone()
    assert clone_of_later.apply(logits()).tolist() == sampler.apply(logits()).tolist()
    sampler.reset()
    assert sampler.apply(logits()).tolist() == fresh


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tau", [1.0, 3.0, 5.0])
def test_mirostat_keeps_the_surprise_at_its_target(real, version, tau):
    """Measured, as the paper does, on the distribution that is left after the cut."""
    options = {"mirostat": version, "mirostat_tau": tau}
    sampler = mirostat.SPEC.build(SamplerContext(options, (), len(real), 16))
    draw, surprises = Draw(3), []
    for _ in range(300):
        left = sampler.apply(real.copy())
        mass = np.exp(left.astype(np.float64) - left.max())
        mass /= mass.sum()
        token = int(np.searchsorted(np.cumsum(mass), draw.next()))
        surprises.append(-np.log2(mass[token]))
        sampler.accept(token)
    assert np.mean(surprises[100:]) == pytest.approx(tau, abs=0.35)


def test_mirostat_of_older_clients_that_means_off(build):
    assert build("mirostat", mirostat=0) is None
    assert build("mirostat", mirostat=7) is None


def test_mirostat_survives_flat_and_certain_logits(chain):
    for version in (1, 2):
        sampler = chain(mirostat=version, mirostat_tau=5, mirostat_eta=0.5)
        for values in (np.zeros(10), np.eye(10)[3] * 1000, np.full(10, -1e30)):
            for _ in range(20):
                assert 0 <= sampler.pick(values.astype(np.float32)) < 10
