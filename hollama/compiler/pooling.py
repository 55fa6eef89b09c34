"""What a Hugging Face folder says becomes of a text's hidden states: sentence-transformers' modules, as GGUF's keys.

modules.json lists what follows the model: pooling, with its own config.json, and a norm. Pooling types: llama.cpp's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hollama.compiler.json_files import read_json, read_list
from hollama.errors import CompileError
from hollama.models.architecture import Architecture

POOLING = {"none": 0, "mean": 1, "cls": 2, "last": 3}
_MODES = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "last"}
_MODE = "pooling_mode_"


def pooling_of(folder: Path, architecture: Architecture) -> dict[str, Any]:
    """Metadata; empty for a decoder without such modules. An encoder without them means the mean, not normalised.

    Raises CompileError for modules that cannot be compiled.
    """
    kinds = {kind.rpartition(".")[2]: path for kind, path in _modules(folder)}
    if unknown := kinds.keys() - {"Transformer", "Pooling", "Normalize"}:
        raise CompileError(f"modules.json: {', '.join(sorted(unknown))} behind the model is not supported")
    if not kinds and not architecture.encodes:
        return {}
    mode = _mode(read_json(folder / kinds["Pooling"] / "config.json", required=True)) if "Pooling" in kinds else "mean"
    name = architecture.name
    return {f"{name}.pooling_type": POOLING[mode], f"{name}.normalize_embeddings": "Normalize" in kinds}


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Type and path of each; a folder's own pooling counts where modules.json is missing."""
    if not (folder / "modules.json").is_file():
        return [("Pooling", "1_Pooling")] if (folder / "1_Pooling" / "config.json").is_file() else []
    found = []
    for module in read_list(folder / "modules.json"):
        kind, path = (module.get(key) for key in ("type", "path")) if isinstance(module, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(path, str) or ".." in path or path.startswith("/"):
            raise CompileError(f"modules.json: {module!r:.80} is no module")
        found.append((kind, path))
    return found


def _mode(config: Mapping[str, Any]) -> str:
    chosen = [key.removeprefix(_MODE) for key, value in config.items() if key.startswith(_MODE) and value is True]
    if isinstance(config.get("pooling_mode"), str):
        chosen = [config["pooling_mode"]]
    modes = {**_MODES, **{mode: mode for mode in _MODES.values()}}
    if len(chosen) != 1 or chosen[0] not in modes:
        raise CompileError(f"pooling by {', '.join(chosen) or 'nothing'} is not supported; mean, cls and last are")
    return modes[chosen[0]]
