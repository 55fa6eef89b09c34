"""What a model's weights say of themselves, for /api/show, /api/tags and the config of a new model.

Knows GGUF keys and package descriptions; reads no weights and runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from gguf import LlamaFileType

from hollama.errors import GgufError
from hollama.formats.gguf import GgufFile
from hollama.formats.package import PackageInfo, read_info
from hollama.store.blobs import refusing
from hollama.store.manifest import ModelConfig
from hollama.store.model import StoredModel

_HIDDEN = ("general.name", "tokenizer.chat_template")  # Ollama keeps these two out of `model_info`
_REMEMBERED = 64  # descriptions without arrays, a few kilobytes each

TensorRow = tuple[str, str, tuple[int, ...]]  # name, type, shape as the file has it


@dataclass(frozen=True)
class Description:
    """A model's weights in words and numbers. Lengths are tokens or elements, 0 where unknown."""

    format: str  # "gguf" or "hef"
    architecture: str
    parameter_count: int
    file_type: str  # "Q4_K_M", "W4A8KV8", "unknown"
    context_length: int  # what the model was trained for
    embedding_length: int
    chat_template: str  # Jinja, or nothing
    general_type: str  # of a GGUF: "model", "adapter", "projector", or nothing
    model_info: Mapping[str, Any]  # JSON values; arrays are None unless they were asked for
    tensors: tuple[TensorRow, ...]
    adapters: tuple[str, ...] = ()  # of a package

    @property
    def embeds(self) -> bool:
        """Whether the model makes embeddings instead of text."""
        return f"{self.architecture}.pooling_type" in self.model_info

    @property
    def config(self) -> ModelConfig:
        """What the config of a model with these weights says."""
        return ModelConfig(
            model_format=self.format,
            model_family=self.architecture,
            model_families=(self.architecture,) if self.architecture else (),
            model_type=human_number(self.parameter_count),
            file_type=self.file_type,
        )


_ELSEWHERE = Description("", "", 0, "", 0, 0, "", "", {}, ())


def describe(model: StoredModel, verbose: bool = False) -> Description:
    """A model's weights; `verbose` with the arrays. Of a model that runs elsewhere nothing is known.

    Raises StoreError, FormatError.
    Blobs never change, so what was read once is remembered by its path, which holds the digest.
    """
    if model.config.remote_host:
        return _ELSEWHERE
    path = model.model_path
    with refusing(path):
        return (describe_file if verbose else _remember)(path, model.format)


def describe_file(path: Path, format: str, verbose: bool = True) -> Description:
    """The weights in a file of the format "gguf" or "hef". Raises FormatError, OSError."""
    if format == "hef":
        return _describe_package(read_info(path), verbose)
    return _describe_gguf(GgufFile.open(path), verbose)


@lru_cache(_REMEMBERED)
def _remember(path: Path, format: str) -> Description:
    return describe_file(path, format, verbose=False)


def _describe_gguf(file: GgufFile, verbose: bool) -> Description:
    metadata = file.metadata
    architecture = _text(metadata, "general.architecture")
    count = sum(prod(tensor.shape) for tensor in file.tensors.values())
    info = {key: _item(metadata, key, verbose) for key in metadata if key not in _HIDDEN}
    return Description(
        format="gguf",
        architecture=architecture,
        parameter_count=count,
        file_type=file_type(metadata.get("general.file_type")),
        context_length=_count(info, f"{architecture}.context_length"),
        embedding_length=_count(info, f"{architecture}.embedding_length"),
        chat_template=_text(metadata, "tokenizer.chat_template"),
        general_type=_text(metadata, "general.type"),
        model_info=MappingProxyType(info | {"general.parameter_count": count}),
        tensors=tuple((name, tensor.type.name, tensor.shape[::-1]) for name, tensor in file.tensors.items()),
    )


def _describe_package(package: PackageInfo, verbose: bool) -> Description:
    info = {key: _item(package.metadata, key, verbose) for key in package.metadata if key not in _HIDDEN}
    name = package.architecture
    return Description(
        format="hef",
        architecture=name,
        parameter_count=package.parameter_count,
        file_type=package.quantization,
        context_length=_count(info, f"{name}.context_length") or package.context,
        embedding_length=_count(info, f"{name}.embedding_length"),
        chat_template=package.chat_template,
        general_type="",
        model_info=MappingProxyType(info | {"general.parameter_count": package.parameter_count}),
        tensors=package.tensors,
        adapters=package.adapters,
    )


def human_number(count: int) -> str:
    """A number of parameters as Ollama shows it: 8.0B is "8B", 3.4 million "3.40M", 260 thousand "260K"."""
    for unit, scale, digits in (("B", 10**9, 1), ("M", 10**6, 2)):
        if count >= scale:
            return f"{count // scale}{unit}" if count % scale == 0 else f"{count / scale:.{digits}f}{unit}"
    return f"{count / 1000:.0f}K" if count >= 1000 else str(count)


def file_type(number: object) -> str:
    """The name of a GGUF's `general.file_type`; "unknown" for 0 too, as in Ollama."""
    if not isinstance(number, int) or number <= 0 or number not in set(LlamaFileType):
        return "unknown"
    return LlamaFileType(number).name.removeprefix("MOSTLY_")


def _item(values: Mapping[str, Any], key: str, verbose: bool) -> Any:
    """A JSON value. Text that is not UTF-8 is None: one bad token must not hide all the rest."""
    try:
        value = values[key]
    except GgufError:
        return None
    if isinstance(value, np.ndarray):
        return value.tolist() if verbose else None
    if isinstance(value, list):
        return value if verbose else None
    return _shortest(value) if isinstance(value, float) else value


def _shortest(value: float) -> float | None:
    """GGUF's floats have 32 bits: 1e-05 and not 9.999999747378752e-06. JSON has no NaN and no infinity."""
    if not np.isfinite(value):
        return None
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _count(values: Mapping[str, Any], key: str) -> int:
    value = values.get(key)
    return value if isinstance(value, int) and value > 0 else 0
