"""The compiler's stages, each of which reads one artefact and writes the next: parse, optimise, add adapters, compile.

    checkpoint --parse--> HAR --optimise--> HAR --add adapters--> HAR --compile--> HEF

`hollama.compiler.package` goes from a checkpoint to a HEF in one go, by the same functions and with the same bytes.
An optimised HAR has the members that a HEF has as resources, in their order, and beside them:

    statistics.json   of each quantised value: bits, what its range covers, the share of what was seen beyond it
    calibration.txt   as much of the text as it was calibrated with, if not the built-in one; serves adapters too
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hollama.compiler.adapters import QuantisedFile
from hollama.compiler.extend import extend
from hollama.compiler.float_weights import FloatWeights
from hollama.compiler.parsed import noted, parsed_members
from hollama.compiler.pipeline import CompileSettings, check_weights, naming, open_checkpoint, optimise
from hollama.compiler.provenance import Step, digests, step, text_digest
from hollama.compiler.tokenizers import open_tokenizer
from hollama.errors import CompileError
from hollama.formats.files import Content
from hollama.formats.har import OPTIMISED, PARSED, Har, HarInvalid, is_har, to_json, write_har
from hollama.formats.hef import write_hef
from hollama.formats.hef_groups import NetworkGroup
from hollama.formats.package import read_info, read_tokenizer
from hollama.formats.package_weights import network_groups, read_model
from hollama.types import OnProgress

STATISTICS, CALIBRATION = "statistics.json", "calibration.txt"


def parse(source: Path, target: Path, progress: OnProgress) -> None:
    """A checkpoint to a HAR that holds all of it that matters, checked. Raises CompileError, FormatError, OSError."""
    if is_har(source):
        following = "`hollama compile`" if is_optimised(source) else "`hollama optimize`"
        raise CompileError(f"{source} is a HAR already; {following} is its next stage")
    progress("reading checkpoint", 0, 0)
    with naming(source):
        checkpoint, tensors = noted(open_checkpoint(source))
        graph, sources = checkpoint.architecture.build(checkpoint.shape)
        check_weights(FloatWeights(graph, sources, checkpoint), progress)
    progress("writing archive", 0, 0)
    members = parsed_members(checkpoint, graph, tensors)
    write_har(target, stage=PARSED, members=members, groups={}, history=[_parsed(source)])


def optimise_stage(source: Path, target: Path, settings: CompileSettings, progress: OnProgress) -> None:
    """A parsed HAR, or a checkpoint, to a HAR with the quantised model. Raises CompileError, FormatError, OSError."""
    progress("reading checkpoint", 0, 0)
    with naming(source):
        model = optimise(open_checkpoint(source), settings, progress)
    made_by = ("torch",) if settings.finetuning else ()
    history = [*_history(source), step("optimize", made_by, settings=_told(settings))]
    members: dict[str, Content] = {**model.resources, STATISTICS: to_json(model.statistics)}
    if settings.calibration:
        members[CALIBRATION] = model.calibration.encode()
    progress("writing archive", 0, 0)
    write_har(target, stage=OPTIMISED, members=members, groups=_plain(model.groups), history=history)


def add_stage(source: Path, target: Path, settings: CompileSettings, progress: OnProgress) -> Sequence[QuantisedFile]:
    """An optimised HAR to one with the settings' adapters too; what became of them. Raises as `optimise_stage` does."""
    with open_optimised(source) as har:
        settings = _with_text(har, settings)
        added = extend(har, settings, progress)
        progress("writing archive", 0, 0)
        steps = [
            step(
                "add-lora", name=file.name, sources=digests(file.path), calibration=text_digest(settings.calibration),
                snr=None if done.snr is None else round(done.snr, 6),
            )
            for file, done in zip(settings.adapters, added.adapters, strict=True)
        ]  # fmt: skip
        members, groups = {**har.resources, **added.resources}, _plain(added.groups)
        write_har(target, stage=OPTIMISED, members=members, groups=groups, history=[*har.history, *steps])
    return added.adapters


def compile_stage(
    source: Path, target: Path, settings: CompileSettings, progress: OnProgress
) -> Sequence[QuantisedFile]:
    """An optimised HAR to a HEF, with the settings' adapters added. Raises as `optimise_stage` does."""
    with open_optimised(source) as har:
        open_tokenizer(read_tokenizer(har))
        resources: dict[str, Content] = {name: har.resources[name] for name in har.resources}
        groups = groups_of(har)
        adapters: Sequence[QuantisedFile] = ()
        if settings.adapters:
            added = extend(har, _with_text(har, settings), progress)
            groups, adapters, resources = added.groups, added.adapters, resources | dict(added.resources)
        for name in (STATISTICS, CALIBRATION):
            resources.pop(name, None)
        progress("writing package", 0, 0)
        write_hef(target, network_groups=groups, resources=resources)
    return adapters


def open_optimised(path: Path) -> Har:
    """Raises CompileError for a HAR of another stage, HarError, OSError."""
    har = Har.open(path)
    if har.stage != OPTIMISED:
        har.close()
        raise CompileError(f"{path} is a HAR that was only {har.stage}; `hollama optimize` quantises it")
    return har


def is_optimised(path: Path) -> bool:
    """Whether a file is a HAR whose next stage is a package. Raises HarError, OSError."""
    if not is_har(path):
        return False
    with Har.open(path) as har:
        return har.stage == OPTIMISED


def groups_of(har: Har) -> tuple[NetworkGroup, ...]:
    """The configurations that an archive's model has. Raises HarInvalid where it says something else, FormatError."""
    info, (graph, weights) = read_info(har), read_model(har)
    groups = network_groups(graph, weights.ranges, info.context, info.prefill_chunk, info.adapters)
    if _plain(groups) != har.groups:
        raise HarInvalid(f"{har.path}: its configurations are not those of its graph; make it again")
    return groups


def _plain(groups: Sequence[NetworkGroup]) -> dict[str, Any]:
    """As JSON gives them back."""
    found: dict[str, Any] = json.loads(json.dumps({group.name: asdict(group) for group in groups}))
    return found


def _parsed(source: Path) -> Step:
    return step("parse", sources=digests(source))


def _history(source: Path) -> Sequence[Step]:
    if not is_har(source):
        return [_parsed(source)]
    with Har.open(source) as har:
        return har.history


def _told(settings: CompileSettings) -> Mapping[str, Any]:
    """The settings, the text by its digest."""
    told = {**asdict(replace(settings, adapters=())), "calibration": text_digest(settings.calibration)}
    del told["adapters"]
    return told


def _with_text(har: Har, settings: CompileSettings) -> CompileSettings:
    return replace(settings, calibration=settings.calibration or calibration_of(har))


def calibration_of(har: Har) -> str:
    """The text that an archive's model was calibrated with, empty for the built-in one."""
    return bytes(har.resources[CALIBRATION]).decode(errors="replace") if CALIBRATION in har.resources else ""
