"""What helps the input of the down projection, which QuaRot cannot turn without an operation in the graph.

    python tests/benchmarks/down_projection.py --shared DATA [--crawl FOLDER] [--learn 200] --json figures.json

Models, texts and windows are those of `quantisation.py`. All variants are QuaRot with GPTQ in a static scheme. Ranges
and bits are changed for the input of the down projection alone. Of each variant: the mean divergence from the float
model in nats a token, and the signal to noise of rounding that tensor, in dB, the mean of the layers.

    range ...      how its range is chosen
    smoothed ...   the power of the peaks that its channels are divided by; 0 is as they are
    16 bits        what there is to win at all
    unsorted       its channels where they are, not sorted so that a group of weights has channels of like peaks
    seed ...       other random rotations of the residual stream and the value heads
    searched       the seed that is nearest to the float model on some of the calibration text
    learned        the residual stream turned on from seed 0 as the divergence falls, weights rounded to nearest
                   (SpinQuant, Liu et al. 2024, arXiv 2405.16406, with exp (A - A^T) for its Cayley transform)
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from quantisation import WINDOW, Subject, compared, subjects, windows

from hollama.compiler.float_weights import read_weights
from hollama.compiler.gptq import GptqSettings
from hollama.compiler.pipeline import open_checkpoint
from hollama.compiler.quantise import Quantiser, Recipe
from hollama.compiler.rotation import SMOOTHING, Rotated, rotate, smoothing_scales
from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph
from hollama.ir.interpreter import Segment, run
from hollama.ir.quantised import QuantisedArithmetic, QuantisedWeights
from hollama.kernels.golden import Quantisation

Weights = Mapping[str, np.ndarray]
_SEARCHED = 4  # windows of calibration text


@dataclass(frozen=True)
class Bench:
    graph: Graph
    weights: Weights
    theta: np.ndarray
    calibration: Sequence[Sequence[int]]
    texts: Mapping[str, Sequence[Sequence[int]]]

    @classmethod
    def of(cls, subject: Subject, most: int, calibration: int) -> Bench:
        checkpoint = open_checkpoint(subject.checkpoint)
        graph, sources = checkpoint.architecture.build(checkpoint.shape)
        texts = {name: windows(checkpoint, text, most) for name, text in subject.texts.items()}
        calibrated = windows(checkpoint, subject.calibration, calibration)
        weights = dict(read_weights(graph, sources, checkpoint))
        return cls(graph, weights, checkpoint.shape.signed_theta, calibrated, texts)

    @property
    def units(self) -> list[str]:
        return [node.name for node in self.graph.nodes if node.op == "gated"]

    @cached_property
    def exact(self) -> FloatArithmetic:
        return FloatArithmetic(self.graph, self.weights, self.theta)

    @cached_property
    def scales(self) -> Weights:
        return smoothing_scales(self.graph, self.weights, self.theta, self.calibration)

    def turned(self, power: float = SMOOTHING, seed: int = 0) -> Rotated:
        scales = {name: scale ** np.float32(power / SMOOTHING) for name, scale in self.scales.items()}
        return rotate(self.graph, self.weights, seed, scales)

    def quantised(self, weights: Weights, ranges: str = "mse", gptq: bool = True) -> QuantisedWeights:
        recipe = Recipe(gptq=GptqSettings() if gptq else None, ranges=ranges)
        return Quantiser(self.graph, weights, self.theta, recipe, self.calibration).run(lambda *_: None)

    def measured(self, weights: Weights, quantised: QuantisedWeights) -> dict[str, float]:
        model = QuantisedArithmetic(self.graph, quantised, context=WINDOW)
        found = {
            name: compared({"float": self.exact, "found": model}, text)["found_kl"] for name, text in self.texts.items()
        }
        return {**found, "snr": self.signal_to_noise(weights, quantised.ranges)}

    def signal_to_noise(self, weights: Weights, ranges: Mapping[str, Quantisation]) -> float:
        signal, noise = dict.fromkeys(self.units, 0.0), dict.fromkeys(self.units, 0.0)

        def watch(name: str, value: np.ndarray) -> None:
            if name in signal:
                of = ranges[name]
                rounded = np.clip(np.rint(value / of.scale), -of.zero_point, of.top - of.zero_point) * of.scale
                signal[name] += float(np.square(value, dtype=np.float64).sum())
                noise[name] += float(np.square(rounded - value, dtype=np.float64).sum())

        model = FloatArithmetic(self.graph, weights, self.theta)
        for window in next(iter(self.texts.values()))[:8]:
            run(self.graph, model, [Segment(model.cache(len(window)), 0, window, range(len(window)))], watch)
        return float(np.mean([10 * np.log10(signal[name] / noise[name]) for name in self.units]))


def unsorted(turned: Rotated) -> Weights:
    """The channels of gated units where they were."""
    weights = {name: np.array(turned[name]) for name in turned}
    for name, change in turned.changes.items():
        if change.sorted is not None:
            weights[name] = weights[name][:, np.argsort(change.sorted)]
        for rows, order in change.sorted_after:
            for made in {name, f"{name}.bias"} & {*weights}:
                weights[made][rows] = weights[made][rows][np.argsort(order)]
    return weights


def variants(bench: Bench, learning: int, seeds: int, told: Callable[[str, dict[str, float]], None]) -> None:
    base = bench.turned()
    both = bench.quantised(base)
    told("range mse", bench.measured(base, both))
    for method in ("max", "percentile", "entropy"):
        found = bench.quantised(base, method, gptq=False).ranges
        chosen = {**both.ranges, **{name: found[name] for name in bench.units}}
        told(f"range {method}", bench.measured(base, replace(both, ranges=chosen)))
    largest = {name: max(of.zero_point, of.top - of.zero_point) * of.scale for name, of in both.ranges.items()}
    wide = {name: Quantisation(float(np.float32(2 * largest[name] / 32767)), 1 << 15, 16) for name in bench.units}
    told("16 bits", bench.measured(base, replace(both, ranges={**both.ranges, **wide})))
    for power in (0, 0.25, 0.75, 1):
        weights = bench.turned(power)
        told(f"smoothed {power}", bench.measured(weights, bench.quantised(weights)))
    weights = unsorted(base)
    told("unsorted", bench.measured(weights, bench.quantised(weights)))
    nearest, best = np.inf, {}
    for seed in range(seeds):
        weights = bench.turned(seed=seed)
        found = bench.quantised(weights)
        figures = bench.measured(weights, found)
        told(f"seed {seed}", figures)
        model = QuantisedArithmetic(bench.graph, found, context=WINDOW)
        distance = compared({"float": bench.exact, "found": model}, bench.calibration[:_SEARCHED])["found_kl"]
        if distance < nearest:
            nearest, best = distance, figures
    if best:
        told("searched", best)
    if learning:
        weights = learned(bench, base, both.ranges, learning)
        told("learned", bench.measured(weights, bench.quantised(weights)))


def learned(bench: Bench, turned: Rotated, ranges: Mapping[str, Quantisation], steps: int) -> Weights:
    import torch

    from hollama.compiler.differentiable import Differentiable, straight
    from hollama.compiler.finetune import divergence

    def rounded(matrix: torch.Tensor) -> torch.Tensor:
        groups = matrix.reshape(len(matrix), -1, 64) if matrix.shape[1] % 64 == 0 else matrix[:, None]
        step = groups.detach().abs().amax(2, keepdim=True) * (0.85 / 7)
        return (torch.clamp(straight(groups / step), -7, 7) * step).reshape(matrix.shape)

    embed = bench.graph.nodes[0].weight
    rotation = turned.changes[embed].before
    reads = {name for name, change in turned.changes.items() if change.before is rotation}
    writes = {name for name, change in turned.changes.items() if any(of is rotation for _, of in change.after)}
    original = {name: torch.tensor(np.asarray(bench.weights[name])) for name in bench.weights}
    started = {name: torch.tensor(np.asarray(turned[name])) for name in turned}
    angles = torch.zeros(len(rotation.signs), len(rotation.signs), requires_grad=True)

    def further(name: str, turn: torch.Tensor) -> torch.Tensor:
        matrix = started[name]
        if name in reads:
            matrix = matrix @ turn
        if name.removesuffix(".bias") in writes:
            matrix = (matrix.T @ turn).T
        return matrix

    theta = torch.tensor(bench.theta)
    teacher = Differentiable(bench.graph, original.__getitem__, {}, theta)
    linears = {node.weight for node in bench.graph.linears()}
    shown = {name: of for name, of in ranges.items() if name != bench.graph.nodes[0].name}
    optimiser, chance = torch.optim.Adam([angles]), np.random.default_rng(0)
    for step in range(steps):
        turn = torch.matrix_exp(angles - angles.T)
        made = {name: further(name, turn) for name in started}
        student = {name: rounded(matrix) if name in linears else matrix for name, matrix in made.items()}
        picked = [np.array(bench.calibration[int(chance.integers(len(bench.calibration)))]) for _ in range(4)]
        rounding = Differentiable(bench.graph, student.__getitem__, shown, theta)
        loss = sum(divergence(teacher, rounding, window) for window in picked)
        loss.backward()
        optimiser.param_groups[0]["lr"] = 0.01 * min(1.0, (step + 1) / 10) * (1 - step / steps)
        optimiser.step()
        optimiser.zero_grad()
        if step % 20 == 0:
            print(f"    step {step}: {float(loss.detach()) / sum(map(len, picked)):.4f}", flush=True)
    with torch.no_grad():
        turn = torch.matrix_exp(angles - angles.T)
        return {name: further(name, turn).numpy() for name in started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, metavar="DATA")
    parser.add_argument("--crawl", type=Path, metavar="FOLDER")
    parser.add_argument("--only", metavar="MODEL")
    parser.add_argument("--windows", type=int, default=40, help="of each text, at most")
    parser.add_argument("--calibration-windows", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--learn", type=int, default=0, metavar="N", help="steps; they need torch")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for subject in subjects(options.shared, options.crawl):
        if options.only in (None, subject.name):
            bench = Bench.of(subject, options.windows, options.calibration_windows)
            found = figures[subject.name] = {}

            def told(variant: str, of: dict[str, float], name: str = subject.name, found: dict = found) -> None:
                found[variant] = of
                print(name, f"{variant:20}", " ".join(f"{key} {value:.4f}" for key, value in of.items()), flush=True)

            variants(bench, options.learn, options.seeds, told)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
