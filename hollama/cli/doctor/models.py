"""The models' folder: is it there, is there room, and are the models whole?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from hollama.cli.doctor.finding import Finding
from hollama.cli.human import human_bytes
from hollama.cli.upload import digest
from hollama.config import Settings
from hollama.errors import HollamaError
from hollama.store.model import StoredModel
from hollama.store.store import Store

_LITTLE_ROOM = 2 * 10**9  # bytes


def model_findings(settings: Settings, full: bool) -> Iterator[Finding]:
    """`full` reads every blob and compares it with its name."""
    root = settings.models
    yield _folder(root)
    yield _room(root)
    if not root.is_dir():
        return
    store = Store(root, noprune=True)
    models = store.models()
    size = human_bytes(sum({layer.digest: layer.size for model in models for layer in model.layers}.values()))
    yield Finding("Models", "ok", f"{len(models)}, {size} altogether")
    for model in models:
        yield from model_problems(store, model, full)
    if full:
        yield Finding("Blobs", "ok", "every blob was read; those not named above are whole")


def _folder(root: Path) -> Finding:
    if not root.exists():
        return Finding("Models folder", "ok", f"{root} (the server will make it)")
    if not root.is_dir() or not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        advice = f"make {root} a folder that you may write to, or set OLLAMA_MODELS to another"
        return Finding("Models folder", "fail", f"{root} cannot be written to", advice)
    return Finding("Models folder", "ok", str(root))


def _room(root: Path) -> Finding:
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < _LITTLE_ROOM:
        advice = "delete models with `hollama rm`, or set OLLAMA_MODELS to a folder on another disk"
        return Finding("Disk", "warn", f"{human_bytes(free)} free", advice)
    return Finding("Disk", "ok", f"{human_bytes(free)} free")


def model_problems(store: Store, model: StoredModel, full: bool) -> Iterator[Finding]:
    """What is wrong with one model's blobs; nothing if they are whole."""
    for layer in model.layers:
        problem = _problem(store.blob_path(layer.digest), layer.digest, layer.size, full)
        if problem:
            yield Finding(f"Model {model.name.short}", "fail", problem, "create the model again, or delete it")
    try:
        if not model.layers or store.package(model) is None:
            yield Finding(f"Model {model.name.short}", "warn", "it has no package yet", "it is compiled when it is run")
    except HollamaError as error:
        yield Finding(f"Model {model.name.short}", "warn", str(error))


def _problem(path: Path, expected: str, size: int, full: bool) -> str:
    if not path.is_file():
        return f"blob {expected[:19]} is missing"
    if path.stat().st_size != size:
        return f"blob {expected[:19]} has {path.stat().st_size} bytes, {size} expected"
    if full and digest(path, lambda done: None) != expected:
        return f"blob {expected[:19]} is damaged: its content does not match its name"
    return ""
