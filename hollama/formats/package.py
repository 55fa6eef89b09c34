"""What a HEF package of ours says about itself: the part of `hailo-config.json` that a runtime reads.

`hailo-config.json` keeps the keys that Hailo's LLM server reads (`eos_token_id`, `chat_template`, `stop_token_id`,
`default_generation_params`, `pre_process_params`) and adds one object, `hollama`:

    {"format": 2, "architecture": "qwen2", "quantization": "W4A8KV8", "parameter_count": 7340288,
     "tokenizer": "huggingface", "bos_token_id": null, "bos_token": "", "eos_token": "<|im_end|>", "add_bos": false,
     "options": {"temperature": 0.2}, "metadata": {"general.architecture": "qwen2", "qwen2.context_length": 2048}}

`options` has Ollama's names, `metadata` has GGUF's keys. Of those, an embedding model needs
`<architecture>.pooling_type` (0 none, 1 mean, 2 cls, 3 last), may have `<architecture>.normalize_embeddings`, and says
how its texts end with `tokenizer.ggml.model` ("bert": with `tokenizer.ggml.seperator_token_id`) or
`tokenizer.ggml.add_eos_token`. Adapters are named by the network groups <name>__prefill and <name>__tbt; those of the
base are then base_model__prefill and base_model__tbt, as Hailo has it. Knows neither graphs nor arithmetic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hollama.errors import HefError
from hollama.formats.hef import CONFIG, TOKENIZER, WEIGHTS, Hef
from hollama.formats.safetensors import SafetensorsFile

FORMAT = 2
BASE = "base_model"  # what Hailo calls the groups without an adapter where others have one
_LARGEST_CONFIG = 16 << 20
_PREFILL = "__prefill"
_ADAPTER = re.compile(r"[A-Za-z0-9](?:_?[A-Za-z0-9.-])*")
_LONGEST_NAME = 72  # a HAR's member is called after it


class Resources(Protocol):
    """Files within a file by name, in its order."""

    def __getitem__(self, name: str) -> memoryview:
        """Checked for damage. Raises KeyError, FormatError."""
        ...

    def peek(self, name: str) -> memoryview:
        """Of which little is read, unchecked. Raises KeyError."""
        ...

    def keys(self) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...


class Package(Protocol):
    """What holds a model: a HEF, or a HAR that becomes one."""

    @property
    def resources(self) -> Resources: ...

    @property
    def network_groups(self) -> tuple[str, ...]:
        """Their names."""
        ...


@dataclass(frozen=True)
class PackageInfo:
    """A package as its users see it. Token counts and ids, no units else."""

    architecture: str
    parameter_count: int
    context: int
    prefill_chunk: int
    vocab_size: int
    tokenizer: str
    chat_template: str
    bos_token_id: int | None
    bos_token: str
    eos_token: str
    eos_token_ids: tuple[int, ...]
    add_bos: bool
    quantization: str
    options: Mapping[str, Any]
    metadata: Mapping[str, Any]
    tensors: tuple[tuple[str, str, tuple[int, ...]], ...]  # name, dtype, shape
    adapters: tuple[str, ...] = ()


def read_info(source: Package | Path) -> PackageInfo:
    """Read a package's description. Raises HefError if it is no package of ours or its config lies."""
    if isinstance(source, Path):
        with Hef.open(source) as hef:
            return read_info(hef)
    config = read_config(source)
    own = _get(config, "hollama", dict)
    if own.get("format") != FORMAT:
        raise HefError(f"package format {own.get('format')!r:.50} is not {FORMAT}; compile the model again")
    process = _get(config, "pre_process_params", dict)
    metadata = _get(own, "metadata", dict)
    context, chunk = (_get(process, key, int) for key in ("kv_cache_size", "prefill_input_tokens_count"))
    if not context or not chunk:
        raise HefError(f"{CONFIG}: {context} tokens of context, read in pieces of {chunk}, hold no text")
    bos = own.get("bos_token_id")
    return PackageInfo(
        architecture=_get(own, "architecture", str),
        parameter_count=_get(own, "parameter_count", int),
        context=context,
        prefill_chunk=chunk,
        vocab_size=_get(own, "vocab_size", int),
        tokenizer=_get(own, "tokenizer", str),
        chat_template=_get(config, "chat_template", str),
        bos_token_id=bos if isinstance(bos, int) else None,
        bos_token=_get(own, "bos_token", str),
        eos_token=_get(own, "eos_token", str),
        eos_token_ids=tuple(token for token in _get(config, "stop_token_id", list) if isinstance(token, int)),
        add_bos=_get(own, "add_bos", bool),
        quantization=_get(own, "quantization", str),
        options=_get(own, "options", dict),
        metadata=metadata,
        tensors=_tensors(source),
        adapters=adapter_names(source),
    )


def check_adapter_name(name: str) -> str:
    """The name itself. Raises HefError for one that network groups cannot be named after."""
    if not _ADAPTER.fullmatch(name) or len(name) > _LONGEST_NAME or name == BASE:
        raise HefError(
            f'"{name:.100}" cannot name an adapter; expected up to {_LONGEST_NAME} letters, digits and ".-_" '
            "that begin with a letter or digit and have no two underlines in a row"
        )
    return name


def adapter_names(hef: Package) -> tuple[str, ...]:
    """In file order. Raises HefError for names that make no sense."""
    groups = [name.removesuffix(_PREFILL) for name in hef.network_groups if name.endswith(_PREFILL)]
    return tuple(check_adapter_name(name) for name in groups if name != BASE)


def read_config(hef: Package) -> dict[str, Any]:
    """The whole of `hailo-config.json`, Hailo's own packages included."""
    data = resource(hef, CONFIG)
    if len(data) > _LARGEST_CONFIG:
        raise HefError(f"{CONFIG} has {len(data)} bytes; more than {_LARGEST_CONFIG} cannot be right")
    try:
        config = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise HefError(f"{CONFIG} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise HefError(f"{CONFIG} holds {type(config).__name__}, expected an object")
    return config


def read_tokenizer(hef: Package) -> bytes:
    """The tokenizer resource, for the tokenizer plugin that `PackageInfo.tokenizer` names."""
    return bytes(resource(hef, TOKENIZER))


def resource(hef: Package, name: str) -> memoryview:
    """An external resource, or a HefError that says it is missing."""
    return _find(hef.resources.__getitem__, name)


def _find(get: Callable[[str], memoryview], name: str) -> memoryview:
    try:
        return get(name)
    except KeyError:
        raise HefError(f'the package has no resource "{name}"; is it a vision or speech model?') from None


def _tensors(hef: Package) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """Of the weights only the header is read; whoever runs them checks the rest."""
    weights = SafetensorsFile.from_buffer(_find(hef.resources.peek, WEIGHTS))
    infos = ((name, weights.info(name)) for name in weights.names)
    return tuple((name, str(info.dtype), tuple(info.shape)) for name, info in infos)


def _get(values: Mapping[str, Any], key: str, kind: type) -> Any:
    value = values.get(key)
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not (is_count if kind is int else isinstance(value, kind)):
        raise HefError(f'{CONFIG}: "{key}" is {value!r:.100}, expected {kind.__name__}')
    return value
