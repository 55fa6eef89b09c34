"""Trains hollie: `python -m hollie.train --out FOLDER` makes the corpus, the tokenizer and the weights.

Weights are rounded to 4 bits in the last two fifths of the steps, activations and KV cache to 8 bits in the last
fifth, while the learning rate falls. Stopped at any time it goes on from its last checkpoint, with the same batches.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from . import checkpoint, corpus
from .batches import IGNORED, Batch, batch, batches, coded
from .model import Hollie, Shape
from .optimiser import Optimiser
from .phrase import TEST
from .tokenizer import saved

SEED = 1
WARMUP, WEIGHTS, ACTIVATIONS, FALL = 0.02, 0.6, 1.0, 0.6  # shares of all steps; FALL is how long the rate falls
FLOOR = 0.02


def rate(done: float) -> float:
    """The share of the learning rate when `done` of all steps (0 to 1) are made."""
    return min(1.0, (done + 1e-3) / WARMUP, max(FLOOR, (1 - done) / FALL))


def loss(model: Hollie, one: Batch) -> torch.Tensor:
    return F.cross_entropy(model(one.ids, one.places, one.documents).float(), one.targets)


@torch.no_grad()
def exact(model: Hollie, tokenizer: Tokenizer, skill: str, count: int) -> float:
    """The share of held-out samples whose whole last answer is the likeliest continuation, token for token."""
    rng, right = random.Random(f"{skill} held out"), 0
    model.eval()
    torch.compiler.set_stance("force_eager")  # every length would be a graph of its own
    for _ in range(count):
        ids, said = coded(corpus.SKILLS[skill](rng, TEST), True, tokenizer)
        last = len(said) - said[::-1].index(True)
        first = max((at + 1 for at in range(last) if not said[at]), default=0)
        only = [first <= at < last for at in range(len(said))]
        one = batch([[(ids, only)]], len(ids))
        right += bool(((model(one.ids, one.places).argmax(-1) == one.targets) | (one.targets == IGNORED)).all())
    torch.compiler.set_stance("default")
    model.train()
    return right / count


class Run:
    """A training run in a folder: what is kept to resume it, and the log."""

    def __init__(self, folder: Path, out: Path, seed: int) -> None:
        self.folder, self.out = folder, out
        self.tokenizer = saved(folder, Shape().vocab)
        torch.manual_seed(seed)
        self.model = Hollie(Shape(vocab=self.tokenizer.get_vocab_size()))
        self.optimiser = Optimiser(self.model)
        self.step, self.place, self.tokens = 0, (0, 0), 0
        if (folder / "state.pt").exists():
            self.restore()

    def restore(self) -> None:
        state = torch.load(self.folder / "state.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.restore(state["optimiser"])
        self.step, self.place, self.tokens = state["step"], tuple(state["place"]), state["tokens"]

    def save(self) -> None:
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state(), "step": self.step,
            "place": self.place, "tokens": self.tokens}
        torch.save(state, self.folder / "state.pt.partial")
        os.replace(self.folder / "state.pt.partial", self.folder / "state.pt")
        checkpoint.written(self.out, self.model, self.folder / "tokenizer.json")

    def log(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} step {self.step} tokens {self.tokens / 1e6:.2f}M {text}"
        print(line, flush=True)
        with (self.folder / "log.txt").open("a") as log:
            log.write(line + "\n")

    def evaluate(self, count: int) -> None:
        scores = {skill: exact(self.model, self.tokenizer, skill, count) for skill in corpus.SKILLS}
        self.log("held out, exact: " + " ".join(f"{skill} {score:.0%}" for skill, score in scores.items()))


def train(run: Run, steps: int, tokens: int, seed: int, every: int) -> None:
    """Runs to `steps` steps of `tokens` tokens each; logs, and each `every` steps saves and evaluates."""
    sums, started = [], time.monotonic()
    run.save()
    for place, one in batches(seed, tokens, run.tokenizer, run.place):
        if run.step >= steps:
            break
        run.model.round_weights(run.step >= WEIGHTS * steps)
        run.model.round_activations(run.step >= ACTIVATIONS * steps)
        value = loss(run.model, one)
        value.backward()
        run.optimiser.step(rate(run.step / steps))
        run.step, run.place, run.tokens = run.step + 1, place, run.tokens + one.ids.numel()
        sums.append(value.item())
        if run.step % 50 == 0:
            spent = time.monotonic() - started
            run.log(f"loss {sum(sums) / len(sums):.4f} {len(sums) * tokens / spent:.0f} tokens/s")
            sums, started = [], time.monotonic()
        if run.step % every == 0 or run.step == steps:
            run.save()
            run.evaluate(40)
            started = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the Hugging Face folder to write")
    parser.add_argument("--run", type=Path, help="where the run is kept to be resumed; OUT-run without it")
    parser.add_argument("--steps", type=int, default=16000)
    parser.add_argument("--tokens", type=int, default=6144, help="tokens of a step")
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    args = parser.parse_args()
    torch._dynamo.config.cache_size_limit = 64  # a graph per length and phase
    run = Run(args.run or args.out.with_name(args.out.name + "-run"), args.out, SEED)
    for layer in run.model.layers:
        layer.compile()
    train(run, args.steps, args.tokens, SEED, args.every)


if __name__ == "__main__":
    main()
