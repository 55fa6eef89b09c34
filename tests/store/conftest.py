"""A store in a temporary folder and a way to put models in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hollama.store.manifest import GGUF, ModelConfig
from hollama.store.model import StoredModel
from hollama.store.names import ModelName
from hollama.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def install(store: Store) -> Callable[..., StoredModel]:
    def put(name: str, weights: bytes = b"weights", **layers: bytes) -> StoredModel:
        """A model with some weights; other layers by the last word of their media type."""
        kinds = [(f"application/vnd.ollama.image.{kind}", data) for kind, data in layers.items()]
        made = [store.add_blob(data, kind) for kind, data in [(GGUF, weights), *kinds]]
        return store.write_manifest(ModelName.parse(name), ModelConfig("gguf", "llama"), made)

    return put
