"""Perplexity of a checkpoint on a text: in float, and compiled to W4A8KV8.

    python tests/benchmarks/perplexity.py CHECKPOINT TEXT [--group-size 64] [--calibration FILE] [--story PROMPT]

The text is cut into windows of the context, each behind a BOS token where the model wants one; every token after the
first of a window is predicted. `--story` also prints the greedy continuation of both models.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.calibration import windows_of
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph
from hollama.ir.interpreter import Arithmetic, Segment, run
from hollama.ir.quantised import QuantisedArithmetic


def perplexity(graph: Graph, arithmetic: Arithmetic, windows: list[list[int]]) -> float:
    """exp of the mean negative log-likelihood of every token but a window's first."""
    total, count = 0.0, 0
    for window in windows:
        cache = arithmetic.cache(len(window))
        logits = run(graph, arithmetic, [Segment(cache, 0, window[:-1], range(len(window) - 1))]).astype(np.float64)
        top = logits.max(axis=1)
        log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        total += float((log_sum - logits[np.arange(len(window) - 1), window[1:]]).sum())
        count += len(window) - 1
    return float(np.exp(total / count))


def story(graph: Graph, arithmetic: Arithmetic, prompt: list[int], count: int) -> list[int]:
    """The greedy continuation."""
    cache, tokens = arithmetic.cache(len(prompt) + count), list(prompt)
    fed = 0
    for _ in range(count):
        logits = run(graph, arithmetic, [Segment(cache, fed, tokens[fed:])])
        fed = len(tokens)
        tokens.append(int(logits[0].argmax()))
    return tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--characters", type=int, default=400_000)
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--story", default="")
    options = parser.parse_args()

    checkpoint = open_checkpoint(options.checkpoint)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    tokenizer = Tokenizer.from_str(checkpoint.tokenizer.decode())
    special = checkpoint.special
    begin = [special.bos_id] if special.add_bos and special.bos_id is not None else []

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    tokens = encode(options.text.read_text("utf-8")[: options.characters])
    length = min(options.window, checkpoint.shape.context)
    windows = [w for w in windows_of(tokens, length, options.windows, begin) if len(w) == length]
    calibration = options.calibration.read_text("utf-8") if options.calibration else ""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "model.hef"
        settings = CompileSettings(group_size=options.group_size, calibration=calibration)
        compile_checkpoint(options.checkpoint, package, settings, lambda *_: None)
        weights = read_weights(graph, sources, checkpoint)
        with Hef.open(package) as hef:
            size = hef.size
            quantised = QuantisedArithmetic(*read_model(hef), context=max(length, 256))
    models = {"float32": FloatArithmetic(graph, weights, checkpoint.shape.signed_theta), "W4A8KV8": quantised}
    print(f"{len(windows)} windows of {length}, groups of {options.group_size}, package of {size / 1e6:.2f} MB")
    for name, arithmetic in models.items():
        print(f"{name:8} perplexity {perplexity(graph, arithmetic, windows):8.3f}", flush=True)
        if options.story:
            text = tokenizer.decode(story(graph, arithmetic, begin + encode(options.story), 60))
            print(f"{'':8} {text!r}")


if __name__ == "__main__":
    main()
