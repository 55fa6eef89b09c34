"""From the name in a request to an installed model, in the words of Ollama's refusals. Loads nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from hollama.api.names import REMOTE, CloudRefused, local_name
from hollama.errors import ModelNotFound, RequestError
from hollama.store.model import StoredModel
from hollama.store.store import Store

CLOUD = "ollama.com"


def find(store: Store, raw: str, missing: str = "model '{}' not found") -> StoredModel:
    """The model that a request calls `raw`. `missing` is what to say, with the name as it was sent, of one not there.

    Raises NameInvalid, ModelNotFound, and RequestError or CloudRefused for one that is not to be had on this machine.
    """
    name = local_name(raw)
    if not name:
        raise ModelNotFound(missing.format(raw))
    try:
        found = store.find(name)
    except ModelNotFound:
        raise ModelNotFound(missing.format(raw)) from None
    if found.config.remote_host:
        if name != raw.strip():  # it was to be a local one
            raise ModelNotFound(missing.format(raw))
        raise _refusal(found.config.remote_host)
    return found


def _refusal(host: str) -> RequestError:
    """For a model that runs on another machine: there is one cloud, and nobody is signed in to it."""
    if urlsplit(host).hostname == CLOUD:
        return CloudRefused(f"ollama cloud is disabled: {REMOTE}")
    return RequestError("this server cannot run this remote model")
