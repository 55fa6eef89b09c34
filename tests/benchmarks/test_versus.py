"""The parts of the comparison with llama.cpp that need no llama.cpp."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from hollama.formats.hef import Hef
from hollama.formats.package import read_info, read_tokenizer
from tests.benchmarks.versus import machine, ours, weights
from tests.benchmarks.versus.contest import Figure
from tests.benchmarks.versus.llamacpp import Variant
from tests.benchmarks.versus.machine import Sample
from tests.benchmarks.versus.models import bytes_per_token, compile_package, our_bytes_per_token


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versus")
    weights.write_gguf(folder / "f16.gguf", replace(weights.SHAPES["tiny"], vocab=1024))
    compile_package(folder / "f16.gguf", folder / "model.hef")
    return folder / "f16.gguf", folder / "model.hef"


def test_both_models_have_the_same_weights(files):
    original, package = files
    assert read_info(package).parameter_count * 2 < bytes_per_token(original) < read_info(package).parameter_count * 2.1
    assert 0.5 < our_bytes_per_token(package) / read_info(package).parameter_count < 0.6


def test_the_vocabulary_is_used(files):
    with Hef.open(files[1]) as hef:
        tokenizer = Tokenizer.from_str(read_tokenizer(hef).decode())
    text = weights.words(100, seed=1)
    ids = tokenizer.encode(text).ids
    assert len(ids) < len(text) * 0.7
    assert tokenizer.decode(ids) == text


def test_our_engine_is_measured_in_a_process_of_its_own(files):
    sizes = ["--prompt", "20", "--generate", "5", "--batch", "1"]  # of two, one may have ended before the other began
    done = subprocess.run([sys.executable, ours.__file__, files[1], *sizes], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["prefill_tps"] > 0 < result["decode_tps"]
    assert result["peak_bytes"] > 10_000_000


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux's /proc/stat")
def test_work_of_others_is_noticed():
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(busy) as other:
        try:
            assert machine.measured(lambda: time.sleep(0.5) or 1.0, patience=0.0).others > 0.2
        finally:
            other.kill()


def test_only_clean_samples_count_where_there_are_any():
    samples = [Sample(1.0, 0.0), Sample(9.0, 1.5), Sample(2.0, 0.1), Sample(3.0, 0.0)]
    assert machine.middle(samples) == 2.0
    assert machine.middle(samples[1:2]) == 9.0
    assert Figure("key", Variant(), [Sample(3.0, 0.0)], [Sample(2.0, 0.0)]).ratio == 1.5


def test_every_option_of_llama_cpp_is_tried():
    tried = Variant().neighbours()
    assert len(set(tried)) == 4 and Variant() not in tried
