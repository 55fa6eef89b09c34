"""Checkpoint in, package out: what is in it, and that the quantised model still says what the float one did."""

import json
import os
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.calibration import DEFAULT_TEXT
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint
from hollama.errors import CompileError, HefError
from hollama.formats.hef import Hef, write_hef
from hollama.formats.package import read_config, read_info, read_tokenizer
from hollama.formats.package_weights import Origin, model_resources, read_model
from hollama.formats.safetensors import open_folder, write_safetensors
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Segment, run
from hollama.ir.quantised import QuantisedArithmetic
from hollama.kernels import golden
from hollama.models.architecture import frequencies
from hollama.models.table import ARCHITECTURES
from tests.checkpoints import CHATML, byte_tokenizer, random_checkpoint
from tests.formats.format_damage import only

SETTINGS = CompileSettings(context=128, group_size=32, rotates=False, gptq=False)


def quiet(status, done, of):
    pass


def dequantised(graph, weights, original):
    """The float weights that a package's integers stand for."""
    found = dict(original)
    for node in graph.linears():
        linear = weights.linears[node.weight]
        found[node.weight] = golden.integer_weights(linear) * linear.row_scale[: linear.outputs, None]
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_quantised_logits_are_those_of_the_rounded_weights(tmp_path, architecture):
    folder = random_checkpoint(tmp_path / "checkpoint", architecture)
    compile_checkpoint(folder, tmp_path / "model.hef", SETTINGS, quiet)
    checkpoint = open_checkpoint(folder)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    original = read_weights(graph, sources, checkpoint)
    tokens = byte_tokenizer().encode(DEFAULT_TEXT[:60]).ids
    with Hef.open(tmp_path / "model.hef") as hef:
        stored_graph, weights = read_model(hef)
        assert stored_graph == graph
        rounded = dequantised(graph, weights, original)
        reference = FloatArithmetic(graph, rounded, checkpoint.shape.signed_theta)
        expected = run(graph, reference, [Segment(reference.cache(60), 0, tokens, range(60))])
        arithmetic = QuantisedArithmetic(stored_graph, weights, 128)
        found = run(graph, arithmetic, [Segment(arithmetic.cache(60), 0, tokens, range(60))])
    error = np.sqrt(np.mean((found - expected) ** 2)) / np.std(expected)
    assert 0.001 < error < 0.15  # what is left is the 8 bits of activations and KV cache
    for name, matrix in rounded.items():
        assert np.abs(matrix - original[name]).mean() <= 0.15 * np.abs(original[name]).mean()


def test_a_package_describes_itself(tmp_path):
    folder = random_checkpoint(tmp_path / "tiny")
    compile_checkpoint(folder, tmp_path / "model.hef", SETTINGS, quiet)
    info = read_info(tmp_path / "model.hef")
    assert (info.architecture, info.context, info.vocab_size, info.quantization) == ("qwen2", 128, 259, "W4A8KV8")
    assert (info.chat_template, info.eos_token, info.eos_token_ids) == (CHATML, "<|im_end|>", (258,))
    assert info.options == {"temperature": 0.7}
    assert info.metadata["general.name"] == "tiny"
    assert info.metadata["qwen2.block_count"] == 2
    with Hef.open(tmp_path / "model.hef") as hef:
        assert set(hef.network_groups) == {"prefill", "tbt"}
        assert read_tokenizer(hef) == (folder / "tokenizer.json").read_bytes()
        assert read_config(hef)["pre_process_params"]["prefill_input_tokens_count"] == 96
        assert len(hef.network_group("tbt").caches) == 4


@pytest.mark.parametrize("settings", [SETTINGS, CompileSettings(context=128)], ids=["quick", "full"])
def test_the_same_checkpoint_and_seed_give_the_same_bytes(tmp_path, settings):
    folder = random_checkpoint(tmp_path / "checkpoint")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        compile_checkpoint(folder, tmp_path / name, replace(settings, seed=seed), quiet)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert (a == c) == (settings is SETTINGS)  # round to nearest knows no chance


def test_full_effort_loses_less(tmp_path):
    """On weights as random as their model, of which QuaRot and GPTQ can make little use; real ones gain more."""
    folder = random_checkpoint(tmp_path / "checkpoint")
    checkpoint = open_checkpoint(folder)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    reference = FloatArithmetic(graph, read_weights(graph, sources, checkpoint), checkpoint.shape.signed_theta)
    tokens = byte_tokenizer().encode("It was late when they came home, and nobody said a word.").ids
    segment = {"start": 0, "tokens": tokens, "wanted": range(len(tokens))}
    expected = run(graph, reference, [Segment(reference.cache(60), **segment)])
    errors = []
    for settings in (SETTINGS, CompileSettings(context=128, group_size=32)):
        compile_checkpoint(folder, tmp_path / "model.hef", settings, quiet)
        with Hef.open(tmp_path / "model.hef") as hef:
            arithmetic = QuantisedArithmetic(*read_model(hef), 128)
            found = run(arithmetic.graph, arithmetic, [Segment(arithmetic.cache(60), **segment)])
        errors.append(float(np.square(found - expected).mean()))
    assert errors[1] < 0.9 * errors[0]


