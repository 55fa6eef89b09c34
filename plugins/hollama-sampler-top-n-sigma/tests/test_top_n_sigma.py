"""The sampler by itself; no hollama server, no model."""

import numpy as np
import pytest
from hollama_sampler_top_n_sigma import build, top_n_sigma

from hollama.errors import RequestError
from hollama.interfaces import SamplerContext


def context(**options):
    return SamplerContext(options, prompt=(), vocab_size=4, context=16)


def test_leaves_what_is_near_the_best():
    logits = np.float32([0, 0, 4, 3])  # sigma is 1.79
    assert np.isfinite(top_n_sigma(logits, 1)).tolist() == [False, False, True, True]
    assert np.isfinite(top_n_sigma(logits, 0.1)).tolist() == [False, False, True, False]


def test_forbidden_tokens_stay_forbidden_and_do_not_count():
    logits = np.float32([-np.inf, 0, 4, 3])
    assert np.isfinite(top_n_sigma(logits, 1)).tolist() == [False, False, True, True]


def test_is_off_by_default():
    assert build(context()) is None


def test_refuses_what_is_no_number():
    with pytest.raises(RequestError, match="top_n_sigma"):
        build(context(top_n_sigma="many"))
