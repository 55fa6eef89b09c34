"""TinyTalk, a real GPT-2: a GGUF file and a folder mean the same, and the package still talks."""

import numpy as np
import pytest
from tokenizers import Tokenizer

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Arithmetic, Segment, run
from hollama.ir.quantised import QuantisedArithmetic

PROMPT = "User: Hi! Do you like cats?\nBot:"


@pytest.fixture
def tinytalk(shared):
    folder = shared / "data" / "derived" / "tinytalk"
    if not folder.is_dir():
        pytest.skip("needs TinyTalk in ../shared/data/derived")
    return folder


def test_a_gguf_file_and_a_folder_are_the_same_model(tinytalk):
    folder, file = (open_checkpoint(tinytalk / name) for name in ("tinytalk-chat-hf-gpt2", "tinytalk-chat.f16.gguf"))
    graph, sources = folder.architecture.build(folder.shape)
    one, other = (read_weights(graph, sources, found) for found in (folder, file))
    assert one.keys() == other.keys()
    assert all(np.allclose(one[name], other[name], rtol=1e-3, atol=1e-6) for name in one)  # 16 bits in the file
    ids = [Tokenizer.from_str(found.tokenizer.decode()).encode(PROMPT).ids for found in (folder, file)]
    assert ids[0] == ids[1]


def surprise(graph, arithmetic: Arithmetic, tokens):
    """Cross-entropy of the tokens behind the first, in nats."""
    logits = run(graph, arithmetic, [Segment(arithmetic.cache(256), 0, tokens, range(len(tokens)))])[:-1].astype(float)
    likely = logits[np.arange(len(logits)), tokens[1:]] - logits.max(axis=1)
    return float(np.mean(np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)) - likely))


def test_the_package_is_hardly_more_surprised_than_the_float_model(tinytalk, tmp_path):
    source = tinytalk / "tinytalk-chat.f16.gguf"
    found = open_checkpoint(source)
    graph, sources = found.architecture.build(found.shape)
    text = (tinytalk / "chat_val.txt").read_text()[:1200]
    tokens = Tokenizer.from_str(found.tokenizer.decode()).encode(text).ids[:256]
    exact = FloatArithmetic(graph, read_weights(graph, sources, found), found.shape.signed_theta)
    compile_checkpoint(source, tmp_path / "m.hef", CompileSettings(), lambda *_: None)
    with Hef.open(tmp_path / "m.hef") as hef:
        stored, weights = read_model(hef)
        ours = surprise(graph, QuantisedArithmetic(stored, weights, 256), tokens)
    theirs = surprise(graph, exact, tokens)
    assert theirs < 4
    assert ours < theirs + 0.15
