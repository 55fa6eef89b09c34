"""From the name in a request to an installed model, in the words of Ollama's refusals. Loads nothing."""

from __future__ import annotations

from hollama.api.names import local_name
from hollama.errors import ModelNotFound
from hollama.store.model import StoredModel
from hollama.store.store import Store


def find(store: Store, raw: str, missing: str = "model '{}' not found") -> StoredModel:
    """The model that a request calls `raw`. `missing` is what to say, with the name as it was sent, of one not there.

    Raises NameInvalid, ModelNotFound, and RequestError or CloudRefused for a name with `:local` or `:cloud`.
    """
    name = local_name(raw)
    if not name:
        raise ModelNotFound(missing.format(raw))
    try:
        return store.find(name)
    except ModelNotFound:
        raise ModelNotFound(missing.format(raw)) from None
