"""A compiler's report as tables, which its text and its page share. Knows no terminal and no HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hollama.cli.human import human_bytes, human_number, table

if TYPE_CHECKING:
    from hollama.compiler.measure import Loss, Measurement, Value
    from hollama.compiler.report import Report

_WORST = 10
_INTERVAL = 1.96  # standard errors on either side that 95 % of normally distributed figures lie within


@dataclass(frozen=True)
class Table:
    """`most` is how many rows are enough for a short form; they come first. `note` says what columns mean."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    most: int | None = None
    note: str = ""


def headline(report: Report) -> list[str]:
    """What it is, and what quantisation cost it."""
    info = report.info
    lines = [
        f"{report.name}: {info.architecture}, {human_number(info.parameter_count)} parameters, {info.quantization}, "
        f"context {info.context}, {human_bytes(sum(report.sizes.values()))}"
    ]
    if report.measured:
        whole, tokens, compared = report.measured.whole, report.measured.tokens, report.measured.compared
        nats = f", {_nats(whole)} nats a token from the float model" if whole.kl is not None else ""
        of = "" if tokens == compared else f"{compared} of "
        lines.append(f"{decibel(whole.snr)} of signal to noise at the output{nats},")
        lines.append(f"on {of}{tokens} tokens of {report.text}")
    return lines


def tables(report: Report) -> Iterator[Table]:
    """What there is to tell, what matters most first."""
    if report.measured:
        yield from _measured(report.measured)
    yield _values(report.values)
    sizes = sorted(report.sizes.items(), key=lambda item: -item[1])
    yield Table("Sizes", ("FILE", "SIZE"), [(name, human_bytes(size)) for name, size in sizes])
    if report.history:
        steps = [(step.get("stage", ""), _made_of(step)) for step in report.history]
        yield Table("History", ("STAGE", "OF"), steps)


def lines(report: Report) -> list[str]:
    """The report as text."""
    found = headline(report)
    for part in tables(report):
        rest = len(part.rows) - (part.most or len(part.rows))
        title = f"{part.title}, the first {part.most} of {len(part.rows)}" if rest > 0 else part.title
        rows = table([part.header, *part.rows[: part.most]])
        found += ["", title, *part.note.splitlines(), *(row.rstrip() for row in rows)]
    return found


def decibel(value: float | None) -> str:
    return "no noise" if value is None else f"{value:.1f} dB"


def _nats(loss: Loss) -> str:
    """With half of the 95 % interval."""
    return f"{loss.kl:.4f} ± {_INTERVAL * (loss.kl_error or 0):.4f}"


def _measured(measured: Measurement) -> Iterator[Table]:
    yield Table(
        "Where it is lost, each quantised alone",
        ("SOURCE", "SNR", "NATS A TOKEN", "SHARE"),
        [_loss(loss) for loss in measured.sources],
        note="attention is queries, keys and values, as the KV cache holds them. NATS A TOKEN is how far the next\n"
        "token's distribution is from the float model's (KL divergence), SHARE that of the power of all this noise.",
    )
    behind = [decibel(snr) for _, snr in measured.stream]
    yield Table(
        "Part by part, each quantised alone",
        ("PART", "SNR", "NATS A TOKEN", "SHARE", "BEHIND IT"),
        [(*_loss(loss), snr) for loss, snr in zip(measured.parts, behind, strict=True)],
        note="BEHIND IT is what all parts up to there left of the signal, with everything quantised.",
    )
    layers = sorted(measured.layers, key=lambda layer: _or_most(layer.output))
    yield Table(
        "Linear layers, the noisiest first",
        ("LAYER", "BITS", "SIZE", "WEIGHTS", "OUTPUT", "BY WEIGHTS", "BY INPUTS", "ARRIVING"),
        [
            (layer.name, str(layer.bits), human_bytes(layer.nbytes), *map(decibel, (
                layer.weights, layer.output, layer.by_weights, layer.by_inputs, layer.arriving)))
            for layer in layers
        ],
        _WORST,
        "OUTPUT is with the layer alone quantised, BY WEIGHTS and BY INPUTS with only those; ARRIVING is what comes\n"
        "out of it where everything is quantised.",
    )  # fmt: skip


def _loss(loss: Loss) -> tuple[str, str, str, str]:
    return loss.name, decibel(loss.snr), "-" if loss.kl is None else f"{loss.kl:.5f}", f"{loss.share:.1%}"


def _values(values: Sequence[Value]) -> Table:
    """Those that clip most come first, then the noisiest."""
    ordered = sorted(values, key=lambda value: (-value.clipped, _or_most(value.snr)))
    measured = any(value.snr is not None for value in values)
    rows = [
        (value.name, str(value.bits), f"{value.low:.4g} to {value.high:.4g}", f"{value.clipped:.4%}",
         *([decibel(value.snr)] if measured else []))
        for value in ordered
    ]  # fmt: skip
    header = ("VALUE", "BITS", "RANGE", "CLIPPED", *(["SNR"] if measured else []))
    return Table("Quantised values, the most clipped first", header, rows, _WORST)


def _or_most(snr: float | None) -> float:
    return float("inf") if snr is None else snr


def _made_of(step: object) -> str:
    """A step of the history in a line: the files and settings by name."""
    told = dict(step) if isinstance(step, dict) else {}
    settings, sources = told.get("settings"), told.get("sources")
    parts = [f"{name}={_short(name, value)}" for name, value in settings.items()] if isinstance(settings, dict) else []
    parts += [f"{name} {str(digest)[:12]}" for name, digest in sources.items()] if isinstance(sources, dict) else []
    parts += [f"{name}={told[name]}" for name in ("name", "snr") if name in told]
    return ", ".join(parts)


def _short(setting: str, value: object) -> str:
    """A setting's value; the calibration text is a digest, that of no text when it is the built-in one."""
    if setting != "calibration":
        return str(value)
    from hollama.compiler.provenance import text_digest

    return "built-in" if value == text_digest("") else str(value)[:12]
