"""Puts the model that hollama brings along into the store. Knows its name, not what it can do."""

from __future__ import annotations

import logging
from importlib.resources import as_file, files

from hollama.errors import HollamaError
from hollama.store.inspect import describe_file
from hollama.store.manifest import HEF
from hollama.store.names import ModelName
from hollama.store.store import Store

EMBEDDED = "hollie"

log = logging.getLogger(__name__)


def install_embedded(store: Store) -> None:
    """Install the embedded model under its name, unless a model of that name is there or it was built without one.

    A models' folder that cannot be written is no reason not to start, so it is only logged.
    """
    name = ModelName.parse(EMBEDDED)
    package = files("hollama") / "embedded" / f"{EMBEDDED}.hef"
    if store.exists(name) or not package.is_file():
        return
    try:
        with as_file(package) as path:
            config = describe_file(path, "hef", verbose=False).config
            store.write_manifest(name, config, [store.add_blob(path, HEF)])
    except (HollamaError, OSError) as error:
        log.warning("the embedded model %s cannot be installed: %s", EMBEDDED, error)
