"""What quantisation costs: perplexities of float models, of ours after each pass, and of llama.cpp's Q4_0 and Q4_K_M.

    python tests/benchmarks/quantisation.py --shared DATA [--crawl FOLDER] --json figures.json

Models are stories260K (Hugging Face folder) over the sample of TinyStories, and crawl, which `modelfiles/crawl` trains,
over the held-out documents of C4 and the test text of WikiText-2; DATA is a folder with all these texts. Each is
calibrated on text of its own domain that is not evaluated: TinyStories further on, C4 documents it was trained on.

Texts are cut into windows of 512 tokens, each behind a BOS token where the model wants one; every token after the first
of a window is predicted. `recovered` is the share of what round to nearest loses that QuaRot and GPTQ together win
back, of perplexity and of the divergence from the float model, which needs less text to be certain; what
`finetuned` wins back, both with `--finetune` steps behind them, stands under `finetuned_recovered`.

llama.cpp quantises the same float weights; its integers are then run in float, so that its rounding of activations,
which costs it a little more, is left out. Columns ending in `_w4` are ours the same way.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from tokenizers import Tokenizer
from versus.llamacpp import programs, quantise

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.calibration import windows_of
from hollama.compiler.checkpoint import Checkpoint
from hollama.compiler.float_weights import read_weights
from hollama.compiler.gguf import GgufTensors
from hollama.compiler.pipeline import open_checkpoint
from hollama.formats.gguf import GgufFile
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph
from hollama.ir.interpreter import Segment, run
from hollama.ir.quantised import QuantisedArithmetic
from hollama.kernels.golden import integer_weights

WINDOW = 512
PASSES = {
    "rtn": {"rotates": False, "gptq": False},
    "quarot": {"rotates": True, "gptq": False},
    "gptq": {"rotates": False, "gptq": True},
    "both": {"rotates": True, "gptq": True},
    "finetuned": {"rotates": True, "gptq": True},  # and `finetuning` steps
}
KINDS = ("Q4_0", "Q4_K_M")  # of llama.cpp


@dataclass(frozen=True)
class Subject:
    """A checkpoint, the texts it is measured on, and the text it is calibrated with."""

    name: str
    checkpoint: Path
    texts: Mapping[str, str]
    calibration: str


def subjects(shared: Path, crawl: Path | None) -> list[Subject]:
    stories = (shared / "eval/tinystories/tinystories_sample.txt").read_text("utf-8")
    folder = shared / "derived/stories260k/stories260K-hf-llama"
    found = [Subject("stories260K", folder, {"tinystories": stories[:400_000]}, stories[500_000:])]
    if crawl:
        lines = (shared / "derived/eval/c4_validation_2k.jsonl").read_text("utf-8").splitlines()
        documents = [json.loads(line)["text"] for line in lines]
        wiki = (shared / "derived/eval/wiki.test.raw").read_text("utf-8")
        texts = {"c4": "\n\n".join(documents[1800:]), "wikitext2": wiki}
        found.append(Subject("crawl", crawl, texts, "\n\n".join(documents[:1800])))
    return found


def windows(checkpoint: Checkpoint, text: str, most: int) -> list[list[int]]:
    special = checkpoint.special
    begin = [special.bos_id] if special.add_bos and special.bos_id is not None else []
    tokens = Tokenizer.from_str(checkpoint.tokenizer.decode()).encode(text, add_special_tokens=False).ids
    length = min(WINDOW, checkpoint.shape.context)
    return [window for window in windows_of(tokens, length, most, begin) if len(window) == length]


def compiled(subject: Subject, settings: CompileSettings, folder: Path) -> QuantisedArithmetic:
    package = folder / "model.hef"
    compile_checkpoint(subject.checkpoint, package, replace(settings, calibration=subject.calibration), lambda *_: None)
    with Hef.open(package) as hef:
        return QuantisedArithmetic(*read_model(hef), context=WINDOW)


def weights_only(model: QuantisedArithmetic, weights: Mapping[str, np.ndarray]) -> FloatArithmetic:
    """The package's weights as floats, with nothing else quantised."""
    found = {**weights, **model.weights.norms}
    for name, layer in model.weights.linears.items():
        found[name] = integer_weights(layer) * layer.row_scale[: layer.outputs, None]
        if layer.bias is not None:
            found[f"{name}.bias"] = layer.bias[: layer.outputs]
    embed = model.graph.nodes[0]
    of = model.weights.ranges[embed.name]
    found[embed.weight] = (model.weights.table.astype(np.float32) - of.zero_point) * np.float32(of.scale)
    return FloatArithmetic(model.graph, found, model.weights.theta)


