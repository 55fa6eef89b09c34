"""The source suffixes of a model name in a request: `:local`, `:cloud`, `-cloud`. Knows no model."""

from __future__ import annotations

from json.encoder import encode_basestring

from hollama.errors import RequestError

REMOTE = "remote model is unavailable"


class CloudRefused(RequestError):
    """A model that runs on somebody else's machines."""

    status = 403


def local_name(raw: str, *, refused: str = REMOTE) -> str:
    """The name without its `:local`. Raises CloudRefused for a cloud model, RequestError for two suffixes."""
    base, source = _split(raw.strip())
    if source and _split(base)[1]:
        raise RequestError(f"use either :local or :cloud, not both: {encode_basestring(raw)}")
    if source == "cloud":
        raise CloudRefused(f"ollama cloud is disabled: {refused}")
    return base


def _split(name: str) -> tuple[str, str]:
    base, colon, tag = name.rpartition(":")
    folded = tag.casefold()
    if colon and folded in ("local", "cloud"):
        return base, folded
    if colon and folded.endswith("-cloud") and "/" not in tag:
        return name[: -len("-cloud")], "cloud"
    return name, ""
