"""Real logits, and the chain that options make."""

import json

import numpy as np
import pytest
from hollama_samplers import hollama_samplers

from hollama.engine.chain import Chain
from hollama.interfaces import SamplerContext

OFF = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "temperature": 1.0, "repeat_penalty": 1.0, "seed": 1}


@pytest.fixture(scope="session")
def real(shared):
    """The first of the recorded steps; the file is JSON, whatever its name says."""
    text = (shared / "data" / "eval" / "sampling" / "logits.bin").read_text()
    return np.array(json.JSONDecoder().raw_decode(text)[0], np.float32)


@pytest.fixture
def build():
    """One sampler, everything else switched off."""
    specs = {spec.name: spec for spec in hollama_samplers()}

    def build(name, vocab_size=10, prompt=(), **options):
        return specs[name].build(SamplerContext({**OFF, **options}, prompt, vocab_size, 16))

    return build


@pytest.fixture
def chain():
    def chain(vocab_size=10, prompt=(0,), **options):
        return Chain(hollama_samplers(), SamplerContext({**OFF, **options}, prompt, vocab_size, 64))

    return chain
