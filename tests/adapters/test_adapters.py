"""Readers of LoRA files: the update they give, and the lies they see through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import hollama_adapters
import numpy as np
import pytest
from hollama_adapters import gguf as gguf_adapters
from hollama_adapters import mlx, peft
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hollama.errors import AdapterError, FormatError
from hollama.formats.safetensors import write_safetensors
from hollama.interfaces import LowRankPair

RNG = np.random.default_rng(3)
A = RNG.standard_normal((2, 5)).astype(np.float32)  # (rank, inputs)
B = RNG.standard_normal((4, 2)).astype(np.float32)  # (outputs, rank)
WEIGHT = "model.layers.0.self_attn.q_proj.weight"
STEM = f"base_model.model.{WEIGHT.removesuffix('.weight')}"
PEFT = {"peft_type": "LORA", "r": 2, "lora_alpha": 8}
MLX = {"lora_parameters": {"rank": 2, "scale": 20.0}}


def folder(path: Path, file: str, config: Any, tensors: Mapping[str, np.ndarray]) -> Path:
    path.mkdir(exist_ok=True)
    (path / "adapter_config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    write_safetensors(path / file, tensors)
    return path


def peft_folder(path: Path, config: Any = PEFT, a: np.ndarray = A, b: np.ndarray = B, **more: np.ndarray) -> Path:
    tensors = {f"{STEM}.lora_A.weight": a, f"{STEM}.lora_B.weight": b, **more}
    return folder(path, peft.WEIGHTS, config, tensors)


def mlx_folder(path: Path, config: Any = MLX, a: np.ndarray = A.T, b: np.ndarray = B.T) -> Path:
    stem = WEIGHT.removesuffix(".weight")
    return folder(path, mlx.WEIGHTS, config, {f"{stem}.lora_a": a, f"{stem}.lora_b": b})


def gguf_file(path: Path, alpha: float = 8.0, kind: str = "adapter", lora: str = "lora", tensors: Any = None) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(kind)
    writer.add_string("adapter.type", lora)
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, values in (tensors or {"blk.0.attn_q.weight.lora_a": A, "blk.0.attn_q.weight.lora_b": B}).items():
        writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of PEFT's and one of mlx-lm's, and beside them a.gguf."""
    gguf_file(tmp_path / "a.gguf")
    return peft_folder(tmp_path / "p"), mlx_folder(tmp_path / "m")


def check(pair: LowRankPair, scale: float) -> None:
    np.testing.assert_array_equal(pair.a, A)
    np.testing.assert_array_equal(pair.b, B)
    assert (pair.scale, pair.a.dtype, pair.b.dtype) == (scale, np.float32, np.float32)


def test_peft(tmp_path: Path) -> None:
    pairs = peft.read(peft_folder(tmp_path / "p"))
    assert list(pairs) == [WEIGHT]
    check(pairs[WEIGHT], 4.0)


@pytest.mark.parametrize(
    ("extra", "scale"),
    [
        ({"use_rslora": True}, 8 / 2**0.5),
        ({"alpha_pattern": {"q_proj": 2}}, 1.0),
        ({"alpha_pattern": {"proj": 2}}, 4.0),
        ({"r": 64, "rank_pattern": {"self_attn.q_proj": 2}}, 4.0),
    ],
)
def test_scale_of_peft(tmp_path: Path, extra: dict[str, Any], scale: float) -> None:
    check(peft.read(peft_folder(tmp_path / "p", PEFT | extra))[WEIGHT], scale)


def test_mlx(tmp_path: Path) -> None:
    check(mlx.read(mlx_folder(tmp_path / "m"))[WEIGHT], 20.0)


@pytest.mark.parametrize(("alpha", "scale"), [(8.0, 4.0), (0.0, 1.0)])
def test_gguf(tmp_path: Path, alpha: float, scale: float) -> None:
    check(gguf_adapters.read(gguf_file(tmp_path / "a.gguf", alpha))["blk.0.attn_q.weight"], scale)


def test_all_formats_give_one_update(tmp_path: Path) -> None:
    """Against PEFT's own arithmetic: x @ A.T @ B.T * scale, added to the layer's output."""
    x = RNG.standard_normal((3, 5)).astype(np.float32)
    expected = x @ A.T @ B.T * 4.0
    config = {"lora_parameters": {"rank": 2, "scale": 4.0}}
    paths = [
        peft_folder(tmp_path / "p"),
        mlx_folder(tmp_path / "m", config),
        gguf_file(tmp_path / "a.gguf"),
    ]
    for path in paths:
        (spec,) = [spec for spec in hollama_adapters.hollama_adapters() if spec.matches(path)]
        (pair,) = spec.read(path).values()
        np.testing.assert_allclose(x @ (pair.scale * pair.b @ pair.a).T, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "scale", "rank", "count", "inputs"),
    [("discollama-ollama-testdata", 2.0, 8, 4, 4096), ("mlx-dpo-testdata", 20.0, 8, 4, 896)],
)
def test_real_adapters(shared: Path, name: str, scale: float, rank: int, count: int, inputs: int) -> None:
    path = shared / "data/lora" / name
    assert [spec.name for spec in hollama_adapters.hollama_adapters() if spec.matches(path)] == ["mlx"]
    pairs = mlx.read(path)
    assert len(pairs) == count
    for weight, pair in pairs.items():
        assert weight.endswith(("q_proj.weight", "v_proj.weight"))
        assert (pair.scale, pair.a.shape, pair.b.shape[1]) == (scale, (rank, inputs), rank)


