"""Rotations are exact: Hadamard matrices are what they claim, and a turned model says the same in float."""

from functools import reduce

import numpy as np
import pytest

from hollama.compiler.float_weights import read_weights
from hollama.compiler.hadamard import orthogonal_factors, random_rotation
from hollama.compiler.pipeline import open_checkpoint
from hollama.compiler.rotation import residual_stream, rotate, smoothing_scales
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Segment, run
from hollama.models.decoder import build
from tests.checkpoints import random_checkpoint

SIZES = (1, 2, 4, 12, 20, 28, 36, 40, 60, 64, 76, 108, 140, 144, 576, 896, 960, 1536)


@pytest.mark.parametrize("size", SIZES)
def test_hadamard_matrices_have_orthogonal_rows_of_ones(size):
    scaled = reduce(np.kron, orthogonal_factors(size), np.ones((1, 1))) * np.sqrt(size)
    matrix = np.rint(scaled)
    assert np.allclose(matrix, scaled)
    assert set(np.unique(matrix)) <= {-1, 1}
    assert np.array_equal(matrix @ matrix.T, size * np.eye(size))


@pytest.mark.parametrize("size", [64, 172, 896, 1536, 4864, 6656, 8960])
def test_rotations_are_orthogonal_and_spread_every_value(size):
    rotation = random_rotation(size, np.random.default_rng(1))
    some = np.eye(size, dtype=np.float32)[:: max(1, size // 50)]
    turned = rotation(some)
    assert np.abs(turned @ turned.T - np.eye(len(some))).max() < 1e-5
    assert np.abs(turned).max() < 1.5 / np.sqrt(size)


def test_each_run_of_columns_is_turned_by_itself():
    rotation = random_rotation(12, np.random.default_rng(1))
    rows = np.random.default_rng(2).standard_normal((5, 36)).astype(np.float32)
    assert np.allclose(rotation(rows)[:, 12:24], rotation(rows[:, 12:24].copy()), atol=1e-6)


MODELS = {
    "llama": ("llama", {}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 32}),
    "no power of two": ("qwen2", {"hidden_size": 96, "num_attention_heads": 6, "head_dim": 20}),
    "no Hadamard": ("llama", {"hidden_size": 172, "head_dim": 44}),
}


def logits(graph, weights, shape):
    tokens = np.random.default_rng(3).integers(0, shape.vocab, 40)
    arithmetic = FloatArithmetic(graph, weights, shape.signed_theta)
    return run(graph, arithmetic, [Segment(arithmetic.cache(40), 0, tokens.tolist(), range(40))])


@pytest.mark.parametrize("name", MODELS)
def test_a_turned_model_has_the_same_logits(tmp_path, name):
    architecture, changes = MODELS[name]
    checkpoint = open_checkpoint(random_checkpoint(tmp_path / "model", architecture, **changes))
    graph, sources = build(checkpoint.shape)
    weights = read_weights(graph, sources, checkpoint)
    scales = smoothing_scales(graph, weights, checkpoint.shape.signed_theta, [list(range(50))])
    assert len(scales) == 2 and all(0.3 < scale.min() < 0.8 and 1.2 < scale.max() < 3 for scale in scales.values())
    turned = rotate(graph, weights, 5, scales)
    assert residual_stream(graph)
    expected, found = logits(graph, weights, checkpoint.shape), logits(graph, turned, checkpoint.shape)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    for name in ("embedding", "logits", "0.qkv", "0.output", "0.gate_up", "0.down"):
        assert np.abs(turned[name] - weights[name]).mean() > 0.1 * np.abs(weights[name]).mean()
    assert all((turned[node.weight] == 1).all() for node in graph.nodes if node.op == "rms_norm" and node.heads == 1)


def test_an_adapter_is_turned_with_its_layer(tmp_path):
    checkpoint = open_checkpoint(random_checkpoint(tmp_path / "model"))
    graph, sources = build(checkpoint.shape)
    weights = read_weights(graph, sources, checkpoint)
    chance = np.random.default_rng(1)
    pairs = {
        node.weight: (chance.standard_normal((2, weights[node.weight].shape[1])).astype(np.float32),
                      chance.standard_normal((node.width, 2)).astype(np.float32) * np.float32(0.1))
        for node in graph.linears()
    }  # fmt: skip
    merged = {**weights, **{name: weights[name] + up @ down for name, (down, up) in pairs.items()}}
    scales = {f"{layer}.gated": chance.uniform(0.5, 2, 128).astype(np.float32) for layer in (0, 1)}
    turned = rotate(graph, weights, 5, scales)
    adapted = {**turned}
    for name, (down, up) in pairs.items():
        change = turned.changes[name]
        adapted[name] = turned[name] + change.outputs(up) @ change.inputs(down)
    expected, found = logits(graph, merged, checkpoint.shape), logits(graph, adapted, checkpoint.shape)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_channels_of_gated_units_are_sorted_by_their_scales(tmp_path):
    checkpoint = open_checkpoint(random_checkpoint(tmp_path / "model"))
    graph, sources = build(checkpoint.shape)
    weights = read_weights(graph, sources, checkpoint)
    scale = np.random.default_rng(1).permutation(np.geomspace(0.5, 2, 128)).astype(np.float32)
    turned = rotate(graph, weights, 5, {"0.gated": scale})
    order = np.argsort(scale)
    gate_up = turned.changes["0.gate_up"].inputs(weights["0.gate_up"])
    np.testing.assert_allclose(turned["0.gate_up"][:128], gate_up[:128][order], rtol=1e-5)
    np.testing.assert_allclose(turned["0.gate_up"][128:], (gate_up[128:] / scale[:, None])[order], rtol=1e-5)
    assert (np.diff(turned.changes["0.down"].inputs(np.ones((1, 128), np.float32))) > 0).all()


def test_the_seed_decides(tmp_path):
    checkpoint = open_checkpoint(random_checkpoint(tmp_path / "model"))
    graph, sources = build(checkpoint.shape)
    weights = read_weights(graph, sources, checkpoint)
    a, again, b = (rotate(graph, weights, seed)["0.qkv"] for seed in (1, 1, 2))
    assert np.array_equal(a, again)
    assert not np.allclose(a, b)
