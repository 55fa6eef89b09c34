"""Adapters from a file into a package: what they mean, what they cost, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import gguf
import hollama_adapters
import numpy as np
import pytest

from hollama.compiler import CompileSettings, compile_package, read_adapter
from hollama.compiler.adapters import AdapterFile, attach
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint, origin_of
from hollama.compiler.rotation import rotate
from hollama.errors import CompileError, HefError
from hollama.formats.hef import GRAPH, Hef, write_hef
from hollama.formats.package import read_info
from hollama.formats.package_adapters import read_adapters
from hollama.formats.package_weights import model_resources, read_model, read_origin
from hollama.interfaces import LowRankPair
from hollama.ir.floating import FloatAdapter, FloatArithmetic
from hollama.ir.interpreter import Segment, run
from hollama.ir.quantised import QuantisedAdapter, QuantisedArithmetic
from hollama.models.table import ARCHITECTURES
from tests.checkpoints import random_checkpoint
from tests.loras import random_lora

SPECS = hollama_adapters.hollama_adapters()
SETTINGS = CompileSettings(context=64)


def nothing(*_: object) -> None:
    pass


def settings(*loras: tuple[str, Path]) -> CompileSettings:
    return CompileSettings(context=64, adapters=tuple(read_adapter(name, path, SPECS) for name, path in loras))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    random_checkpoint(folder / "base")
    random_lora(folder / "one", folder / "base", seed=1)
    random_lora(folder / "two", folder / "base", ("q_proj", "k_proj"), rank=24, seed=2)
    compile_package(folder / "base", folder / "base.hef", SETTINGS, nothing)
    compile_package(
        folder / "base", folder / "both.hef", settings(("one", folder / "one"), ("two", folder / "two")), nothing
    )
    return folder


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "qwen3"])
def test_a_float_adapter_is_the_merged_model(tmp_path, architecture):
    source = random_checkpoint(tmp_path / "base", architecture)
    random_lora(tmp_path / "lora", source, ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"))
    adapter = read_adapter("a", tmp_path / "lora", SPECS)
    checkpoint = open_checkpoint(source)
    graph, fused = checkpoint.architecture.build(checkpoint.shape)
    weights = read_weights(graph, fused, checkpoint)
    pairs = attach(graph, origin_of(checkpoint, graph, fused), adapter, checkpoint.architecture)
    merged = {name: weights[name] + (pairs[name].up @ pairs[name].down if name in pairs else 0) for name in weights}

    def logits(weights, adapter):
        arithmetic = FloatArithmetic(graph, weights, checkpoint.shape.signed_theta)
        return run(graph, arithmetic, [Segment(arithmetic.cache(9), 0, list(range(9)), range(9), adapter)])

    beside = logits(weights, FloatAdapter(pairs))
    np.testing.assert_allclose(beside, logits(merged, None), rtol=1e-3, atol=1e-3)
    assert np.abs(beside - logits(weights, None)).max() > 0.5


@pytest.mark.parametrize(("architecture", "table"), [("gpt2", "transformer.wte"), ("qwen2", "model.embed_tokens")])
def test_a_head_that_shares_its_weights_has_its_own_name(tmp_path, architecture, table):
    source = random_checkpoint(tmp_path / "base", architecture, tie_word_embeddings=True)
    checkpoint = open_checkpoint(source)
    graph, fused = checkpoint.architecture.build(checkpoint.shape)
    width, rows = graph.by_name[graph.output.inputs[0]].width, graph.output.width
    pair = LowRankPair(np.ones((2, width), np.float32), np.ones((rows, 2), np.float32), 1.0)
    origin = origin_of(checkpoint, graph, fused)
    found = attach(graph, origin, AdapterFile("a", source, {"lm_head.weight": pair}), checkpoint.architecture)
    assert list(found) == [graph.output.name]
    with pytest.raises(CompileError, match="is no linear layer of this model"):
        attach(graph, origin, AdapterFile("a", source, {f"{table}.weight": pair}), checkpoint.architecture)


def test_an_adapter_turns_with_its_base(tmp_path):
    """QuaRot's bases, as a package remembers them: base and adapter turned give the logits of both unturned."""
    source = random_checkpoint(tmp_path / "base")
    random_lora(tmp_path / "lora", source)
    checkpoint, adapter = open_checkpoint(source), read_adapter("a", tmp_path / "lora", SPECS)
    graph, fused = checkpoint.architecture.build(checkpoint.shape)
    weights = read_weights(graph, fused, checkpoint)
    turned = rotate(graph, weights, 3)
    plain = origin_of(checkpoint, graph, fused)
    origin = replace(plain, rotation=3, gains={name: weights[name] for name in turned.folded})

    def logits(weights, origin):
        arithmetic = FloatArithmetic(graph, weights, checkpoint.shape.signed_theta)
        lora = FloatAdapter(attach(graph, origin, adapter, checkpoint.architecture))
        return run(graph, arithmetic, [Segment(arithmetic.cache(9), 0, list(range(9)), range(9), lora)])

    np.testing.assert_allclose(logits(turned, origin), logits(weights, plain), rtol=1e-2, atol=1e-2)


