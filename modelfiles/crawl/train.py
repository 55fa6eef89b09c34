"""Trains crawl: `python -m crawl.train --text c4_validation_2k.jsonl --out FOLDER` in the folder `modelfiles`.

Stopped at any time it goes on from its last checkpoint, with the same batches.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from hollie.checkpoint import config, replaced
from hollie.optimiser import Optimiser
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from . import text
from .model import Crawl, Shape

SEED, BATCH = 1, 8  # sequences of a step
WARMUP, FALL, FLOOR = 0.03, 0.6, 0.02  # shares of all steps; FALL is how long the rate falls
DECAY = 0.05


def rate(done: float) -> float:
    """The share of the learning rate when `done` of all steps (0 to 1) are made."""
    return min(1.0, (done + 1e-3) / WARMUP, max(FLOOR, (1 - done) / FALL))


def batch(stream: Tensor, step: int, length: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a step: sequences that begin anywhere in the stream, the same in every run."""
    chance = torch.Generator().manual_seed(SEED * 1_000_003 + step)
    starts = torch.randint(len(stream) - length - 1, (BATCH,), generator=chance)
    rows = torch.stack([stream[start : start + length + 1] for start in starts])
    return rows[:, :-1], rows[:, 1:]


def loss(model: Crawl, inputs: Tensor, targets: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(inputs)
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


@torch.no_grad()
def perplexity(model: Crawl, stream: Tensor, length: int) -> float:
    """Of held-out text, over windows that follow each other."""
    model.eval()
    windows = stream[: (len(stream) - 1) // length * length + 1].unfold(0, length + 1, length)
    total = sum(float(loss(model, row[None, :-1], row[None, 1:])) for row in windows)
    model.train()
    return math.exp(total / len(windows))


def written(folder: Path, model: Crawl, tokenizer: Tokenizer) -> None:
    """The Hugging Face folder (Qwen2ForCausalLM)."""
    folder.mkdir(parents=True, exist_ok=True)
    end = tokenizer.token_to_id(text.END)
    settings = {"eos_token": text.END, "bos_token": None, "add_bos_token": False}
    files = {"config.json": config(model.shape, end, end), "tokenizer_config.json": settings}  # type: ignore[arg-type]
    for name, content in files.items():
        replaced(folder / name, json.dumps(content, indent=2) + "\n")
    replaced(folder / "tokenizer.json", tokenizer.to_str())
    tensors = {f"model.{name}": tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors.partial", {"format": "pt"})
    os.replace(folder / "model.safetensors.partial", folder / "model.safetensors")


class Run:
    """A training run in a folder: what is kept to resume it, and the log."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.folder, self.tokenizer, self.step = folder, tokenizer, 0
        torch.manual_seed(SEED)
        self.model = Crawl(Shape())
        self.optimiser = Optimiser(self.model, decay=DECAY)
        if self.kept.exists():
            state = torch.load(self.kept, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.restore(state["optimiser"])
            self.step = state["step"]

    @property
    def kept(self) -> Path:
        return self.folder / "state.pt"

    def save(self) -> None:
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state(), "step": self.step}
        written(self.folder, self.model, self.tokenizer)
        torch.save(state, self.folder / "state.pt.partial")
        os.replace(self.folder / "state.pt.partial", self.kept)

    def advance(self, stream: Tensor, steps: int) -> float:
        value = loss(self.model, *batch(stream, self.step, self.model.shape.context))
        value.backward()
        self.optimiser.step(rate(self.step / steps))
        self.step += 1
        return value.item()


def train(run: Run, stream: Tensor, held: Tensor, steps: int, every: int) -> None:
    values, started = [], time.monotonic()
    while run.step < steps:
        values.append(run.advance(stream, steps))
        if run.step % 50 == 0:
            speed = len(values) * BATCH * run.model.shape.context / (time.monotonic() - started)
            print(f"step {run.step} loss {sum(values) / len(values):.4f} {speed:.0f} tokens/s", flush=True)
            values, started = [], time.monotonic()
        if run.step % every == 0 or run.step == steps:
            run.save()
            found = perplexity(run.model, held, run.model.shape.context)
            print(f"step {run.step} held-out perplexity {found:.2f}", flush=True)
            started = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, required=True, help="C4 documents as JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="the Hugging Face folder to write")
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    options = parser.parse_args()
    documents = text.trained(options.text)
    tokenizer = text.learned(documents, Shape().vocab)
    run = Run(options.out, tokenizer)
    for layer in run.model.layers:
        layer.compile()
    stream, held = (torch.tensor(text.tokens(tokenizer, part)) for part in (documents, text.held_out(options.text)))
    print(f"{len(stream)} tokens to train on, {len(held)} held out", flush=True)
    train(run, stream, held, options.steps, options.every)


if __name__ == "__main__":
    main()
