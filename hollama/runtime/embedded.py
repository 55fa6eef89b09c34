"""Puts the model that hollama brings along into the store. Knows its name, not what it can do."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from hollama.errors import HollamaError, ModelNotFound
from hollama.store.inspect import describe_file
from hollama.store.manifest import HEF
from hollama.store.names import ModelName
from hollama.store.store import Store

EMBEDDED = "hollie"

ORIGIN = "hollama's embedded model"  # in the config of what was installed here, never of what a user made

log = logging.getLogger(__name__)


def install_embedded(store: Store) -> None:
    """Install the embedded model under its name, or bring an older one of ours up to date.

    A user's own model of that name stays. A models' folder that cannot be written is no reason not to start, so it is
    only logged.
    """
    package = files("hollama") / "embedded" / f"{EMBEDDED}.hef"
    if not package.is_file():
        return
    try:
        with as_file(package) as path:
            _install(store, path)
    except (HollamaError, OSError) as error:
        log.warning("the embedded model %s cannot be installed: %s", EMBEDDED, error)


def _install(store: Store, path: Path) -> None:
    name = ModelName.parse(EMBEDDED)
    if store.exists(name) and not _is_ours(store, name):
        return
    config = replace(describe_file(path, "hef", verbose=False).config, base_name=ORIGIN)
    layer = store.add_blob(path, HEF)
    if not store.exists(name) or store.find(name).weights.digest != layer.digest:
        store.write_manifest(name, config, [layer])


def _is_ours(store: Store, name: ModelName) -> bool:
    """Whether the model was installed here and is as it was: a single layer, with our mark."""
    try:
        model = store.find(name)
    except ModelNotFound:  # its manifest cannot be read
        return False
    return model.config.base_name == ORIGIN and len(model.layers) == 1