def test_the_bases_are_read_back(folder, tmp_path):
    with Hef.open(folder / "base.hef") as hef:
        graph, weights = read_model(hef)
        gains = {"0.attention_norm": np.arange(64, dtype=np.float32)}
        origin = replace(read_origin(hef, graph), rotation=5, gains=gains)
        resources = {**hef.resources, **model_resources(graph, weights, origin)}
        write_hef(tmp_path / "m.hef", network_groups=[], resources=resources)
    with Hef.open(tmp_path / "m.hef") as hef:
        found = read_origin(hef, graph)
    assert (found.rotation, found.sources) == (5, origin.sources)
    np.testing.assert_array_equal(found.gains.pop("0.attention_norm"), gains["0.attention_norm"])
    assert not found.gains


LIES = [{"sources": None}, {"sources": {"x": [["a"]]}}, {"turned": -1}, {"turned": "1"}, {"rotation": 1}]


@pytest.mark.parametrize("lie", LIES)
def test_a_package_that_lies_about_its_origin_is_refused(folder, tmp_path, lie):
    with Hef.open(folder / "base.hef") as hef:
        graph, _ = read_model(hef)
        plain = {**json.loads(bytes(hef.resources[GRAPH])), **lie}
        write_hef(tmp_path / "m.hef", network_groups=[], resources={**hef.resources, GRAPH: json.dumps(plain).encode()})
    with Hef.open(tmp_path / "m.hef") as hef, pytest.raises(HefError, match="which weights it was made of"):
        read_origin(hef, graph)


def test_a_quantised_adapter_is_near_the_float_one(folder):
    with Hef.open(folder / "both.hef") as hef:
        graph, weights = read_model(hef)
        adapters, origin = read_adapters(hef, graph), read_origin(hef, graph)
    file = read_adapter("one", folder / "one", SPECS)
    float_one = FloatAdapter(attach(graph, origin, file, ARCHITECTURES["qwen2"]))
    ranges = {node.name: weights.ranges[node.inputs[0]] for node in graph.linears()}
    arithmetic = QuantisedArithmetic(graph, weights, 64)
    plain, exact, found = (
        run(graph, arithmetic, [Segment(arithmetic.cache(40), 0, list(range(40)), range(40), adapter)])
        for adapter in (None, float_one, QuantisedAdapter(adapters["one"], ranges))
    )
    assert np.square(found - exact).mean() < 0.1 * np.square(exact - plain).mean()


def test_adapters_share_the_base(folder):
    with Hef.open(folder / "base.hef") as base, Hef.open(folder / "both.hef") as both:
        assert base.network_groups == ("prefill", "tbt")
        assert both.network_groups == (
            "base_model__prefill", "base_model__tbt", "one__prefill", "one__tbt", "two__prefill", "two__tbt",
        )  # fmt: skip
        assert read_info(both).adapters == ("one", "two")
        assert read_info(base).adapters == ()
        for name in base.resources:
            assert bytes(both.resources[name]) == bytes(base.resources[name])
        assert len(both.resources) == len(base.resources) + 2


