"""Adapters added to a quantised model, whatever file it lies in. Knows no arithmetic, and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hollama.compiler.adapters import QuantisedFile, attach, quantise_adapter
from hollama.compiler.calibration import DEFAULT_TEXT, beginning, require_tokens, windows_of
from hollama.compiler.pipeline import CompileSettings
from hollama.compiler.tokenizers import begins_with, open_tokenizer
from hollama.errors import CompileError
from hollama.formats.files import Content
from hollama.formats.hef_groups import NetworkGroup
from hollama.formats.package import Package, read_info, read_tokenizer
from hollama.formats.package_adapters import adapter_resource
from hollama.formats.package_weights import network_groups, read_model, read_origin
from hollama.models.table import by_name
from hollama.types import OnProgress

_LONGEST, _MOST = 256, 16  # tokens of a calibration window for adapters, and windows


@dataclass(frozen=True)
class Extension:
    """All groups of the extended model, the resources that are new in it, and what became of the adapters."""

    groups: tuple[NetworkGroup, ...]
    resources: Mapping[str, Content]
    adapters: list[QuantisedFile]


def extend(package: Package, settings: CompileSettings, progress: OnProgress) -> Extension:
    """Quantise the settings' adapters, each by itself against the frozen model. Raises CompileError, FormatError."""
    info, (graph, weights) = read_info(package), read_model(package)
    names = [*info.adapters, *(adapter.name for adapter in settings.adapters)]
    if len(set(names)) < len(names):
        raise CompileError(f"adapters need different names, not {', '.join(names)}")
    origin, architecture = read_origin(package, graph), by_name(info.architecture)
    attached = [attach(graph, origin, adapter, architecture) for adapter in settings.adapters]
    windows = _windows(package, settings)
    done: list[QuantisedFile] = []
    for adapter, pairs in zip(settings.adapters, attached, strict=True):
        progress("quantising adapters", len(done), len(attached))
        done.append(quantise_adapter(adapter.name, graph, weights, pairs, windows))
    groups = network_groups(graph, weights.ranges, info.context, info.prefill_chunk, names)
    return Extension(groups, dict(adapter_resource(file.name, file.pairs) for file in done), done)


def _windows(package: Package, settings: CompileSettings) -> list[list[int]]:
    info = read_info(package)
    tokenizer, text = open_tokenizer(read_tokenizer(package)), settings.calibration or DEFAULT_TEXT
    _, tokens = beginning(tokenizer, text, _LONGEST * _MOST)
    require_tokens(len(tokens))
    length = min(settings.window, info.context, _LONGEST)
    windows = list(windows_of(tokens, length, min(settings.windows, _MOST), begins_with(tokenizer)))
    if not windows or max(map(max, windows)) >= info.vocab_size:
        raise CompileError("the package's tokenizer does not fit its model: the model does not know its ids")
    return windows
