"""The store: what comes, what goes, what stays."""

import errno
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hollama.errors import DigestInvalid, ModelNotFound, NameInvalid, StoreError
from hollama.store.blobs import refusing
from hollama.store.manifest import GGUF, HEF, MAX_MANIFEST, SYSTEM, ModelConfig
from hollama.store.model import StoredModel
from hollama.store.names import ModelName
from hollama.store.store import Store

Install = Callable[..., StoredModel]

OLD = time.time() - 2 * 3600


def age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (OLD, OLD))


def manifest(store: Store, name: str) -> Path:
    return store.root / "manifests" / ModelName.parse(name).path


def test_empty_store_has_no_models(store: Store) -> None:
    assert store.models() == []
    store.prune()


def test_blob_is_named_by_its_bytes(store: Store) -> None:
    with store.blob_writer() as writer:
        writer.write(b"one ")
        writer.write(b"two")
        digest = writer.commit()
    assert digest == "sha256:" + hashlib.sha256(b"one two").hexdigest()
    assert store.has_blob(digest)
    assert store.blob_path(digest).read_bytes() == b"one two"
    assert store.blob_path(digest).stat().st_mode & 0o777 == 0o644


def test_abandoned_blob_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyError), store.blob_writer() as writer:
        writer.write(b"half")
        raise KeyError
    assert list((store.root / "blobs").iterdir()) == []


def test_same_blob_twice_is_one_file_and_fresh(store: Store) -> None:
    layer = store.add_blob(b"data", SYSTEM)
    age(store.blob_path(layer.digest))
    assert store.add_blob(b"data", SYSTEM) == layer
    assert store.blob_path(layer.digest).stat().st_mtime > OLD + 60
    assert len(list((store.root / "blobs").iterdir())) == 1


def test_truncated_blob_is_healed(store: Store) -> None:
    path = store.blob_path(store.add_blob(b"data", SYSTEM).digest)
    path.write_bytes(b"da")
    store.add_blob(b"data", SYSTEM)
    assert path.read_bytes() == b"data"


def test_file_is_copied_in(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"x" * 3_000_000)
    layer = store.add_blob(source, GGUF)
    assert (layer.size, source.exists()) == (3_000_000, True)


@pytest.mark.parametrize("digest", ["", "sha256:..", "sha256:../../x", "sha256-" + "g" * 64])
def test_bad_digest(store: Store, digest: str) -> None:
    with pytest.raises(DigestInvalid):
        store.blob_path(digest)


def test_written_model_is_found_whatever_its_case(store: Store, install: Install) -> None:
    written = install("Anna/Chat:V1", system=b"Be kind.")
    found = store.find("anna/chat:v1")
    assert found == written
    assert found.digest == hashlib.sha256(manifest(store, "Anna/Chat:V1").read_bytes()).hexdigest()
    assert found.size == sum(layer.size for layer in found.layers) + len(b"".join(_configs(store)))


def _configs(store: Store) -> list[bytes]:
    return [data for path in (store.root / "blobs").iterdir() if (data := path.read_bytes()).startswith(b"{")]


def test_names_that_differ_in_case_are_one_model(store: Store, install: Install) -> None:
    install("Chat")
    assert install("chat").name.short == "Chat:latest"
    assert len(store.models()) == 1


def test_unknown_and_invalid_names(store: Store) -> None:
    with pytest.raises(ModelNotFound):
        store.find("nobody")
    with pytest.raises(NameInvalid):
        store.find("no body")
    with pytest.raises(ModelNotFound):
        store.find("h" * 350 + "/n/m")  # longer than a file name may be


def test_newest_model_comes_first(store: Store, install: Install) -> None:
    install("old")
    age(manifest(store, "old"))
    install("new")
    assert [model.name.model for model in store.models()] == ["new", "old"]


def test_manifest_needs_its_blobs(store: Store, install: Install) -> None:
    layer = store.add_blob(b"gone", GGUF)
    store.blob_path(layer.digest).unlink()
    with pytest.raises(StoreError, match="no such file or directory"):
        store.write_manifest(ModelName.parse("m"), ModelConfig(), [layer])
    assert store.models() == []


def test_manifest_is_kept_byte_for_byte(store: Store, install: Install) -> None:
    install("m")
    data = b"  " + manifest(store, "m").read_bytes() + b"\n\n"
    store.put_manifest(ModelName.parse("raw"), data)
    assert manifest(store, "raw").read_bytes() == data


def test_copy_is_the_same_model(store: Store, install: Install) -> None:
    install("m")
    store.copy("M", "other:1")
    assert store.find("other:1").digest == store.find("m").digest
    store.copy("m", "m")
    with pytest.raises(ModelNotFound):
        store.copy("nobody", "x")
    with pytest.raises(NameInvalid):
        store.copy("m", "no body")


def test_delete_keeps_what_others_need(store: Store, install: Install) -> None:
    first = install("u/a", b"shared", system=b"mine")
    second = install("b", b"shared")
    store.derived_path(first).parent.mkdir()
    store.derived_path(first).write_bytes(b"package")
    store.delete("u/a")
    assert [store.has_blob(layer.digest) for layer in first.layers] == [True, False]
    assert store.package(second) == store.derived_path(first)
    assert not (store.root / "manifests/registry.ollama.ai/u").exists()
    store.delete("b")
    assert list((store.root / "blobs").iterdir()) == list((store.root / "hef").iterdir()) == []
    with pytest.raises(ModelNotFound):
        store.delete("b")


