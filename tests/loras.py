"""Random LoRA adapters in PEFT's form, for the checkpoints of `tests.checkpoints`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hollama.formats.safetensors import open_folder, write_safetensors

PARTS = ("q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def random_lora(
    folder: Path, checkpoint: Path, parts: Sequence[str] = PARTS, rank: int = 4, seed: int = 0, strength: float = 1.0
) -> Path:
    """Updates of every layer's `parts` that are `strength` as large as the weights; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, tensors = np.random.default_rng(seed), {}
    weights = open_folder(checkpoint)
    for name in weights.names:
        stem = name.removesuffix(".weight")
        if name.endswith(".weight") and stem.rpartition(".")[2] in parts:
            outputs, inputs = weights.info(name).shape
            a = rng.standard_normal((rank, inputs), np.float32) / np.float32(np.sqrt(inputs))
            b = rng.standard_normal((outputs, rank), np.float32) / np.float32(np.sqrt(rank)) * np.float32(strength)
            tensors |= {f"base_model.model.{stem}.lora_A.weight": a, f"base_model.model.{stem}.lora_B.weight": b}
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank}))
    return folder
