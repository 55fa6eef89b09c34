"""The models' folder: which models there are, and how they come and go.

The layout is Ollama's, so both programs can share one folder: `manifests/<host>/<namespace>/<model>/<tag>` and
`blobs/sha256-<hex>`. `hef/` is ours: packages compiled from the GGUF layers of models. A manifest appears and
disappears by a rename or an unlink, after its blobs came and before they go, so a kill at any moment leaves every
manifest whole; what is left over is pruned once it is an hour old.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath

from hollama.errors import ModelNotFound, NameInvalid, StoreError
from hollama.store.blobs import Blobs, BlobWriter, list_folder, read_bounded, refusing
from hollama.store.manifest import (
    CONFIG_TYPE,
    GGUF,
    MAX_CONFIG,
    MAX_MANIFEST,
    Layer,
    Manifest,
    ModelConfig,
    check_digest,
    decode_config,
    decode_manifest,
    encode_config,
    encode_manifest,
)
from hollama.store.model import StoredModel, adapter_name
from hollama.store.names import ModelName, resolve

GRACE = 3600  # seconds a file that no manifest references may still be someone's work in progress
COMPILER_KEY = "w4a8kv8-1"  # names what a compiled package depends on beside its source
_LAST_MOMENT = 253_370_764_800  # the year 9999, which a file system may well exceed and `datetime` not
_NEW = ".new-"  # prefix of a manifest that is being written

log = logging.getLogger(__name__)


class Store:
    """All methods may be called from any thread; those that write take turns."""

    def __init__(self, root: Path, *, compiler_key: str = COMPILER_KEY, noprune: bool = False) -> None:
        self.root = root
        self.blobs = Blobs(root / "blobs")
        self._manifests = root / "manifests"
        self._packages = root / "hef"
        self._compiler_key = compiler_key
        self._noprune = noprune
        self._lock = threading.RLock()

    # ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def models(self) -> list[StoredModel]:
        """Every readable model, newest first; the others are logged."""
        found = []
        for path in self._manifest_paths():
            try:
                found.append(self._load(self._name(path), path))
            except (StoreError, NameInvalid) as error:
                log.warning("skipping manifest %s: %s", path, error)
        return sorted(found, key=lambda model: (-int(model.modified_at.timestamp()), model.name))

    def find(self, name: str | ModelName) -> StoredModel:
        """The model of that name, however its case; raises NameInvalid, ModelNotFound, and StoreError if it lies."""
        return self._load(*self._locate(name))

    def exists(self, name: ModelName) -> bool:
        """Whether a model is installed under exactly this spelling."""
        return os.path.isfile(self._manifests / name.path)

    def copy(self, source: str | ModelName, target: str | ModelName) -> None:
        """Give a model a second name; raises NameInvalid, ModelNotFound."""
        wanted = ModelName.parse(target) if isinstance(target, str) else target
        with self._lock:
            found, path = self._locate(source)
            if self._spelling(wanted) != found:
                self._replace(wanted, read_bounded(path, MAX_MANIFEST))

    def delete(self, name: str | ModelName) -> None:
        """Remove a model, and every blob and package that no other readable model needs; raises ModelNotFound.

        A manifest that cannot be read is removed just the same; its blobs wait for `prune`.
        """
        with self._lock:
            _, path = self._locate(name)
            gone = self._blobs_of(path)
            with refusing(path):
                path.unlink()
            self._remove_empty_folders()
            self._remove_unreferenced(gone)

    def write_manifest(self, name: ModelName, config: ModelConfig, layers: Sequence[Layer]) -> StoredModel:
        """Install a model whose layers are in the store already; raises StoreError if one is not."""
        blob = self.add_blob(encode_config(config), CONFIG_TYPE)
        return self.put_manifest(name, encode_manifest(Manifest(blob, tuple(layers))))

    def put_manifest(self, name: ModelName, data: bytes) -> StoredModel:
        """Install a manifest byte for byte, and drop what only its predecessor needed; raises StoreError."""
        manifest = decode_manifest(data)
        with self._lock:
            for layer in manifest.blobs:
                self.blobs.touch(layer.digest)
            return self._load(*self._replace(name, data))

    # ── blobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def blob_path(self, digest: str) -> Path:
        """Where the blob lies or would lie; raises DigestInvalid."""
        return self.blobs.path(digest)

    def has_blob(self, digest: str) -> bool:
        return self.blobs.has(digest)

    def blob_writer(self) -> BlobWriter:
        """A context to write a blob in: `write(bytes)`, then `commit()` for its digest."""
        return self.blobs.writer()

    def add_blob(self, source: bytes | Path, media_type: str) -> Layer:
        """Copy bytes or a file into the store."""
        return Layer(media_type, *self.blobs.add(source))

    # ── packages ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def package(self, model: StoredModel) -> Path | None:
        """The HEF of a model: its layer, or the one compiled from its GGUF; None if it must be compiled first."""
        path = model.model_path if model.format == "hef" else self.derived_path(model)
        return path if path.is_file() else None

    def derived_path(self, model: StoredModel) -> Path:
        """Where the package compiled from the model's GGUF and adapter belongs.

        Raises StoreError if it has no weights.
        """
        return self.derived_path_of(model.weights.digest, model.adapter)

    def derived_path_of(self, digest: str, adapter: str = "") -> Path:
        """Where the package compiled from this GGUF blob belongs, with the adapter of that name."""
        middle = f"-{adapter}" if adapter else ""
        return self._packages / f"{check_digest(digest)[7:]}{middle}-{self._compiler_key}.hef"

    # ── pruning ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def prune(self) -> None:
        """What a server does at its start: rename blobs of old versions, delete old files that no model needs.

        Deletes nothing if any manifest cannot be read, for it may need anything.
        """
        self.blobs.rename_old()
        if self._noprune:
            return
        with self._lock:
            try:
                needed = list(self._contents(strict=True))
            except (StoreError, NameInvalid) as error:
                log.warning("not pruning: %s", error)
                return
            self._prune_files(self.blobs.files(), self._files(needed))
            self._prune_files(list_folder(self._packages), self._files(needed))
            self._prune_files([path for path in list_folder(self._manifests) if path.name.startswith(_NEW)], set())
            self._remove_empty_folders()

    def _prune_files(self, paths: Iterable[Path], needed: set[Path]) -> None:
        for path in paths:
            with contextlib.suppress(OSError):
                if path not in needed and path.lstat().st_mtime < time.time() - GRACE:
                    path.unlink()

    def _remove_unreferenced(self, layers: Iterable[Layer]) -> None:
        for path in self._files([tuple(layers)]) - self._files(self._contents(strict=False)):
            with contextlib.suppress(OSError):
                path.unlink()

    def _files(self, manifests: Iterable[Sequence[Layer]]) -> set[Path]:
        """The blobs of manifests, and the packages that were compiled from them."""
        found = set()
        for layers in manifests:
            found |= {self.blobs.path(layer.digest) for layer in layers}
            adapter = adapter_name(layers)
            found |= {self.derived_path_of(layer.digest, adapter) for layer in layers if layer.media_type == GGUF}
        return found

    def _contents(self, *, strict: bool) -> Iterator[tuple[Layer, ...]]:
        """What each manifest names; `strict` raises StoreError or NameInvalid for one that cannot be read."""
        for path in self._manifest_paths():
            try:
                self._name(path)
                manifest = decode_manifest(read_bounded(path, MAX_MANIFEST))
            except (StoreError, NameInvalid) as error:
                if strict:
                    raise StoreError(f"manifest {path} cannot be read: {error}") from error
                continue
            yield manifest.blobs

    def _remove_empty_folders(self) -> None:
        for folder, _, _ in os.walk(self._manifests, topdown=False):
            if Path(folder) != self._manifests:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)  # refuses one that is not empty

    # ── manifests ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _manifest_paths(self) -> list[Path]:
        paths = [self._manifests]
        for _ in range(4):
            paths = [below for path in paths for below in list_folder(path)]
        return paths

    def _name(self, path: Path) -> ModelName:
        return ModelName.from_path(PurePosixPath(*path.relative_to(self._manifests).parts))

    def _spelling(self, name: ModelName) -> ModelName:
        """The name as it is installed; only a name that is not needs a look at all the others."""
        if self.exists(name):
            return name
        installed = set()
        for path in self._manifest_paths():
            with contextlib.suppress(NameInvalid):
                installed.add(self._name(path))
        return resolve(name, installed)

    def _locate(self, name: str | ModelName) -> tuple[ModelName, Path]:
        """The installed spelling and its manifest; raises NameInvalid, ModelNotFound."""
        wanted = ModelName.parse(name) if isinstance(name, str) else name
        spelt = self._spelling(wanted)
        if not self.exists(spelt):
            raise ModelNotFound(f"model '{wanted}' not found")
        return spelt, self._manifests / spelt.path

    def _load(self, name: ModelName, path: Path) -> StoredModel:
        data = read_bounded(path, MAX_MANIFEST)
        manifest = decode_manifest(data)
        with refusing(path):
            changed = min(max(path.stat().st_mtime, 0), _LAST_MOMENT)
        return StoredModel(
            name=name,
            digest=hashlib.sha256(data).hexdigest(),
            size=sum(layer.size for layer in manifest.blobs),
            modified_at=datetime.fromtimestamp(changed).astimezone(),
            config=self._config(manifest.config),
            layers=manifest.layers,
            blobs=self.blobs,
        )

    def _config(self, layer: Layer | None) -> ModelConfig:
        return decode_config(self.blobs.read(layer.digest, MAX_CONFIG)) if layer else ModelConfig()

    def _blobs_of(self, path: Path) -> tuple[Layer, ...]:
        try:
            return decode_manifest(read_bounded(path, MAX_MANIFEST)).blobs
        except StoreError:
            return ()

    def _replace(self, name: ModelName, data: bytes) -> tuple[ModelName, Path]:
        """Write a manifest, then drop what only its predecessor needed."""
        spelt = self._spelling(name)
        path = self._manifests / spelt.path
        before = self._blobs_of(path)
        with refusing(path):
            self._write(path, data)
        if not self._noprune:
            self._remove_unreferenced(before)
        return spelt, path

    def _write(self, path: Path, data: bytes) -> None:
        """All at once. The temporary file lies above the level of manifests, where nobody takes it for one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=_NEW, dir=self._manifests)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
