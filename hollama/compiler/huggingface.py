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
from hollama.compiler.json_files import read_json, read_text
from hollama.compiler.pooling import pooling_of
from hollama.compiler.tokenizers import encode, from_folder, open_tokenizer, token_text
from hollama.formats.safetensors import SafetensorsFolder, open_folder
from hollama.models.architecture import Architecture
from hollama.models.table import by_class

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
    template = read_text(template_file) if template_file.is_file() else _template(settings)
    generation = read_json(folder / "generation_config.json")
    return Checkpoint(
        architecture=architecture,
        shape=shape,
        tensors=FolderTensors(open_folder(folder), architecture),
        tokenizer=tokenizer,
        special=_special(tokenizer, config, generation, settings),
        chat_template=template,
        options=_options(generation),
        metadata={
            **describe(architecture, shape),
            "general.name": folder.resolve().name,
            **pooling_of(folder, architecture),
            **_end(tokenizer),
        },
    )


def _template(settings: Mapping[str, Any]) -> str:
    """The chat template: a string, or the one named "default" of a list."""
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = [item.get("template") for item in template if isinstance(item, dict) and item.get("name") == "default"]
        template = named[-1] if named else ""
    return template if isinstance(template, str) else ""


def _special(
    tokenizer: bytes, config: Mapping[str, Any], generation: Mapping[str, Any], settings: Mapping[str, Any]
) -> SpecialTokens:
    ids = token_ids(tokenizer)
    bos, eos = token_text(settings.get("bos_token")), token_text(settings.get("eos_token"))
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


def _end(tokenizer: bytes) -> dict[str, Any]:
    """As GGUF says it: that a text ends with a token, if the tokenizer closes every text with one."""
    encoding = encode(open_tokenizer(tokenizer), "a")
    closes = encoding.ids and encoding.special_tokens_mask[-1]
    return {"tokenizer.ggml.add_eos_token": True, "tokenizer.ggml.eos_token_id": encoding.ids[-1]} if closes else {}


def token_ids(tokenizer: bytes) -> dict[str, int]:
    """The added tokens of a tokenizer.json, by how they are written."""
    plain = json.loads(tokenizer)
    return {token["content"]: int(token["id"]) for token in plain.get("added_tokens", ())}


def _ids(value: object) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, int) and not isinstance(item, bool) and item >= 0]


def _options(generation: Mapping[str, Any]) -> dict[str, Any]:
    options = {ours: generation[key] for key, ours in _OPTIONS.items() if isinstance(generation.get(key), int | float)}
    if generation.get("do_sample") is False:
        options["temperature"] = 0.0
    return options
