"""The embedded model: installed once, never in the way."""

from pathlib import Path
from typing import Any

import pytest

from hollama.runtime import embedded
from hollama.store.manifest import ModelConfig
from hollama.store.store import Store


@pytest.fixture
def data(tmp_path: Path, package: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Package data with a model in it, in place of what this checkout was built with."""
    folder = tmp_path / "data"
    (folder / "embedded").mkdir(parents=True)
    (folder / "embedded" / "hollie.hef").write_bytes(package)
    monkeypatch.setattr(embedded, "files", lambda _: folder)
    return folder


def test_installed_once(store: Store, data: Path, package: bytes) -> None:
    embedded.install_embedded(store)
    model = store.find("hollie")
    assert model.model_path.read_bytes() == package
    assert (model.config.model_family, model.format) == ("llama", "hef")
    embedded.install_embedded(store)
    assert store.find("hollie").digest == model.digest
    assert store.find("hollie").modified_at == model.modified_at


def test_a_users_own_model_of_that_name_stays(store: Store, data: Path, package: bytes) -> None:
    embedded.install_embedded(store)
    store.write_manifest(store.find("hollie").name, ModelConfig(base_name="mine"), [])
    embedded.install_embedded(store)
    assert store.find("hollie").config.base_name == "mine"


def test_an_older_one_of_ours_is_replaced(store: Store, data: Path, package: bytes, other_package: bytes) -> None:
    (data / "embedded" / "hollie.hef").write_bytes(other_package)
    embedded.install_embedded(store)
    (data / "embedded" / "hollie.hef").write_bytes(package)
    embedded.install_embedded(store)
    assert store.find("hollie").model_path.read_bytes() == package


def test_built_without_one(store: Store, data: Path) -> None:
    (data / "embedded" / "hollie.hef").unlink()
    embedded.install_embedded(store)
    assert store.models() == []


@pytest.mark.parametrize("damage", ["package", "folder"])
def test_trouble_is_only_logged(data: Path, tmp_path: Path, caplog: Any, damage: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    if damage == "package":
        (data / "embedded" / "hollie.hef").write_bytes(b"junk")
    store = Store(tmp_path / ("models" if damage == "package" else "file"))
    embedded.install_embedded(store)
    assert "cannot be installed" in caplog.text
    assert store.models() == []