def test_one_after_another_gives_the_same_file(folder, tmp_path):
    compile_package(folder / "base.hef", tmp_path / "a.hef", settings(("one", folder / "one")), nothing)
    compile_package(tmp_path / "a.hef", tmp_path / "a.hef", settings(("two", folder / "two")), nothing)
    assert (tmp_path / "a.hef").read_bytes() == (folder / "both.hef").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a.hef"]


def gguf_lora(path: Path, name: str, a: np.ndarray, b: np.ndarray) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 0.0)
    writer.add_tensor(f"{name}.lora_a", np.ascontiguousarray(a))
    writer.add_tensor(f"{name}.lora_b", np.ascontiguousarray(b))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_rows_of_a_gguf_adapter_are_put_into_halves(tmp_path):
    source = random_checkpoint(tmp_path / "base", "llama")
    checkpoint = open_checkpoint(source)
    graph, fused = checkpoint.architecture.build(checkpoint.shape)
    heads, size = checkpoint.shape.heads, checkpoint.shape.head_dim
    a, b = np.ones((1, 64), np.float32), np.arange(heads * size, dtype=np.float32)[:, None]
    paired = b.reshape(heads, 2, size // 2, 1).swapaxes(1, 2).reshape(b.shape)  # as llama.cpp's converter does
    file = read_adapter("a", gguf_lora(tmp_path / "a.gguf", "blk.1.attn_q.weight", a, paired), SPECS)
    pairs = attach(graph, origin_of(checkpoint, graph, fused), file, checkpoint.architecture)
    np.testing.assert_array_equal(pairs["1.qkv"].up[: len(b)], b)
    assert list(pairs) == ["1.qkv"]


def refused(folder: Path, lora: Path, match: str, name: str = "a", source: str = "base.hef") -> None:
    with pytest.raises(CompileError, match=match):
        compile_package(folder / source, folder / "refused.hef", settings((name, lora)), nothing)
    assert not (folder / "refused.hef").exists()


def test_a_text_too_short_to_calibrate_adapters_with_is_refused(folder, tmp_path):
    chosen = replace(settings(("a", random_lora(tmp_path / "lora", folder / "base"))), calibration="short")
    with pytest.raises(CompileError, match="calibration text has 5 tokens, expected 32 or more"):
        compile_package(folder / "base.hef", folder / "refused.hef", chosen, nothing)


@pytest.mark.parametrize("source", ["base", "base.hef"])
def test_adapters_of_another_model_are_refused(folder, tmp_path, source):
    wide = random_lora(tmp_path / "wide", random_checkpoint(tmp_path / "w", hidden_size=128))
    refused(
        folder, wide, r'wide: the update of ".*down_proj.weight" is for 128 outputs .* has 64 and 128', source=source
    )
    long = random_lora(tmp_path / "long", random_checkpoint(tmp_path / "l", num_hidden_layers=3))
    refused(folder, long, r'long: "model.layers.2.*" is no linear layer', source=source)


@pytest.mark.parametrize(("strength", "alpha"), [(1e30, 4), (1, 1e30), (1, -1e308)])
def test_values_that_no_training_gives_are_refused(folder, tmp_path, strength, alpha):
    lora = random_lora(tmp_path / "huge", folder / "base", strength=strength)
    (lora / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": alpha}))
    refused(folder, lora, "has values up to .*; expected 1,000,000 at most")


def test_a_gguf_adapter_of_another_architecture_is_refused(folder, tmp_path):
    ones = np.ones((2, 64), np.float32)
    path = gguf_lora(tmp_path / "a.gguf", "blk.0.attn_q.weight", ones, ones.T.copy())
    refused(folder, path, 'made for the architecture "llama", the model is "qwen2"')


def test_what_is_no_adapter_is_refused(folder, tmp_path):
    refused(folder, tmp_path, "no adapter; expected a folder of Hugging Face's PEFT with adapter_config.json and ")
    refused(folder, folder / "one", "cannot name an adapter", name="a__b")
    refused(folder, folder / "one", "need different names", name="one", source="both.hef")
    with pytest.raises(CompileError, match="is a package already"):
        compile_package(folder / "base.hef", folder / "refused.hef", SETTINGS, nothing)
