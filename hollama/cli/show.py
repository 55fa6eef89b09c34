"""A model's details as `hollama show` and `/show` print them. Knows the answer of /api/show; pure text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from hollama.cli.client import Json
from hollama.cli.human import human_number, table

Rows = list[list[str]]
_TEXT_LINES = 2  # lines of a licence or system message that are shown
_ARRAY_ITEMS = 3


def show_text(info: Json, verbose: bool = False) -> str:
    """All sections that have something to say."""
    sections: list[tuple[str, Rows]] = [
        ("Model", _model(info)),
        ("Capabilities", [[name] for name in info.get("capabilities") or ()]),
        ("Adapters", _adapters(info)),
        ("Projector", _projector(info.get("projector_info") or {})),
        ("Parameters", _parameters(info.get("parameters") or "")),
    ]
    if verbose:
        sections.append(("Metadata", [[key, _abbreviated(value)] for key, value in _sorted(info.get("model_info"))]))
        sections.append(("Tensors", [_tensor(tensor) for tensor in info.get("tensors") or ()]))
    sections.append(("System", _first_lines(info.get("system") or "")))
    sections.append(("License", _first_lines(info.get("license") or "")))
    return "".join(_section(title, rows) for title, rows in sections if rows)


def _section(title: str, rows: Rows) -> str:
    width = max(map(len, rows))
    filled = [row + [""] * (width - len(row)) for row in rows]
    return "\n".join([f"  {title}", *table(filled, indent="    "), "", ""])


def _model(info: Json) -> Rows:
    details, metadata = info.get("details") or {}, info.get("model_info") or {}
    architecture = metadata.get("general.architecture") or details.get("family") or ""
    count = metadata.get("general.parameter_count")
    rows = [
        ["Remote model", info.get("remote_model")],
        ["Remote URL", info.get("remote_host")],
        ["architecture", architecture],
        ["parameters", human_number(int(count)) if count else details.get("parameter_size")],
        ["context length", metadata.get(f"{architecture}.context_length")],
        ["embedding length", metadata.get(f"{architecture}.embedding_length")],
        ["quantization", details.get("quantization_level")],
        ["requires", info.get("requires")],
    ]
    return _present(rows)


def _adapters(info: Json) -> Rows:
    """Which there are, and which answers where a request names none."""
    return [[name, *(["in use"] if name == info.get("adapter") else [])] for name in info.get("adapters") or ()]


def _projector(metadata: Json) -> Rows:
    count = metadata.get("general.parameter_count")
    rows = [
        ["architecture", metadata.get("general.architecture")],
        ["parameters", human_number(int(count)) if count else None],
        ["embedding length", metadata.get("clip.vision.embedding_length")],
        ["dimensions", metadata.get("clip.vision.projection_dim")],
    ]
    return _present(rows)


def _present(rows: Iterable[Sequence[Any]]) -> Rows:
    return [[name, f"{value:g}" if isinstance(value, float) else str(value)] for name, value in rows if value]


def _parameters(text: str) -> Rows:
    return [list(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def _sorted(metadata: Json | None) -> list[tuple[str, Any]]:
    return sorted((metadata or {}).items())


def _abbreviated(value: Any) -> str:
    if isinstance(value, list):
        more = f" ...+{len(value) - _ARRAY_ITEMS} more" if len(value) > _ARRAY_ITEMS else ""
        return f"[{' '.join(map(_plain, value[:_ARRAY_ITEMS]))}{more}]"
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _tensor(tensor: Json) -> list[str]:
    return [str(tensor.get("name")), str(tensor.get("type")), f"[{' '.join(map(str, tensor.get('shape') or ()))}]"]


def _first_lines(text: str) -> Rows:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [[line] for line in lines[:_TEXT_LINES]] + ([["..."]] if len(lines) > _TEXT_LINES else [])
