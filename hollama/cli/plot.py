"""The roofline as a picture: what the machine can do at most, and where a model's prefill and decode lie below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hollama.errors import UsageError

_MARKS = {"prefill": "s", "decode": "o"}


def check_plot(path: Path) -> None:
    """Before minutes of measuring for a picture that cannot be drawn. Raises UsageError."""
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise UsageError(f"--plot: {path} is no .svg, .png or .pdf")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install 'hollama[plot]', or pip install matplotlib") from None


def plot_roofline(report: dict[str, Any], path: Path) -> None:
    """Draw `hollama bench`'s report: operations a byte against operations a second, both logarithmic."""
    from matplotlib.figure import Figure

    machine, points = report["machine"], _points(report)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel="operations a byte", ylabel="operations a second")
    corner = machine["peak"] / machine["bandwidth"]
    reach = [corner, *(point[1] for point in points)]
    edges = [min(reach) / 3, corner, max(reach) * 3]
    axes.plot(edges, [min(x * machine["bandwidth"], machine["peak"]) for x in edges], color="black")
    for kind, intensity, speed, label in points:
        axes.plot(intensity, speed, _MARKS[kind], color="tab:blue" if kind == "decode" else "tab:orange")
        axes.annotate(label, (intensity, speed), textcoords="offset points", xytext=(6, -4), fontsize="small")
    roof = f"{machine['bandwidth'] / 1e9:.1f} GB/s, {machine['peak'] / 1e9:.0f} Gop/s"
    axes.set_title(f"{report['model']}: {machine['kernels']}, {machine['threads']} threads, {roof}")
    figure.savefig(path)


def _points(report: dict[str, Any]) -> list[tuple[str, float, float, str]]:
    """Kind, operations a byte, operations a second and label of every measured piece of work."""
    return [
        (kind, run[kind]["operations"] / run[kind]["bytes"], run[kind]["operations"] / run[kind]["seconds"],
         f"{kind} at {run['depth']}, batch of {run['batch']}")
        for run in report["runs"] for kind in _MARKS if kind in run
    ]  # fmt: skip
