"""`hollama ps`: the models that are loaded."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from hollama.cli.arguments import add_words, at_most, describe
from hollama.cli.client import Json, connect
from hollama.cli.human import human_bytes, human_time, parse_time, table

_HEADER = ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(parser, "List models that are loaded, and until when.", "hollama ps")
    add_words(parser, "PREFIX", "only models whose name starts so")


def run(arguments: argparse.Namespace) -> int:
    prefix = "".join(at_most(1, arguments.words)).lower()
    models = connect().get("/api/ps").get("models") or []
    rows = [_row(model) for model in models if model["name"].lower().startswith(prefix)]
    print("\n".join(table([_HEADER, *rows])))
    return 0


def _row(model: Json) -> list[str]:
    size, on_device = int(model["size"]), int(model.get("size_vram") or 0)
    context = str(model.get("context_length") or "")
    until = until_text(model["expires_at"], datetime.now(UTC))
    return [model["name"], model["digest"][:12], human_bytes(size), processor(size, on_device), context, until]


def processor(size: int, on_device: int) -> str:
    """Where a model of `size` bytes lies if `on_device` of them are on an accelerator."""
    if on_device == 0:
        return "100% CPU"
    if on_device == size:
        return "100% GPU"
    if size == 0 or on_device > size:
        return "Unknown"
    cpu = int((size - on_device) / size * 100 + 0.5)
    return f"{cpu}%/{100 - cpu}% CPU/GPU"


def until_text(expires_at: str, now: datetime) -> str:
    """When the server will unload the model."""
    moment = parse_time(expires_at)
    return human_time(moment, now) if moment > now or moment.year == 1 else "Stopping..."
