"""An installed model: its manifest, and its layers read when they are asked for. Changes nothing on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from hollama.errors import StoreError
from hollama.store import manifest as media
from hollama.store.blobs import Blobs
from hollama.store.manifest import Layer, ModelConfig, decode_json
from hollama.store.names import ModelName
from hollama.types import Message

MAX_TEXT = 16 << 20  # bytes of a template, a system prompt, a licence, parameters or messages


@dataclass(frozen=True)
class StoredModel:
    """A model as its manifest describes it. Layers that lie raise StoreError when they are read."""

    name: ModelName
    digest: str  # hex SHA-256 of the manifest's bytes
    size: int  # bytes, of all layers and the config
    modified_at: datetime  # of the manifest, with its time zone
    config: ModelConfig
    layers: tuple[Layer, ...]
    blobs: Blobs

    @cached_property
    def template(self) -> str | None:
        """The Go template, if the model brings one."""
        layer = self.last(media.TEMPLATE, media.PROMPT)
        return self._text(layer) if layer else None

    @cached_property
    def system(self) -> str:
        layer = self.last(media.SYSTEM)
        return self._text(layer) if layer else ""

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Options by name, as the PARAMETER lines set them."""
        value = self._json(media.PARAMS)
        if not isinstance(value or {}, dict):
            raise StoreError(f'parameters of "{self.name}" are a {type(value).__name__}, an object was expected')
        return value or {}

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        value = self._json(media.MESSAGES) or []
        if not isinstance(value, list) or not all(_is_message(item) for item in value):
            raise StoreError(f'messages of "{self.name}" must be a list of objects with the texts "role" and "content"')
        return tuple(Message(item.get("role") or "", item.get("content") or "") for item in value)

    @cached_property
    def licenses(self) -> tuple[str, ...]:
        return tuple(self._text(layer) for layer in self.all(media.LICENSE))

    @property
    def weights(self) -> Layer:
        """The layer of the weights, a HEF or a GGUF; raises StoreError if the model has neither."""
        layer = self.last(media.HEF) or self.last(media.GGUF)
        if not layer:
            kind = "tensor layers, which need MLX" if self.all(media.TENSOR) else "no weights"
            hint = "create it again from a HEF, a GGUF or a checkpoint folder"
            raise StoreError(f'model "{self.name}" has {kind}; {hint}')
        return layer

    @property
    def model_path(self) -> Path:
        """The blob of the weights; raises StoreError if the model has none."""
        return self.blobs.path(self.weights.digest)

    @property
    def format(self) -> str:
        """ "hef" or "gguf"; what the config says where there is neither."""
        return "hef" if self.all(media.HEF) else "gguf" if self.all(media.GGUF) else self.config.model_format

    @property
    def adapter_paths(self) -> tuple[Path, ...]:
        return tuple(self.blobs.path(layer.digest) for layer in self.all(*media.ADAPTERS))

    @property
    def adapter(self) -> str:
        """The name in the package of the adapter that the model uses; empty without one."""
        return adapter_name(self.layers)

    @property
    def projector_paths(self) -> tuple[Path, ...]:
        return tuple(self.blobs.path(layer.digest) for layer in self.all(media.PROJECTOR))

    @property
    def parent(self) -> str:
        """The model whose weights this one took over, or nothing."""
        layer = self.last(media.HEF) or self.last(media.GGUF)
        return layer.origin if layer else ""

    @property
    def details(self) -> Mapping[str, Any]:
        """The object of that name in /api/tags and /api/show."""
        config = self.config
        details: dict[str, Any] = {
            "parent_model": self.parent,
            "format": config.model_format,
            "family": config.model_family,
            "families": list(config.model_families) or None,
            "parameter_size": config.model_type,
            "quantization_level": config.file_type,
        }
        lengths = {"context_length": config.context_length, "embedding_length": config.embedding_length}
        return details | {key: length for key, length in lengths.items() if length}

    def all(self, *media_types: str) -> tuple[Layer, ...]:
        """Layers of these types, in the manifest's order."""
        return tuple(layer for layer in self.layers if layer.media_type in media_types)

    def last(self, *media_types: str) -> Layer | None:
        """The layer that counts where one is expected."""
        found = self.all(*media_types)
        return found[-1] if found else None

    def _text(self, layer: Layer) -> str:
        return self.blobs.read(layer.digest, MAX_TEXT).decode("utf-8", "replace")

    def _json(self, media_type: str) -> Any:
        layer = self.last(media_type)
        return decode_json(self.blobs.read(layer.digest, MAX_TEXT), f'{media_type} of "{self.name}"') if layer else None


def adapter_name(layers: Sequence[Layer]) -> str:
    """A name that says what is in the adapter's layers; empty where there are none. A package calls it so."""
    files = sorted(f"{layer.name} {layer.digest}" for layer in layers if layer.media_type in media.ADAPTERS)
    return f"lora-{hashlib.sha256(chr(10).join(files).encode()).hexdigest()[:12]}" if files else ""


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key) or "", str) for key in ("role", "content"))
