"""A stored model: its layers as values."""

from collections.abc import Callable

import pytest

from hollama.errors import StoreError
from hollama.store.manifest import GGUF, PROMPT, SYSTEM, Layer, ModelConfig
from hollama.store.model import MAX_TEXT, StoredModel
from hollama.store.names import ModelName
from hollama.store.store import Store
from hollama.types import Message

Install = Callable[..., StoredModel]


def test_layers_become_values(install: Install) -> None:
    model = install(
        "m",
        template=b"{{ .Prompt }}",
        system=b"Be kind.",
        params=b'{"stop":["\\u003cend\\u003e"],"temperature":0.5}\n',
        messages=b'[{"role":"user","content":"hi"}]\n',
        license=b"MIT",
        adapter=b"lora",
    )
    assert (model.template, model.system, model.licenses) == ("{{ .Prompt }}", "Be kind.", ("MIT",))
    assert model.parameters == {"stop": ["<end>"], "temperature": 0.5}
    assert model.messages == (Message("user", "hi"),)
    assert [path.read_bytes() for path in model.adapter_paths] == [b"lora"]
    assert model.model_path.read_bytes() == b"weights"


def test_what_is_missing_is_empty(install: Install) -> None:
    model = install("m")
    assert (model.template, model.system, model.parameters, model.messages, model.licenses) == (None, "", {}, (), ())
    assert (model.parent, model.adapter_paths, model.format) == ("", (), "gguf")


def test_last_layer_of_a_type_counts(store: Store) -> None:
    layers = [store.add_blob(text, SYSTEM) for text in (b"first", b"second")]
    assert store.write_manifest(ModelName.parse("m"), ModelConfig(), layers).system == "second"


def test_template_may_have_its_old_name(store: Store) -> None:
    model = store.write_manifest(ModelName.parse("m"), ModelConfig(), [store.add_blob(b"old", PROMPT)])
    assert model.template == "old"


def test_parent_is_where_the_weights_came_from(store: Store) -> None:
    weights = store.add_blob(b"w", GGUF)
    layer = Layer(GGUF, weights.digest, weights.size, origin="base:latest")
    model = store.write_manifest(ModelName.parse("m"), ModelConfig("gguf", "llama", ("llama",), "1B", "F16"), [layer])
    assert model.details == {
        "parent_model": "base:latest",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "1B",
        "quantization_level": "F16",
    }


@pytest.mark.parametrize("params", [b"", b"[1]", b"5", b"{", b'"x"'])
def test_bad_parameters(install: Install, params: bytes) -> None:
    with pytest.raises(StoreError):
        _ = install("m", params=params).parameters


@pytest.mark.parametrize("messages", [b"{", b"5", b"[5]", b'[{"role":5}]'])
def test_bad_messages(install: Install, messages: bytes) -> None:
    with pytest.raises(StoreError):
        _ = install("m", messages=messages).messages


def test_enormous_text_is_refused(install: Install) -> None:
    with pytest.raises(StoreError, match="more than"):
        _ = install("m", system=b" " * (MAX_TEXT + 1)).system


def test_blob_gone_since_is_a_named_error(store: Store, install: Install) -> None:
    model = install("m", system=b"text")
    store.blob_path(model.layers[1].digest).unlink()
    with pytest.raises(StoreError, match="no such file"):
        _ = model.system
