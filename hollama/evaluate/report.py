"""The figures of an evaluation as text, Markdown and JSON: Table 1 of Hailo's whitepaper, for any model.

Knows no terminal and computes no figure; the device's are measured elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hollama.evaluate.evaluation import Outcome
from hollama.evaluate.metrics import INTERVAL, Change, Metric, change

_KINDS = ("float", "quantised")


@dataclass(frozen=True)
class Device:
    """What a package takes on its backend: seconds, tokens a second, bytes.

    `kv_cache_bytes` are those of one context, `memory_bytes` all that the backend held for weights and contexts when
    one request had been answered. `watts` are the mean while that was measured, None where the backend does not tell.
    """

    prompt_tokens: int
    ttft: float
    prefill_tps: float
    decode_tps: float
    kv_cache_tokens: int
    kv_cache_bytes: int
    package_bytes: int
    memory_bytes: int
    watts: float | None = None


@dataclass(frozen=True)
class Report:
    """`models` are the names by kind, "float" and "quantised"; `scheme` is the package's, such as W4A8KV8; the
    backend and it are empty where there is a checkpoint only."""

    models: Mapping[str, str]
    backend: str
    scheme: str
    parameters: int | None
    context: int
    outcomes: Sequence[Outcome]
    device: Device | None = None


def as_json(report: Report) -> dict[str, Any]:
    """Figures with their standard errors; shares are parts of 1, what is no finite number is None."""
    tasks = [
        {"task": outcome.task, "note": outcome.note, **_figures(outcome)}
        | ({"groups": {group.task: _figures(group) for group in outcome.groups}} if outcome.groups else {})
        for outcome in report.outcomes
    ]
    about = {name: getattr(report, name) for name in ("models", "backend", "scheme", "parameters", "context")}
    return {**about, "tasks": tasks, "device": asdict(report.device) if report.device else None}


def _figures(outcome: Outcome) -> dict[str, Any]:
    metrics = [
        {"metric": row[0].name, **{kind: _figure(metric) for kind, metric in zip(kinds, row, strict=True)}}
        | ({"change": _figure(change(*row))} if len(row) == len(_KINDS) else {})
        for kinds, row in _rows(outcome)
    ]
    return {"items": outcome.items, "metrics": metrics}


def quality(report: Report, groups: bool = False) -> list[list[str]]:
    """A table, its header first: a row for each figure, with the half width of its 95 % interval.

    With `groups` those of the tasks' parts (MMLU's subjects) stand below their task's.
    """
    kinds = [kind for kind in _KINDS if kind in report.models]
    both = len(kinds) == len(_KINDS)
    table = [["TASK", "ITEMS", "METRIC", *(kind.upper() for kind in kinds), *(["CHANGE"] if both else [])]]
    for task, outcome in _named(report.outcomes, groups):
        for _, row in _rows(outcome):
            figures = [_shown(metric) for metric in row]
            table.append([task, str(outcome.items), row[0].name, *figures, *([_change(*row)] if both else [])])
    return table


def _named(outcomes: Sequence[Outcome], groups: bool) -> Iterator[tuple[str, Outcome]]:
    for outcome in outcomes:
        yield f"{outcome.task} ({outcome.note})" if outcome.note else outcome.task, outcome
        if groups:
            yield from ((f"{outcome.task}: {group.task}", group) for group in outcome.groups)


def device_rows(device: Device) -> list[list[str]]:
    """A table, its header first: what else stands in Table 1."""
    return [
        ["DEVICE", ""],
        [f"TTFT, {device.prompt_tokens} tokens", f"{device.ttft * 1000:.1f} ms"],
        ["prefill", f"{device.prefill_tps:.1f} tokens/s"],
        ["decode", f"{device.decode_tps:.1f} tokens/s"],
        ["KV cache", f"{device.kv_cache_tokens} tokens, {_mib(device.kv_cache_bytes)}"],
        ["package", _mib(device.package_bytes)],
        ["memory, weights and contexts", _mib(device.memory_bytes)],
        ["power", "not measured" if device.watts is None else f"{device.watts:.1f} W"],
    ]


def markdown(table: Sequence[Sequence[str]]) -> list[str]:
    """A table, whose first row is the header, as Markdown; figures stand to the right."""
    header, *rows = ([cell.replace("|", "\\|") for cell in row] for row in table)
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def _rows(outcome: Outcome) -> list[tuple[list[str], tuple[Metric, ...]]]:
    """The kinds, and of each metric what it is for them."""
    kinds = [kind for kind in _KINDS if kind in outcome.metrics]
    return [(kinds, row) for row in zip(*(outcome.metrics[kind] for kind in kinds), strict=True)]


def _figure(metric: Metric | Change) -> dict[str, float | None]:
    return {"value": _finite(metric.value), "stderr": _finite(metric.error)}


def _finite(value: float | None) -> float | None:
    """JSON knows no other numbers."""
    return value if value is not None and math.isfinite(value) else None


def _shown(metric: Metric) -> str:
    if metric.share:
        return f"{100 * metric.value:.2f}{_spread(metric, 100, 2)} %"
    return f"{metric.value:.3f}{_spread(metric, 1, 3)}"


def _change(old: Metric, new: Metric) -> str:
    """Points of percent for shares, a factor for perplexities."""
    found = change(old, new)
    if old.share:
        return f"{100 * found.value:+.2f}{_spread(found, 100, 2)}"
    return f"x {found.value:.3f}{_spread(found, 1, 3)}"


def _spread(figure: Metric | Change, unit: int, digits: int) -> str:
    return "" if figure.error is None else f" ± {unit * INTERVAL * figure.error:.{digits}f}"


def _mib(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"
