"""top_k, top_p, min_p and typical_p: which tokens are left."""

import numpy as np
import pytest
from hollama_samplers import hollama_samplers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hollama.interfaces import SamplerContext
from hollama.sampling.probabilities import softmax

logits_of = hnp.arrays(np.float32, st.integers(2, 60), elements=st.integers(-40, 40).map(float))
P = [0.05, 0.5, 0.9, 0.999]


def left(logits):
    return np.flatnonzero(np.isfinite(logits))


@pytest.mark.parametrize("k", [1, 5, 40, 1000])
def test_top_k_leaves_the_k_largest(real, build, k):
    kept = left(build("top_k", len(real), top_k=k)(real.copy()))
    assert len(kept) == k
    assert real[kept].min() >= np.delete(real, kept).max()


def test_top_k_prefers_the_lower_id_of_equals(build):
    assert left(build("top_k", top_k=3)(np.float32([1, 5, 1, 1, 5, 0, 0, 0, 0, 0]))).tolist() == [0, 1, 4]


@pytest.mark.parametrize("k", [0, -5, 10, 10**30])
def test_top_k_off(build, k):
    assert build("top_k", top_k=k) is None


@pytest.mark.parametrize("p", P)
def test_top_p_leaves_the_smallest_set_with_the_mass(real, build, p):
    kept = left(build("top_p", len(real), top_p=p)(real.copy()))
    mass = np.sort(softmax(real)[kept])
    assert mass.sum() >= p - 1e-9
    assert mass[1:].sum() < p


@pytest.mark.parametrize("p", P)
def test_min_p_leaves_a_fraction_of_the_largest(real, build, p):
    kept = left(build("min_p", len(real), min_p=p)(real.copy()))
    exact = np.exp(real.astype(np.float64) - real.max())
    assert kept.tolist() == np.flatnonzero(exact >= p).tolist()


@pytest.mark.parametrize("p", P)
def test_typical_p_leaves_the_most_typical_with_the_mass(real, build, p):
    kept = left(build("typical_p", len(real), typical_p=p)(real.copy()))
    values = real.astype(np.float64) - real.max()
    exact = np.exp(values) / np.exp(values).sum()
    distance = np.abs(-np.log(exact) - (-exact * np.log(exact)).sum())
    assert exact[kept].sum() > p - 1e-6
    assert exact[kept].sum() - exact[kept[distance[kept].argmax()]] <= p + 1e-6
    assert distance[kept].max() <= np.delete(distance, kept).min(initial=np.inf) + 1e-6


@settings(deadline=None)
@given(logits_of, st.sampled_from(["top_k", "top_p", "min_p", "typical_p"]), st.floats(-1, 3))
def test_something_is_left_and_what_is_left_is_unchanged(logits, name, value):
    spec = next(spec for spec in hollama_samplers() if spec.name == name)
    sampler = spec.build(SamplerContext({name: value}, (), len(logits), 16))
    if sampler:
        result = sampler(logits.copy())
        kept = left(result)
        assert len(kept) >= 1
        assert (result[kept] == logits[kept]).all()
        if name != "typical_p":
            assert logits.argmax() in kept


@pytest.mark.parametrize("name", ["top_k", "top_p", "typical_p", "min_p"])
def test_mirostat_takes_their_place(build, name):
    value = {"top_k": 3, "top_p": 0.5, "typical_p": 0.5, "min_p": 0.5}[name]
    assert build(name, **{name: value}) is not None
    assert build(name, mirostat=2, **{name: value}) is None
