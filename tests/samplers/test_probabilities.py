"""Orders and sums are what the plain formulas give, however they are worked out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hollama.sampling.probabilities import exp, largest, log, ranked

# few different values, so that equals are common; both zeros, and what a cut leaves
elements = st.sampled_from([-np.inf, -1e30, -2.5, -1.0, -0.0, 0.0, 1e-30, 1.0, 2.5, 1e30])
many = hnp.arrays(np.float32, st.integers(1, 700), elements=elements)
some = many.filter(lambda logits: logits.max() > -np.inf)


@given(many, st.sampled_from([1, 2, 5, 40]))
def test_largest_are_the_first_of_a_stable_sort(logits, count):
    assert largest(logits, count).tolist() == np.argsort(-logits, kind="stable")[:count].tolist()


@given(some)
def test_ranked_is_a_stable_sort(logits):
    ids, probabilities = ranked(logits)
    assert ids.tolist() == np.argsort(-logits, kind="stable")[: len(ids)].tolist()
    assert (probabilities > 0).all() and (np.diff(probabilities) <= 0).all()


@given(st.integers(1, 20_000), st.data())
def test_numbers_do_not_depend_on_how_many_there_are(count, data):
    x = -np.linspace(0.001, 90, count)
    n = data.draw(st.integers(0, count - 1))
    assert exp(x)[n] == exp(x[n])
    assert log(-x)[n] == log(-x[n])
