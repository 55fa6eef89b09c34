"""Reads a Hugging Face folder: config.json, safetensors, tokenizer, chat template. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.checkpoint import Checkpoint, SpecialTokens, adds_bos, describe
from hollama.compiler.tokenizers import from_folder
from hollama.errors import CompileError
from hollama.formats.safetensors import SafetensorsFolder, open_folder
from hollama.models.architecture import Architecture
from hollama.models.table import by_class

_LARGEST_JSON = 64 << 20
_OPTIONS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repetition_penalty": "repeat_penalty",
}


@dataclass(frozen=True)
class FolderTensors:
    """The folder's weights, matrices as (outputs, inputs)."""

    folder: SafetensorsFolder
    architecture: Architecture

    def shape(self, name: str) -> tuple[int, ...] | None:
        stored = self._stored(name)
        if stored not in self.folder.names:
            return None
        shape = tuple(self.folder.info(stored).shape)
        return shape[::-1] if self._transposed(name) else shape

    def float32(self, name: str) -> NDArray[np.float32]:
        values = self.folder.float32(self._stored(name))
        return np.ascontiguousarray(values.T) if self._transposed(name) else values

    def _stored(self, name: str) -> str:
        return name if name in self.folder.names else name.removeprefix(self.architecture.prefix)

    def _transposed(self, name: str) -> bool:
        *_, part, kind = name.split(".")
        return kind == "weight" and part in self.architecture.transposed


def open_huggingface(folder: Path) -> Checkpoint:
    """Raises CompileError or FormatError for a folder that is no checkpoint of a supported architecture."""
    config = read_json(folder / "config.json", required=True)
    architecture = by_class(config.get("architectures"))
    shape = architecture.shape(config)
    tokenizer = from_folder(folder)
    template_file = folder / "chat_template.jinja"
    settings = read_json(folder / "tokenizer_config.json")
    template = template_file.read_text("utf-8") if template_file.is_file() else _template(settings)
    generation = read_json(folder / "generation_config.json")
    return Checkpoint(
        architecture=architecture,
        shape=shape,
        tensors=FolderTensors(open_folder(folder), architecture),
        tokenizer=tokenizer,
        special=_special(tokenizer, config, generation, settings),
        chat_template=template,
        options=_options(generation),
        metadata=describe(architecture, shape) | {"general.name": folder.resolve().name},
    )


def read_json(path: Path, required: bool = False) -> dict[str, Any]:
    """A JSON object; empty where the file may be missing. Raises CompileError."""
    if not path.is_file():
        if required:
            raise CompileError(f"{path.parent.name or path.parent}: no {path.name}; is this a Hugging Face checkpoint?")
        return {}
    if path.stat().st_size > _LARGEST_JSON:
        raise CompileError(f"{path.name} is larger than {_LARGEST_JSON} bytes")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CompileError(f"{path.name} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise CompileError(f"{path.name} holds {type(value).__name__}, expected an object")
    return value


def _template(settings: Mapping[str, Any]) -> str:
    """The chat template: a string, or the one named "default" of a list."""
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {item.get("name"): item.get("template") for item in template if isinstance(item, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else ""


def _special(
    tokenizer: bytes, config: Mapping[str, Any], generation: Mapping[str, Any], settings: Mapping[str, Any]
) -> SpecialTokens:
    ids = token_ids(tokenizer)
    bos, eos = _token_text(settings.get("bos_token")), _token_text(settings.get("eos_token"))
    stops = [ids[eos]] if eos in ids else []
    for source in (generation, config):
        stops += _ids(source.get("eos_token_id"))
    bos_id = ids.get(bos, next(iter(_ids(config.get("bos_token_id"))), None))
    names = {index: text for text, index in ids.items()}
    return SpecialTokens(
        bos_id=bos_id,
        bos=bos or names.get(-1 if bos_id is None else bos_id, ""),
        eos=eos or names.get(stops[0] if stops else -1, ""),
        stop_ids=tuple(dict.fromkeys(stops)),
        add_bos=adds_bos(tokenizer),
    )


def token_ids(tokenizer: bytes) -> dict[str, int]:
    """The added tokens of a tokenizer.json, by how they are written."""
    plain = json.loads(tokenizer)
    return {token["content"]: int(token["id"]) for token in plain.get("added_tokens", ())}


def _ids(value: object) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, int) and not isinstance(item, bool) and item >= 0]


def _token_text(value: object) -> str:
    """A token in tokenizer_config.json: a string, or an object with its content."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _options(generation: Mapping[str, Any]) -> dict[str, Any]:
    options = {ours: generation[key] for key, ours in _OPTIONS.items() if isinstance(generation.get(key), int | float)}
    if generation.get("do_sample") is False:
        options["temperature"] = 0.0
    return options
