"""What became of a model: where it lost, what clips, what takes the space. Shows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.checkpoint import Checkpoint
from hollama.compiler.float_weights import read_weights
from hollama.compiler.measure import Measurement, Value, measure
from hollama.compiler.pipeline import CompileSettings, calibration_windows, open_checkpoint
from hollama.compiler.rotation import rotate
from hollama.compiler.stages import STATISTICS, calibration_of, open_optimised
from hollama.errors import CompileError
from hollama.formats.har import Har, HarInvalid, is_har, read_json
from hollama.formats.hef import Hef
from hollama.formats.package import PackageInfo, read_info
from hollama.formats.package_weights import Origin, read_model, read_origin
from hollama.ir.graph import Graph
from hollama.types import OnProgress

F32 = NDArray[np.float32]
FORMAT = 1
_WINDOWS, _WINDOW = 4, 256  # of the text, tokens


@dataclass(frozen=True)
class Report:
    """`measured` is None where there was no checkpoint to compare with; `calibrated` is what a HAR remembers."""

    name: str
    info: PackageInfo
    sizes: Mapping[str, int]  # bytes, by resource
    measured: Measurement | None
    text: str  # what it was measured on, in words
    calibrated: Sequence[Value]
    history: Sequence[Mapping[str, Any]]

    @property
    def values(self) -> Sequence[Value]:
        return self.measured.values if self.measured else self.calibrated

    def as_json(self) -> dict[str, Any]:
        info = self.info
        about = {"architecture": info.architecture, "parameters": info.parameter_count, "context": info.context}
        about |= {"quantization": info.quantization, "adapters": list(info.adapters)}
        measured = asdict(self.measured) if self.measured else None
        calibrated = [asdict(value) for value in self.calibrated]
        found = {"format": FORMAT, "name": self.name, "model": about, "sizes": dict(self.sizes), "measured": measured}
        return found | {"text": self.text, "calibrated": calibrated, "history": list(self.history)}


def report(package: Path, checkpoint: Path | None, text: str, progress: OnProgress) -> Report:
    """Of a HEF, or of a HAR that is optimised; `text` is empty for the one that it was calibrated with.

    Raises CompileError for a checkpoint that it was not made of, FormatError, OSError.
    """
    with open_optimised(package) if is_har(package) else Hef.open(package) as opened:
        har = opened if isinstance(opened, Har) else None
        told = "the text given"
        if not text:
            text = calibration_of(har) if har else ""
            told = "the text it was calibrated with" if text else "the built-in text"
        measured = None if checkpoint is None else _measure(opened, open_checkpoint(checkpoint), text, progress)
        return Report(
            name=package.name,
            info=read_info(opened),
            sizes={name: len(opened.resources.peek(name)) for name in opened.resources},
            measured=measured,
            text=told,
            calibrated=_statistics(har) if har else (),
            history=har.history if har else (),
        )


def _measure(package: Hef | Har, checkpoint: Checkpoint, text: str, progress: OnProgress) -> Measurement:
    graph, quantised = read_model(package)
    float_graph, sources = checkpoint.architecture.build(checkpoint.shape)
    if float_graph != graph:
        raise CompileError(f"{package.path} was made of another model than this checkpoint")
    weights = read_weights(graph, sources, checkpoint)
    chosen = CompileSettings(calibration=text, windows=_WINDOWS, window=_WINDOW)
    windows = calibration_windows(checkpoint, graph, chosen)[0][:_WINDOWS]
    turned = _turned(graph, weights, read_origin(package, graph), package.path)
    return measure(graph, turned, quantised, windows, progress)


def _turned(graph: Graph, weights: Mapping[str, F32], origin: Origin, path: Path) -> Mapping[str, F32]:
    """The weights in the bases of the package."""
    if origin.rotation is None:
        return weights
    if any(not np.array_equal(weights[name], gain) for name, gain in origin.gains.items() if name in weights):
        raise CompileError(f"{path} was made of other weights than this checkpoint's")
    rotated = rotate(graph, weights, origin.rotation, origin.gains)
    return {name: rotated[name] for name in rotated}


def _statistics(har: Har) -> list[Value]:
    """Raises HarInvalid."""
    try:
        plain = read_json(STATISTICS, har.resources[STATISTICS])
        return [
            Value(name, int(of["bits"]), float(of["low"]), float(of["high"]), float(of.get("clipped", 0)), None)
            for name, of in plain.items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise HarInvalid(f"{har.path}: {STATISTICS} holds no statistics: {error!r}") from None
