"""A compiler's report as one HTML page that needs nothing else; pictures are in it where matplotlib is installed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from hollama.cli.report_text import Table, headline, tables

if TYPE_CHECKING:
    from hollama.compiler.measure import Measurement
    from hollama.compiler.report import Report

_NAMED = 3  # of the values that clip most
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 66rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 0 0 2rem; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .15rem 1.2rem .15rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
th { font-size: 80%; color: #666 } td:not(:first-child) { overflow-wrap: anywhere }
svg { max-width: 100%; height: auto } h2 { margin-top: 2.5rem }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } svg { background: #fff } }
"""


def page(report: Report) -> str:
    """The whole page. Equal reports give equal pages."""
    first, *rest = headline(report)
    body = [f"<h1>{escape(first)}</h1>", *(f"<p>{escape(line)}</p>" for line in rest)]
    body += _pictures(report)
    for part in tables(report):
        note = [f"<p>{escape(part.note)}</p>"] if part.note else []
        body += [f"<h2>{escape(part.title)}</h2>", *note, _table(part)]
    head = f'<meta charset="utf-8"><title>{escape(report.name)}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _table(part: Table) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in part.header)
    rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in part.rows]
    return f"<table><tr>{header}</tr>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "\n</table>"


def _pictures(report: Report) -> Iterator[str]:
    if report.measured is None:
        return
    try:
        import matplotlib
    except ImportError:
        yield "<p>With matplotlib installed (pip install 'hollama[plot]') there are pictures here.</p>"
        return
    with matplotlib.rc_context({"svg.hashsalt": "hollama", "svg.fonttype": "none"}):
        for draw in (_shares, _stream, _layers, _clipped):
            yield _picture(draw, report.measured)


def _picture(draw: Callable[[Any, Measurement], None], measured: Measurement) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    draw(figure, measured)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)


def _shares(figure: Any, measured: Measurement) -> None:
    sources, parts = figure.subplots(1, 2, width_ratios=(1, 3))
    for axes, losses, title in ((sources, measured.sources, "by source"), (parts, measured.parts, "by part")):
        axes.bar([loss.name.removeprefix("block ") for loss in losses], [100 * loss.share for loss in losses])
        axes.set(title=f"noise at the output, {title}", ylabel="percent")
        axes.tick_params(axis="x", rotation=60, labelsize=7)


def _stream(figure: Any, measured: Measurement) -> None:
    axes = figure.subplots()
    behind = measured.stream[1:-1]  # the embedding has hardly any noise, and logits are something else
    axes.plot([name.removeprefix("block ") for name, _ in behind], [_number(snr) for _, snr in behind], "o-")
    axes.set(title="signal to noise of the hidden state behind each block, all quantised", ylabel="dB")
    axes.tick_params(axis="x", rotation=60, labelsize=7)


def _layers(figure: Any, measured: Measurement) -> None:
    """One line for each kind of layer, along the blocks."""
    axes = figure.subplots()
    for kind in dict.fromkeys(layer.name.partition(".")[2] for layer in measured.layers):
        found = [layer for layer in measured.layers if kind and layer.name.partition(".")[2] == kind]
        blocks = [int(layer.name.partition(".")[0]) for layer in found]
        axes.plot(blocks, [_number(layer.output) for layer in found], "o-", label=kind or None)
    axes.set(title="signal to noise of each linear layer's output, quantised alone", xlabel="block", ylabel="dB")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=7)


def _clipped(figure: Any, measured: Measurement) -> None:
    axes = figure.subplots()
    for bits in sorted({value.bits for value in measured.values}):
        found = [value for value in measured.values if value.bits == bits]
        axes.scatter(
            [_number(value.snr) for value in found], [100 * value.clipped for value in found], label=f"{bits} bits"
        )
    for value in sorted(measured.values, key=lambda value: -value.clipped)[:_NAMED]:
        axes.annotate(value.name, (_number(value.snr), 100 * value.clipped), (6, -2), textcoords="offset points",
                      fontsize=7)  # fmt: skip
    axes.set(title="quantised values", xlabel="signal to noise, dB", ylabel="percent clipped")
    axes.legend(fontsize=7)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
