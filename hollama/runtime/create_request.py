"""What /api/create is asked for, and everything of it that can be judged without looking at a file.

Source: facts about Modelfiles, section 4; the words of the errors are Ollama's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hollama.errors import CreateError, RequestError, TemplateError
from hollama.store import manifest as media
from hollama.store.intake import check_paths
from hollama.store.manifest import encode_json
from hollama.store.names import ModelName
from hollama.template import GoTemplate
from hollama.types import Message

QUANTIZATIONS = {"F32", "F16", "BF16", "Q4_K_S", "Q4_K_M", "Q4_K", "Q8_0", "W4A8KV8"}


@dataclass(frozen=True)
class CreateRequest:
    """The body of /api/create. `files`, `adapters` and `draft_files` map relative names to digests."""

    model: str
    from_: str = ""
    files: Mapping[str, str] | None = None
    adapters: Mapping[str, str] = field(default_factory=dict)
    draft_files: Mapping[str, str] = field(default_factory=dict)
    template: str = ""
    license: Any = None  # a text or a list of texts; anything else is refused in Go's words
    system: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    quantize: str = ""
    draft_quantize: str = ""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    remote_host: str = ""


def check_request(request: CreateRequest) -> ModelName:
    check_paths(request.files or {})
    check_paths(request.draft_files)
    for files in (request.files or {}, request.draft_files, request.adapters):
        if "" in files.values():
            raise RequestError("invalid digest format")
    if request.draft_quantize and not request.draft_files:
        raise RequestError("--draft-quantize requires a DRAFT model")
    return ModelName.parse(request.model)


def config_overrides(request: CreateRequest) -> dict[str, Any]:
    """Fields of the config that the request sets."""
    texts = {key: getattr(request, key) for key in ("renderer", "parser", "requires")}
    names = {
        "model_family": "model_family",
        "base_name": "base_name",
        "quantization_level": "file_type",
        "parameter_size": "model_type",
    }
    texts |= {name: _info_text(request.info, key) for key, name in names.items()}
    chosen: dict[str, Any] = {key: text for key, text in texts.items() if text}
    if "model_family" in chosen:
        chosen["model_families"] = (chosen["model_family"],)
    lengths = {key: _info_count(request.info, key) for key in ("context_length", "embedding_length")}
    chosen |= {key: count for key, count in lengths.items() if count}
    capabilities = request.info.get("capabilities")
    if isinstance(capabilities, list):
        chosen["capabilities"] = tuple(item for item in capabilities if isinstance(item, str))
    return chosen


def _info_text(info: Mapping[str, Any], key: str) -> str:
    value = info.get(key)
    if value is not None and not isinstance(value, str):
        raise RequestError(f'info field "{key}" must be a string')
    return value or ""


def _info_count(info: Mapping[str, Any], key: str) -> int:
    value = info.get(key)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(f'info field "{key}" must be a number')
    if not 0 <= value < 2**63 or value != int(value):
        raise RequestError(f'info field "{key}" must be a non-negative integer')
    return int(value)


def _licenses(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(texts, list | tuple):
        raise CreateError(f"json: cannot unmarshal {_go_kind(texts)} into Go value of type []string")
    for text in texts:
        if not isinstance(text, str):
            raise CreateError(f"json: cannot unmarshal {_go_kind(text)} into Go value of type string")
    return [text for text in texts if text]


def _go_kind(value: object) -> str:
    kinds = {bool: "bool", int: "number", float: "number", str: "string", list: "array", type(None): "null"}
    return kinds.get(type(value), "object")


def check_template(text: str) -> None:
    try:
        GoTemplate.parse(text)
    except TemplateError as error:
        raise TemplateError(f"template error: {error}") from error


def check_quantization(request: CreateRequest) -> None:
    for wanted in (request.quantize.upper(), request.draft_quantize.upper()):
        if wanted and wanted not in QUANTIZATIONS:
            supported = "F32, F16, Q4_K_S, Q4_K_M, Q8_0"
            raise CreateError(f"unsupported quantization type {wanted} - supported types are {supported}")


def new_texts(request: CreateRequest, parameters: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Media types and contents of the layers that the request adds."""
    texts = [(media.TEMPLATE, request.template), (media.SYSTEM, request.system)]
    texts += [(media.LICENSE, text) for text in _licenses(request.license)]
    layers = [(kind, text.encode("utf-8", "replace")) for kind, text in texts if text]
    if request.parameters:
        merged = {**parameters, **request.parameters}
        layers.append((media.PARAMS, encode_json({key: merged[key] for key in sorted(merged)})))
    if request.messages:
        turns = [{"role": message.role, "content": message.content} for message in request.messages]
        layers.append((media.MESSAGES, encode_json(turns)))
    return layers