def test_a_text_too_short_to_calibrate_with_is_refused(tmp_path):
    folder = random_checkpoint(tmp_path / "checkpoint")
    with pytest.raises(
        CompileError, match="checkpoint: the calibration text has 5 tokens, expected 32 or more; give --cal"
    ):
        compile_checkpoint(folder, tmp_path / "model.hef", CompileSettings(calibration="short"), quiet)


@pytest.mark.parametrize(("group_size", "scales"), [(0, 1), (32, 2), (64, 1), (256, 1), (64 * 10**9, 1)])
def test_group_sizes_need_not_fill_the_row(tmp_path, group_size, scales):
    folder = random_checkpoint(tmp_path / "checkpoint", intermediate_size=86)
    compile_checkpoint(folder, tmp_path / "model.hef", CompileSettings(group_size=group_size), quiet)
    with Hef.open(tmp_path / "model.hef") as hef:
        _, weights = read_model(hef)
    assert weights.linears["0.down"].group_scale.shape == (4, 2, scales, 16)


@pytest.mark.parametrize("group_size", [31, 16, 96, -64])
def test_a_group_size_that_cannot_be_packed_is_refused(tmp_path, group_size):
    folder = random_checkpoint(tmp_path / "checkpoint")
    with pytest.raises(CompileError, match="multiple of 64"):
        compile_checkpoint(folder, tmp_path / "model.hef", CompileSettings(group_size=group_size), quiet)


@pytest.mark.parametrize("changes", [{"context": 1}, {"trained": 1}])
def test_a_context_of_one_token_is_refused(tmp_path, changes):
    folder = random_checkpoint(tmp_path / "checkpoint", max_position_embeddings=changes.get("trained", 256))
    with pytest.raises(CompileError, match="a context of 1 tokens; expected 2 or more"):
        compile_checkpoint(folder, tmp_path / "model.hef", CompileSettings(context=changes.get("context", 64)), quiet)


def test_a_query_range_that_kernels_do_not_know_is_refused(tmp_path):
    folder = random_checkpoint(tmp_path / "checkpoint")
    compile_checkpoint(folder, tmp_path / "model.hef", SETTINGS, quiet)
    with Hef.open(tmp_path / "model.hef") as hef:
        graph, weights = read_model(hef)
        query = next(node for node in graph.nodes if node.op == "attention").inputs[0]
        ranges = {**weights.ranges, query: golden.Quantisation(0.01, 32767, 16)}
        resources = {**hef.resources, **model_resources(graph, replace(weights, ranges=ranges), Origin({}))}
        write_hef(tmp_path / "other.hef", network_groups=[], resources=resources)
    with Hef.open(tmp_path / "other.hef") as hef, pytest.raises(HefError, match="zero point 32768"):
        read_model(hef)


def test_tensors_start_at_multiples_of_64_and_stay_in_the_file(tmp_path):
    folder = random_checkpoint(tmp_path / "checkpoint")
    compile_checkpoint(folder, tmp_path / "model.hef", SETTINGS, quiet)
    with Hef.open(tmp_path / "model.hef") as hef:
        _, weights = read_model(hef)
        for linear in weights.linears.values():
            arrays = [linear.packed, linear.group_scale, linear.row_scale]
            arrays += [] if linear.bias is None else [linear.bias]
            assert not any(array.flags.owndata or array.ctypes.data % 64 for array in arrays)


def test_progress_ends(tmp_path):
    seen = []
    folder = random_checkpoint(tmp_path / "checkpoint")
    compile_checkpoint(folder, tmp_path / "m", SETTINGS, lambda *step: seen.append(step))
    assert list(dict.fromkeys(status for status, _, _ in seen)) == [
        "reading checkpoint", "checking weights", "calibrating", "quantising", "writing package",
    ]  # fmt: skip


def _drop_weight(folder):
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))


def _change(name, **changes):
    """Other values in one of the folder's JSON files."""

    def change(folder):
        plain = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(plain | changes))

    return change


