"""Names of models: `[scheme://][host/][namespace/]model[:tag]`. Knows the grammar, not what is installed where.

A valid name is four plain path components, so it can never leave the folder of manifests.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from hollama.errors import NameInvalid

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

_GRAMMAR = {
    "host": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}"),
    "namespace": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}"),
    "model": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"),
    "tag": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"),
}


@dataclass(frozen=True, order=True)
class ModelName:
    """A complete and valid name; every constructor raises NameInvalid otherwise."""

    host: str
    namespace: str
    model: str
    tag: str
    scheme: str = field(default="https", compare=False)

    def __post_init__(self) -> None:
        if not all(_GRAMMAR[part].fullmatch(getattr(self, part)) for part in _GRAMMAR):
            raise NameInvalid("invalid model name")

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Split from the right and fill in the defaults. A separator with nothing beside it is an error."""
        tag, namespace, host, scheme = DEFAULT_TAG, DEFAULT_NAMESPACE, DEFAULT_HOST, "https"
        rest = text
        if rest.rfind(":") > rest.rfind("/"):
            rest, _, tag = rest.rpartition(":")
        rest, has_namespace, model = rest.rpartition("/")
        if has_namespace:
            rest, has_host, namespace = rest.rpartition("/")
            if has_host:
                before, has_scheme, after = rest.partition("://")
                scheme, host = (before, after) if has_scheme else (scheme, rest)
        return cls(host, namespace, model, tag, scheme)

    @classmethod
    def from_path(cls, path: PurePosixPath) -> ModelName:
        """The name of the manifest at `path`, relative to the folder of manifests."""
        if len(path.parts) != 4:
            raise NameInvalid("invalid model name")
        return cls(*path.parts)

    @property
    def path(self) -> PurePosixPath:
        """Where the manifest lies, relative to the folder of manifests."""
        return PurePosixPath(self.host, self.namespace, self.model, self.tag)

    @property
    def short(self) -> str:
        """As shown to people: without the default host and namespace, always with the tag."""
        shown = f"{self.model}:{self.tag}"
        if self.host.lower() != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{shown}"
        return shown if self.namespace.lower() == DEFAULT_NAMESPACE else f"{self.namespace}/{shown}"

    @property
    def full(self) -> str:
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    def __str__(self) -> str:
        return self.short


def resolve(name: ModelName, installed: Collection[ModelName]) -> ModelName:
    """`name` in the spelling that is installed: case decides only between names that differ in nothing else.

    Where no installed name fits, each part still takes the spelling an installed name has for it, so that two names
    that differ in case alone are never created.
    """
    if name in installed:
        return name
    wanted = name.full.lower()
    for other in sorted(installed):
        if other.full.lower() == wanted:
            return other
    return replace(name, **{part: _spelling(name, part, installed) for part in _GRAMMAR})


def _spelling(name: ModelName, part: str, installed: Collection[ModelName]) -> str:
    text: str = getattr(name, part)
    spellings = {getattr(other, part) for other in installed if getattr(other, part).lower() == text.lower()}
    return text if text in spellings or not spellings else str(min(spellings))