def test_nothing_else_matches(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"GGUF")
    gguf_file(tmp_path / "model.gguf", kind="model")
    for path in (tmp_path, tmp_path / "file", tmp_path / "model.gguf", tmp_path / "absent"):
        assert [spec.name for spec in hollama_adapters.hollama_adapters() if spec.matches(path)] == []


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("{", "not valid JSON"),
        ("[" * 99_999, "not valid JSON"),
        ("[]", "an object was expected"),
        (" " * 2**20 + "{}", "has more than"),
        (PEFT | {"peft_type": "IA3"}, '"LORA" was expected'),
        (PEFT | {"use_dora": True}, "DoRA"),
        (PEFT | {"bias": "all"}, "biases"),
        (PEFT | {"init_lora_weights": "pissa_niter_16"}, "changes the base too"),
        (PEFT | {"alora_invocation_tokens": [1, 2]}, "tokens that switch it on"),
        (PEFT | {"modules_to_save": ["lm_head"]}, "whole modules"),
        (PEFT | {"fan_in_fan_out": True}, "transposed"),
        (PEFT | {"r": 3}, "has rank 2, adapter_config.json says 3"),
        (PEFT | {"r": "2"}, '"r" of the adapter'),
        (PEFT | {"lora_alpha": 10**999}, '"lora_alpha" of the adapter'),
        (PEFT | {"lora_alpha": True}, '"lora_alpha" of the adapter'),
        (PEFT | {"rank_pattern": {"(a+)+$": 2}}, "plain module names"),
        (PEFT | {"alpha_pattern": [1]}, "plain module names"),
    ],
)
def test_peft_config_lies(tmp_path: Path, config: Any, text: str) -> None:
    with pytest.raises(AdapterError, match=text.replace("(", r"\(")):
        peft.read(peft_folder(tmp_path / "p", config))


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "no object"),
        ({"lora_parameters": {"rank": 2}}, '"scale" of the adapter'),
        ({"lora_parameters": {"rank": 4, "scale": 1}}, "has rank 2, adapter_config.json says 4"),
        (MLX | {"fine_tune_type": "dora"}, "more than LoRA"),
    ],
)
def test_mlx_config_lies(tmp_path: Path, config: Any, text: str) -> None:
    with pytest.raises(AdapterError, match=text):
        mlx.read(mlx_folder(tmp_path / "m", config))


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (A[:1], B, "of one rank"),
        (A[0], B, "of one rank"),
        (A[:0], B[:, :0], "of one rank"),
        (A[None], B, "of one rank"),
        (A * np.float32(np.nan), B, "not finite"),
        (A, B * np.float32(np.inf), "not finite"),
    ],
)
def test_shapes_and_values_that_lie(tmp_path: Path, a: np.ndarray, b: np.ndarray, text: str) -> None:
    with pytest.raises(AdapterError, match=text):
        peft.read(peft_folder(tmp_path / "p", PEFT, a, b))
    with pytest.raises(AdapterError, match=text):
        mlx.read(mlx_folder(tmp_path / "m", MLX, a.T, b.T))


def test_names_that_lie(tmp_path: Path) -> None:
    strange = {
        "no low-rank update": {"model.embed_tokens.weight": A},
        "twice": {f"{STEM}.lora_A.default.weight": A},
        "only half": {f"{STEM}x.lora_A.weight": A},
    }
    for text, more in strange.items():
        with pytest.raises(AdapterError, match=text):
            peft.read(peft_folder(tmp_path / "p", PEFT, A, B, **more))
    with pytest.raises(AdapterError, match="no low-rank updates"):
        peft.read(folder(tmp_path / "q", peft.WEIGHTS, PEFT, {}))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": "model"}, "were expected"),
        ({"lora": "control"}, "were expected"),
        ({"alpha": float("nan")}, "alpha"),
        ({"tensors": {"blk.0.attn_q.weight": A}}, "no low-rank update"),
        ({"tensors": {"blk.0.attn_q.weight.lora_a": A}}, "only half"),
    ],
)
def test_gguf_lies(tmp_path: Path, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(AdapterError, match=text):
        gguf_adapters.read(gguf_file(tmp_path / "a.gguf", **fields))


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
KEYS = st.sampled_from(
    ["peft_type", "r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora", "lora_parameters"]
)
CONFIGS = st.dictionaries(
    KEYS, VALUES | st.dictionaries(st.sampled_from(["rank", "scale", "q_proj"]), VALUES, max_size=3)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(CONFIGS)
def test_any_config_is_an_adapter_or_an_error(folders: tuple[Path, Path], config: dict[str, Any]) -> None:
    for read, path, usual in zip((peft.read, mlx.read), folders, (PEFT, MLX), strict=True):
        (path / "adapter_config.json").write_text(json.dumps(usual | config))
        try:
            read(path)
        except AdapterError:
            continue


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_damaged_files_are_adapters_or_errors(folders: tuple[Path, Path], at: int, byte: int, cut: bool) -> None:
    peft_file, gguf_path = folders[0] / peft.WEIGHTS, folders[0].parent / "a.gguf"
    for path, read in (
        (peft_file, lambda: peft.read(peft_file.parent)),
        (gguf_path, lambda: gguf_adapters.read(gguf_path)),
    ):
        whole = path.read_bytes()
        data = bytearray(whole)
        data[at % len(data)] = byte
        path.write_bytes(data[: at % len(data)] if cut else data)
        try:
            read()
        except FormatError:
            continue
        finally:
            path.write_bytes(whole)