_TEMPLATES = [{"name": [], "template": "x"}, {"name": "default", "template": "\ud800"}]
_WORDS = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}
BROKEN = {
    "no config.json": lambda folder: (folder / "config.json").unlink(),
    "is no JSON": lambda folder: (folder / "config.json").write_text("{"),
    "unsupported architecture": lambda folder: random_checkpoint(folder, architectures=["MambaForCausalLM"]),
    'no weight "model.layers.2.input_layernorm.weight"': _drop_weight,
    "do not fit|does not fit": lambda folder: random_checkpoint(folder, vocab_size=40),
    "of 16777216 layers; expected 1000": _change("config.json", num_hidden_layers=1 << 24),
    "epsilon is 16; expected a small": _change("config.json", rms_norm_eps=16),
    "rope_scaling.* is 'x', expected an object": _change("config.json", rope_scaling="x"),
    "tokenizer_config.json is no JSON.*surrogates": _change("tokenizer_config.json", chat_template=_TEMPLATES),
    "chat_template.jinja is not UTF-8": lambda folder: (folder / "chat_template.jinja").write_bytes(b"\xff"),
    "the tokenizer cannot encode a text": _change("tokenizer.json", model=_WORDS, added_tokens=[]),
    "expected a positive whole number": lambda folder: (folder / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "hidden_size": -4}'
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_checkpoint_is_refused_and_leaves_nothing(tmp_path, message):
    folder = random_checkpoint(tmp_path / "checkpoint")
    BROKEN[message](folder)
    with pytest.raises(CompileError, match=message):
        compile_checkpoint(folder, tmp_path / "model.hef", SETTINGS, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_template_is_found_by_its_name(tmp_path):
    folder = random_checkpoint(tmp_path / "checkpoint")
    templates = [{"name": [], "template": "x"}, {"name": "default", "template": "found"}, {"name": "rag"}, 3]
    _change("tokenizer_config.json", chat_template=templates)(folder)
    assert open_checkpoint(folder).chat_template == "found"


def test_a_pipe_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(CompileError, match="x: no such file or folder"):
        open_checkpoint(tmp_path / "x")


@pytest.mark.filterwarnings("error")
@hypothesis.settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ARCHITECTURES)), st.data())
def test_a_config_of_any_nonsense_has_a_sound_shape_or_is_refused(architecture, data):
    nonsense = st.none() | st.booleans() | st.integers() | st.floats() | st.just("x") | st.just([1, 2]) | st.just({})
    numbers = st.sampled_from([0, -3.0, 1e-300, 1e11, 5, 1 << 24])
    kinds = {"rope_type": st.sampled_from(["linear", "llama3", "default", []])}
    scales = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings", "rope_theta")
    rope = st.fixed_dictionaries({}, optional=kinds | dict.fromkeys(scales, numbers | nonsense))
    keys = ["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "num_hidden_layers", "n_layer", "rope_theta"]
    parts = dict.fromkeys(keys, numbers | nonsense) | {"rope_factors": nonsense}
    parts |= dict.fromkeys(("rope_parameters", "rope_scaling"), rope | nonsense)
    sizes = {"vocab_size": 9, "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 4}
    config = {**sizes, "num_hidden_layers": 2} | data.draw(st.fixed_dictionaries({}, optional=parts))
    with only(CompileError):
        shape = ARCHITECTURES[architecture].shape(config)
        assert shape.layers <= 1000 and 0 <= shape.eps < 1 and np.isfinite(shape.theta).all()


@pytest.mark.parametrize("factors", [np.ones(3), np.ones((1, 8)), np.zeros(8), np.full(8, np.nan), [1.0] * 8])
def test_factors_of_frequencies_are_checked(factors):
    assert frequencies({"rope_factors": np.full(8, 2, np.float32)}, 16)[0] == 0.5
    with pytest.raises(CompileError, match="rotary frequencies"):
        frequencies({"rope_factors": factors}, 16)


def test_a_weight_beyond_all_sense_is_refused(tmp_path):
    folder = random_checkpoint(tmp_path / "checkpoint")
    tensors = {name: open_folder(folder).float32(name).copy() for name in open_folder(folder).names}
    tensors["model.layers.0.mlp.up_proj.weight"] *= np.float32(-1e30)
    write_safetensors(folder / "model.safetensors", tensors)
    with pytest.raises(CompileError, match=r'checkpoint: "model\.layers\.0\.mlp\.up_proj\.weight" holds values up to'):
        compile_checkpoint(folder, tmp_path / "model.hef", SETTINGS, quiet)


def test_a_weight_that_is_not_finite_is_refused(tmp_path):
    folder = random_checkpoint(tmp_path / "checkpoint")
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(CompileError, match=r'checkpoint: "model\.[a-z0-9._]+" holds values that are not finite'):
        compile_checkpoint(folder, tmp_path / "model.hef", SETTINGS, quiet)
