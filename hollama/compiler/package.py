"""What `hollama compile` makes: a package of a checkpoint, with adapters added or not. Knows no arithmetic."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from hollama.compiler.adapters import AdapterFile, QuantisedFile, attach
from hollama.compiler.extend import extend
from hollama.compiler.pipeline import CompileSettings, compile_checkpoint, open_checkpoint, origin_of
from hollama.compiler.stages import compile_stage, is_optimised
from hollama.errors import CompileError
from hollama.formats.hef import Hef, write_hef
from hollama.formats.hef_container import is_hef
from hollama.types import OnProgress


def compile_package(
    source: Path, target: Path, settings: CompileSettings, progress: OnProgress
) -> Sequence[QuantisedFile]:
    """Compile a checkpoint or a HAR, or take a package as it is, and add the settings' adapters; what became of those.

    The target is written atomically. Raises CompileError, FormatError.
    """
    if is_hef(source):
        return _add(source, target, settings, progress)
    if is_optimised(source):
        return compile_stage(source, target, settings, progress)
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


def _check(source: Path, adapters: Sequence[AdapterFile]) -> None:
    """Refuse adapters of other models before the long work."""
    checkpoint = open_checkpoint(source)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    for adapter in adapters:
        attach(graph, origin_of(checkpoint, graph, sources), adapter, checkpoint.architecture)


def _add(source: Path, target: Path, settings: CompileSettings, progress: OnProgress) -> list[QuantisedFile]:
    if not settings.adapters:
        raise CompileError(f"{source} is a package already; name an adapter to add with --adapter NAME=PATH")
    with Hef.open(source) as hef:
        added = extend(hef, settings, progress)
        progress("writing package", 0, 0)
        write_hef(target, network_groups=added.groups, resources={**hef.resources, **added.resources})
    return added.adapters