def llamacpp(checkpoint: Checkpoint, graph: Graph, bin_folder: Path, folder: Path, kind: str) -> FloatArithmetic:
    """The float weights through llama-quantize and back."""
    original, quantised = folder / "float.gguf", folder / f"{kind}.gguf"
    write_gguf(checkpoint, original)
    quantise(bin_folder, original, quantised, kind=kind)
    shape = checkpoint.shape
    plain = replace(checkpoint.architecture, interleaved=False)
    tensors = GgufTensors(GgufFile.open(quantised), plain, shape.heads, shape.kv_heads)
    _, sources = checkpoint.architecture.build(shape)
    weights = read_weights(graph, sources, replace(checkpoint, tensors=tensors))
    return FloatArithmetic(graph, weights, shape.signed_theta)


def write_gguf(checkpoint: Checkpoint, path: Path) -> None:
    """As much of a model's file as llama-quantize wants to see; rows of queries and keys stay in our order."""
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    architecture = checkpoint.architecture
    writer = GGUFWriter(path, architecture.name)
    for key, value in checkpoint.metadata.items():
        if key.startswith(f"{architecture.name}.") and isinstance(value, int | float):
            (writer.add_uint32 if isinstance(value, int) else writer.add_float32)(key, value)
    names = dict.fromkeys(part for node in graph.nodes if node.weight for part in sources[node.weight].parts)
    for name in (f"{part}.{kind}" for part in names for kind in ("weight", "bias")):
        if checkpoint.tensors.shape(name) is not None:
            values = checkpoint.tensors.float32(name)
            writer.add_tensor(architecture.names(name), values, raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


Models = Mapping[str, FloatArithmetic | QuantisedArithmetic]


def measure(subject: Subject, settings: CompileSettings, most: int, bin_folder: Path) -> dict[str, dict[str, float]]:
    """Of each text, the perplexity of each variant and its divergence from the float model."""
    checkpoint = open_checkpoint(subject.checkpoint)
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    weights = read_weights(graph, sources, checkpoint)
    models: dict[str, FloatArithmetic | QuantisedArithmetic] = {}
    models["float"] = FloatArithmetic(graph, weights, checkpoint.shape.signed_theta)
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            models[f"llamacpp_{kind.lower()}"] = llamacpp(checkpoint, graph, bin_folder, Path(folder), kind)
        for variant, passes in PASSES.items():
            steps = settings.finetuning if variant == "finetuned" else 0
            models[variant] = compiled(subject, replace(settings, **passes, finetuning=steps), Path(folder))
            models[f"{variant}_w4"] = weights_only(models[variant], weights)
            print(f"{subject.name}: compiled {variant}", flush=True)
    figures = {name: compared(models, windows(checkpoint, text, most)) for name, text in subject.texts.items()}
    for found in figures.values():
        for variant, name in (("both", ""), ("finetuned", "finetuned_")):
            found[f"{name}ratio"] = found[variant] / found["float"]
            found[f"{name}recovered"] = (found["rtn"] - found[variant]) / (found["rtn"] - found["float"])
            found[f"{name}recovered_kl"] = 1 - found[f"{variant}_kl"] / found["rtn_kl"]
    return figures


def compared(models: Models, texts: Sequence[Sequence[int]]) -> dict[str, float]:
    """Perplexities, and under `..._kl` the mean divergence of each from the float model, in nats a token."""
    surprise, divergence = dict.fromkeys(models, 0.0), dict.fromkeys(models, 0.0)
    for window in texts:
        real = log_probabilities(models["float"], window)
        for name, model in models.items():
            found = real if name == "float" else log_probabilities(model, window)
            surprise[name] -= float(found[np.arange(len(found)), window[1:]].sum())
            divergence[name] += float((np.exp(real) * (real - found)).sum())
    count = sum(len(window) - 1 for window in texts)
    figures = {name: float(np.exp(total / count)) for name, total in surprise.items()}
    figures |= {f"{name}_kl": total / count for name, total in divergence.items() if name != "float"}
    return {**figures, "tokens": count}


def log_probabilities(model: FloatArithmetic | QuantisedArithmetic, window: Sequence[int]) -> np.ndarray:
    """Of every token but the first, (tokens, vocabulary)."""
    rows = range(len(window) - 1)
    logits = run(model.graph, model, [Segment(model.cache(len(window)), 0, window[:-1], rows)]).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, metavar="DATA")
    parser.add_argument("--crawl", type=Path, metavar="FOLDER")
    parser.add_argument("--only", metavar="MODEL")
    parser.add_argument("--windows", type=int, default=200, help="of each text, at most")
    parser.add_argument("--calibration-windows", type=int, default=128)
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--finetune", type=int, default=400, metavar="N", help="steps; they need torch")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "hollama-benchmarks")
    parser.add_argument("--llamacpp", type=Path, help="the folder of its programs; built in the cache without it")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    settings = CompileSettings(
        group_size=options.group_size,
        windows=options.calibration_windows,
        window=WINDOW,
        finetuning=options.finetune,
    )
    bin_folder = options.llamacpp or programs(options.cache)
    figures = {
        subject.name: measure(subject, settings, options.windows, bin_folder)
        for subject in subjects(options.shared, options.crawl)
        if options.only in (None, subject.name)
    }
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
