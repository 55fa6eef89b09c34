"""Descriptions of weights: what /api/show tells, from real files."""

import json
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from hollama.errors import GgufError, StoreError
from hollama.store.inspect import describe, describe_file, file_type, human_number
from hollama.store.manifest import GGUF, ModelConfig
from hollama.store.model import StoredModel
from hollama.store.names import ModelName
from hollama.store.store import Store


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (999, "999"),
        (1000, "1K"),
        (292_800, "293K"),
        (3_413_632, "3.41M"),
        (5_000_000, "5M"),
        (8_030_261_312, "8.0B"),
        (7_000_000_000, "7B"),
        (405_853_388_800, "405.9B"),
    ],
)
def test_human_number(count: int, text: str) -> None:
    assert human_number(count) == text


@pytest.mark.parametrize(
    ("number", "text"), [(1, "F16"), (2, "Q4_0"), (15, "Q4_K_M"), (0, "unknown"), (9999, "unknown"), ("2", "unknown")]
)
def test_file_type(number: object, text: str) -> None:
    assert file_type(number) == text


def test_real_gguf(shared: Path) -> None:
    found = describe_file(shared / "data/derived/tinytalk/tinytalk-chat.q4_0.gguf", "gguf", verbose=False)
    assert (found.architecture, found.file_type, found.context_length, found.embedding_length) == (
        "gpt2",
        "Q4_0",
        256,
        128,
    )
    assert found.chat_template.startswith("{% for")
    assert not found.model_info.keys() & {"general.name", "tokenizer.chat_template"}
    assert found.model_info["tokenizer.ggml.tokens"] is None
    assert found.model_info["gpt2.attention.layer_norm_epsilon"] == 1e-05
    assert found.model_info["general.parameter_count"] == found.parameter_count == 3_413_632
    assert found.tensors[0] == ("token_embd.weight", "Q4_0", (128, 14019))
    assert found.config == ModelConfig("gguf", "gpt2", ("gpt2",), "3.41M", "Q4_0")


def test_verbose_has_the_arrays(shared: Path) -> None:
    found = describe_file(shared / "data/derived/stories260k/stories260K.f32.gguf", "gguf", verbose=True)
    assert len(found.model_info["tokenizer.ggml.tokens"]) == 512
    json.dumps(dict(found.model_info), allow_nan=False)


def test_no_shape_of_a_value_hurts(tmp_path: Path) -> None:
    """Text that is no UTF-8, numbers that JSON lacks, keys of the wrong type."""
    writer = gguf.GGUFWriter(tmp_path / "f", "llama")
    writer.add_float32("nan", float("nan"))
    writer.add_float64("big", 1e300)
    writer.add_float64("tenth", 0.1)
    writer.add_string("llama.context_length", "long")
    writer.add_array("numbers", [1.5, 2.5])
    writer.add_key_value("bad", b"\xff\xfe", gguf.GGUFValueType.STRING)
    writer.add_tensor("w", np.zeros((2, 3), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = describe_file(tmp_path / "f", "gguf")
    info = found.model_info
    assert (info["nan"], info["bad"], info["big"], info["tenth"], info["numbers"]) == (
        None,
        None,
        1e300,
        0.1,
        [1.5, 2.5],
    )
    assert (found.context_length, found.tensors) == (0, (("w", "F32", (3, 2)),))


def test_described_once(install: Callable[..., StoredModel], shared: Path) -> None:
    model = install("m", (shared / "data/derived/stories260k/stories260K.f32.gguf").read_bytes())
    assert describe(model) is describe(model)
    assert describe(model, verbose=True).model_info["tokenizer.ggml.tokens"]


def test_weights_that_lie(install: Callable[..., StoredModel]) -> None:
    with pytest.raises(GgufError):
        describe(install("m", b"GGUF junk"))


def test_weights_that_are_gone(store: Store, install: Callable[..., StoredModel]) -> None:
    model = install("m", b"GGUF gone")
    model.model_path.unlink()
    with pytest.raises(StoreError, match="no such file"):
        describe(model)


def test_store_of_a_real_ollama(tmp_path: Path, shared: Path) -> None:
    """A folder laid out by hand as Ollama leaves it, with what only Ollama writes."""
    import hashlib

    blobs, manifests = tmp_path / "blobs", tmp_path / "manifests/hf.co/karpathy/tinyllamas"
    blobs.mkdir()
    manifests.mkdir(parents=True)

    def blob(kind: str, data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / f"sha256-{digest}").write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    weights = (shared / "data/weights/stories260k/stories260Ktok512.gguf").read_bytes()
    config = (
        b'{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"292.80K",'
        b'"file_type":"unknown","architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    )
    image = "application/vnd.ollama.image."
    data = json.dumps({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": blob("application/vnd.docker.container.image.v1+json", config),
        "layers": [blob(GGUF, weights), blob(f"{image}template", b"{{ .Prompt }}"),
                   blob(f"{image}params", b'{"stop":["<|im_end|>"]}'), blob(f"{image}embed", b"")],
        "annotations": {"org.example": "x"},
    }).encode()  # fmt: skip
    (manifests / "latest").write_bytes(data)
    store = Store(tmp_path)
    store.prune()
    (model,) = store.models()
    assert model.name.short == "hf.co/karpathy/tinyllamas:latest"
    assert model.digest == hashlib.sha256(data).hexdigest()
    assert (model.template, model.parameters, model.details["parameter_size"]) == (
        "{{ .Prompt }}", {"stop": ["<|im_end|>"]}, "292.80K",
    )  # fmt: skip
    assert describe(model).context_length == 128
    assert store.package(model) is None
    assert store.find(ModelName.parse("HF.co/Karpathy/TinyLlamas")).digest == model.digest