def test_delete_of_a_broken_manifest(store: Store, install: Install) -> None:
    manifest(store, "broken").parent.mkdir(parents=True)
    manifest(store, "broken").write_bytes(b"{")
    store.delete("broken")
    assert not manifest(store, "broken").exists()


def test_replaced_model_drops_its_old_layers(store: Store, install: Install) -> None:
    before = install("m", b"old")
    after = install("m", b"new")
    assert not store.has_blob(before.layers[0].digest)
    assert store.has_blob(after.layers[0].digest)


def test_noprune_keeps_everything(store: Store, install: Install) -> None:
    keeper = Store(store.root, noprune=True)
    before = install("m", b"old")
    keeper.write_manifest(before.name, ModelConfig(), [])
    age(*(store.root / "blobs").iterdir())
    keeper.prune()
    assert keeper.has_blob(before.layers[0].digest)


def test_prune_takes_what_is_old_and_unneeded(store: Store, install: Install) -> None:
    model = install("m")
    blobs, manifests, packages = store.root / "blobs", store.root / "manifests", store.root / "hef"
    packages.mkdir()
    old = [
        blobs / ("sha256-" + "0" * 64),
        blobs / "sha256-abc",
        blobs / ("sha256-" + "1" * 64 + "-partial"),
        manifests / ".new-x",
        packages / ("0" * 64 + "-key.hef"),
        packages / (model.layers[0].digest[7:] + "-old.hef"),
    ]
    fresh = [blobs / ("sha256-" + "2" * 64), blobs / ("sha256-" + "3" * 64 + "-partial-0"), packages / "new"]
    needed = [store.derived_path(model), *(store.blob_path(layer.digest) for layer in model.layers)]
    for path in (*old, *fresh, store.derived_path(model)):
        path.write_bytes(b"x")
    age(*old, *needed)
    (manifests / "h" / "n" / "m").mkdir(parents=True)
    store.prune()
    assert [path.name for path in old if path.exists()] == []
    assert all(path.exists() for path in (*fresh, *needed))
    assert not (manifests / "h").exists()


def test_one_unreadable_manifest_stops_pruning(store: Store, install: Install) -> None:
    install("m")
    manifest(store, "bad").parent.mkdir(parents=True)
    manifest(store, "bad").write_bytes(b"not json")
    path = store.blob_path(store.add_blob(b"unneeded", SYSTEM).digest)
    age(path)
    store.prune()
    assert path.exists()
    manifest(store, "bad").unlink()
    store.prune()
    assert not path.exists()


def test_blobs_of_old_versions_are_renamed(store: Store) -> None:
    layer = store.add_blob(b"old", GGUF)
    path = store.blob_path(layer.digest)
    path.rename(path.with_name(layer.digest))
    store.prune()
    assert store.has_blob(layer.digest)


def test_listing_survives_anything(store: Store, install: Install, tmp_path: Path) -> None:
    """Folders, loops, pipes, garbage, lies: skipped, the one good model is shown."""
    install("good")
    folder = manifest(store, "good").parent
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")
    (folder / "garbage").write_bytes(b"\xff\0{")
    (folder / "huge").write_bytes(b" " * (MAX_MANIFEST + 1))
    (folder / "climber").write_text('{"config":{"digest":"sha256:../../../x"},"layers":[]}')
    (folder / "noconfig").write_text('{"config":{"digest":"sha256:' + "0" * 64 + '"},"layers":[]}')
    (folder / "bad name").write_bytes((folder / "latest").read_bytes())
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"{}")
    (store.root / "manifests" / "loop").symlink_to(store.root / "manifests")
    (store.root / "manifests" / "file").write_bytes(b"")
    assert [model.name.short for model in store.models()] == ["good:latest"]
    for tag in ("folder", "loop", "pipe", "garbage", "huge", "climber", "noconfig"):
        with pytest.raises((StoreError, ModelNotFound)):
            store.find(f"good:{tag}")
    store.prune()


def test_time_beyond_the_calendar(store: Store, install: Install) -> None:
    install("m")
    os.utime(manifest(store, "m"), (2**38, 2**38))
    assert len(store.models()) == 1


def test_linked_manifests_and_blobs_work(store: Store, install: Install, tmp_path: Path) -> None:
    model = install("m")
    for number, path in enumerate((manifest(store, "m"), model.model_path)):
        path.rename(tmp_path / str(number))
        path.symlink_to(tmp_path / str(number))
    assert store.find("m").digest == model.digest
    assert store.find("m").model_path.read_bytes() == b"weights"


def test_unwritable_folder_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="ensure path elements are traversable"):
        Store(tmp_path / "file").add_blob(b"", SYSTEM)


def test_a_full_disk_is_told_what_would_help() -> None:
    with pytest.raises(StoreError, match="open blob: no space left on device; free some space"), refusing(Path("blob")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_package_of_a_hef_is_its_layer(store: Store) -> None:
    layer = store.add_blob(b"hef", HEF)
    model = store.write_manifest(ModelName.parse("m"), ModelConfig("hef"), [layer])
    assert (model.format, store.package(model)) == ("hef", store.blob_path(layer.digest))


def test_package_of_a_gguf_is_compiled_beside_it(store: Store, install: Install) -> None:
    model = install("m")
    assert store.package(model) is None
    path = store.derived_path(model)
    path.parent.mkdir()
    path.write_bytes(b"hef")
    assert store.package(model) == path
    assert Store(store.root, compiler_key="other").package(model) is None


def test_model_without_weights(store: Store) -> None:
    model = store.write_manifest(ModelName.parse("stub"), ModelConfig(remote_host="h", remote_model="m"), [])
    with pytest.raises(StoreError, match="no weights"):
        store.package(model)
