"""What `hollama compile` makes: a package of a checkpoint, with adapters added or not. Knows no arithmetic."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from hollama.compiler.adapters import AdapterFile, QuantisedFile, attach, quantise_adapter
from hollama.compiler.calibration import DEFAULT_TEXT, windows_of
from hollama.compiler.pipeline import CompileSettings, Progress, compile_checkpoint, open_checkpoint, origin_of
from hollama.errors import CompileError
from hollama.formats.files import Content
from hollama.formats.hef import Hef, write_hef
from hollama.formats.hef_container import MAGIC
from hollama.formats.package import read_info, read_tokenizer
from hollama.formats.package_adapters import adapter_resource
from hollama.formats.package_weights import network_groups, read_model, read_origin
from hollama.models.table import by_name

_LONGEST, _MOST = 256, 16  # tokens of a calibration window for adapters, and windows


def compile_package(
    source: Path, target: Path, settings: CompileSettings, progress: Progress
) -> Sequence[QuantisedFile]:
    """Compile a checkpoint, or take a package as it is, and add the settings' adapters; what became of those.

    The target is written atomically. Raises CompileError, FormatError.
    """
    if is_package(source):
        return _add(source, target, settings, progress)
    if not settings.adapters:
        compile_checkpoint(source, target, settings, progress)
        return ()
    _check(source, settings.adapters)
    base = target.with_name(f".{target.name}.{secrets.token_hex(4)}.base")
    try:
        compile_checkpoint(source, base, settings, progress)
        return _add(base, target, settings, progress)
    finally:
        base.unlink(missing_ok=True)


def is_package(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == MAGIC.to_bytes(4, "big")


def _check(source: Path, adapters: Sequence[AdapterFile]) -> None:
    """Refuse adapters of other models before the long work."""
    checkpoint = open_checkpoint(source)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    for adapter in adapters:
        attach(graph, origin_of(checkpoint, graph, sources), adapter, checkpoint.architecture)


def _add(source: Path, target: Path, settings: CompileSettings, progress: Progress) -> list[QuantisedFile]:
    if not settings.adapters:
        raise CompileError(f"{source} is a package already; name an adapter to add with --adapter NAME=PATH")
    with Hef.open(source) as hef:
        info, (graph, weights) = read_info(hef), read_model(hef)
        names = [*info.adapters, *(adapter.name for adapter in settings.adapters)]
        if len(set(names)) < len(names):
            raise CompileError(f"adapters need different names, not {', '.join(names)}")
        origin, architecture = read_origin(hef, graph), by_name(info.architecture)
        attached = [attach(graph, origin, adapter, architecture) for adapter in settings.adapters]
        windows = _windows(hef, settings)
        done: list[QuantisedFile] = []
        resources: dict[str, Content] = dict(hef.resources)
        for adapter, pairs in zip(settings.adapters, attached, strict=True):
            progress("quantising adapters", len(done), len(attached))
            done.append(quantise_adapter(adapter.name, graph, weights, pairs, windows))
            resources |= [adapter_resource(adapter.name, done[-1].pairs)]
        progress("writing package", 0, 0)
        groups = network_groups(graph, weights.ranges, info.context, info.prefill_chunk, names)
        write_hef(target, network_groups=groups, resources=resources)
    return done


def _windows(hef: Hef, settings: CompileSettings) -> list[list[int]]:
    info = read_info(hef)
    tokenizer = Tokenizer.from_str(read_tokenizer(hef).decode())
    tokens = tokenizer.encode(settings.calibration or DEFAULT_TEXT, add_special_tokens=False).ids
    begin = [info.bos_token_id] if info.add_bos and info.bos_token_id is not None else []
    length = min(settings.window, info.context, _LONGEST)
    windows = list(windows_of(tokens, length, min(settings.windows, _MOST), begin))
    if not windows or max(map(max, windows)) >= info.vocab_size:
        raise CompileError("the package's tokenizer does not fit its model: the model does not know its ids")
    return windows
