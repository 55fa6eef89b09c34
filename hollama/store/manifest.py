"""Manifests and configs: bytes <-> values. Knows no file system.

A manifest is a Docker v2 manifest: a config blob and layers, each named by the SHA-256 of its bytes. What Ollama or a
registry writes beyond the known keys is ignored; a config may be missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hollama.errors import DigestInvalid, StoreError

MAX_MANIFEST = 8 << 20  # bytes; the largest real ones have some thousand layers of 200 bytes
MAX_CONFIG = 4 << 20
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"

GGUF = "application/vnd.ollama.image.model"
PROJECTOR = "application/vnd.ollama.image.projector"
ADAPTER = "application/vnd.ollama.image.adapter"
DRAFT = "application/vnd.ollama.image.draft"
TEMPLATE = "application/vnd.ollama.image.template"
PROMPT = "application/vnd.ollama.image.prompt"  # the template's name in old models
SYSTEM = "application/vnd.ollama.image.system"
PARAMS = "application/vnd.ollama.image.params"
MESSAGES = "application/vnd.ollama.image.messages"
LICENSE = "application/vnd.ollama.image.license"
TENSOR = "application/vnd.ollama.image.tensor"
ADAPTER_FILE = "application/vnd.hollama.image.adapter"  # a file of an adapter that is no GGUF, by its name
ADAPTERS = (ADAPTER, ADAPTER_FILE)
HEF = "application/vnd.hollama.image.hef"

_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Layer:
    """One blob of a model. `size` is bytes; `origin` names the model it was taken over from, if it was."""

    media_type: str
    digest: str  # "sha256:" and 64 hex digits
    size: int
    origin: str = ""
    name: str = ""


@dataclass(frozen=True)
class ModelConfig:
    """What a model is, said once at its creation. The fields are the keys of the JSON, in Ollama's order."""

    model_format: str = ""
    model_family: str = ""
    model_families: tuple[str, ...] = ()
    model_type: str = ""  # a number for people: "8.0B"
    file_type: str = ""  # "Q4_K_M", "W4A8KV8"
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    remote_host: str = ""
    remote_model: str = ""
    capabilities: tuple[str, ...] = ()
    context_length: int = 0
    embedding_length: int = 0
    base_name: str = ""
    draft: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Manifest:
    config: Layer | None
    layers: tuple[Layer, ...]

    @property
    def blobs(self) -> tuple[Layer, ...]:
        """Everything a model needs to lie in the store."""
        return (*self.layers, self.config) if self.config else self.layers


def check_digest(text: str) -> str:
    """The digest with its colon; raises DigestInvalid for what is none."""
    match = _DIGEST.fullmatch(text)
    if not match:
        raise DigestInvalid("invalid digest format")
    return f"sha256:{match[1]}"


def encode_json(value: Any) -> bytes:
    """Compact JSON as Go writes it: `<`, `>` and `&` escaped, whole floats without a fraction, a newline at the end."""
    text = json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (text.translate(_ESCAPES) + "\n").encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def decode_json(data: bytes, what: str) -> Any:
    """Raises StoreError for bytes that are not JSON; `what` says whose bytes they are."""
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{what} is not valid JSON: {error}") from None


def encode_manifest(manifest: Manifest) -> bytes:
    return encode_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _layer_json(manifest.config or Layer(CONFIG_TYPE, "", 0)),
            "layers": [_layer_json(layer) for layer in manifest.layers],
        }
    )


def decode_manifest(data: bytes) -> Manifest:
    """Raises StoreError, and nothing else, for bytes that are no manifest."""
    if len(data) > MAX_MANIFEST:
        raise StoreError(f"manifest has {len(data)} bytes, at most {MAX_MANIFEST} were expected")
    value = decode_json(data, "manifest")
    if not isinstance(value, dict):
        raise StoreError(f"manifest is a {type(value).__name__}, an object was expected")
    layers = _given(value, "layers", [])
    if not isinstance(layers, list):
        raise StoreError(f'"layers" of the manifest is a {type(layers).__name__}, a list was expected')
    config = _given(value, "config", {})
    has_config = not isinstance(config, dict) or config.get("digest")
    return Manifest(_read_layer(config) if has_config else None, tuple(_read_layer(layer) for layer in layers))


def encode_config(config: ModelConfig) -> bytes:
    """Ollama's keys in Ollama's order; what is optional and empty is left out."""
    required = {"model_format", "model_family", "model_families", "model_type", "file_type"}
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    kept: dict[str, Any] = {key: value for key, value in values.items() if value or key in required}
    kept["model_families"] = config.model_families or None
    return encode_json({**kept, "architecture": "amd64", "os": "linux"})


def decode_config(data: bytes) -> ModelConfig:
    """Raises StoreError, and nothing else, for bytes that are no config."""
    if len(data) > MAX_CONFIG:
        raise StoreError(f"config has {len(data)} bytes, at most {MAX_CONFIG} were expected")
    value = decode_json(data, "config")
    if not isinstance(value, dict):
        raise StoreError(f"config is a {type(value).__name__}, an object was expected")
    given: dict[str, Any] = {}
    for key, fits in _KINDS.items():
        item = value.get(key)
        if item is not None and not fits(item):
            raise StoreError(f'"{key}" of the config is a {type(item).__name__}, which nobody writes there')
        given |= {} if item is None else {key: tuple(item) if isinstance(item, list) else item}
    return ModelConfig(**given)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


_KINDS = {
    **{field.name: _is_text for field in fields(ModelConfig)},
    **dict.fromkeys(("model_families", "capabilities"), _is_texts),
    **dict.fromkeys(("context_length", "embedding_length"), _is_count),
    "draft": _is_object,
}


def _layer_json(layer: Layer) -> dict[str, Any]:
    value: dict[str, Any] = {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
    return value | {key: text for key, text in (("from", layer.origin), ("name", layer.name)) if text}


def _read_layer(value: object) -> Layer:
    if not isinstance(value, dict):
        raise StoreError(f"a layer of the manifest is a {type(value).__name__}, an object was expected")
    texts = [_given(value, key, "") for key in ("mediaType", "digest", "from", "name")]
    size = _given(value, "size", 0)
    if not all(isinstance(text, str) for text in texts) or not _is_count(size):
        raise StoreError("a layer of the manifest has a key of the wrong type; texts and a size in bytes were expected")
    media_type, digest, origin, name = texts
    return Layer(media_type, check_digest(digest), size, origin, name)


def _given(value: dict[str, Any], key: str, default: Any) -> Any:
    """null counts as missing, as in Go."""
    return default if value.get(key) is None else value[key]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
