"""The compiler, step by step: read -> rotate -> calibrate and quantise -> write. Knows the order, no details."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.adapters import AdapterFile
from hollama.compiler.arithmetic import Held
from hollama.compiler.calibration import DEFAULT_TEXT, beginning, require_tokens, texts_of, windows_of
from hollama.compiler.checkpoint import Checkpoint
from hollama.compiler.float_weights import FloatWeights, rows_of
from hollama.compiler.gguf import open_gguf
from hollama.compiler.gptq import GptqSettings
from hollama.compiler.huggingface import open_huggingface
from hollama.compiler.imagined import enough, imagine
from hollama.compiler.parsed import open_parsed
from hollama.compiler.quantise import Quantiser, Recipe
from hollama.compiler.ranges import METHODS
from hollama.compiler.rotation import rotate, smoothing_scales
from hollama.compiler.tokenizers import begins_with, open_tokenizer
from hollama.errors import CompileError, FormatError
from hollama.formats.files import Content
from hollama.formats.gguf import NotAGguf
from hollama.formats.har import is_har
from hollama.formats.hef import CONFIG, TOKENIZER, NetworkGroup, write_hef
from hollama.formats.hef_container import is_hef
from hollama.formats.package import FORMAT
from hollama.formats.package_weights import Origin, model_resources, network_groups
from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph
from hollama.ir.quantised import QuantisedWeights
from hollama.models.decoder import Fused
from hollama.types import OnProgress

F32 = NDArray[np.float32]
_FINETUNED, _STEP = 512, 2048  # tokens of a window and of a step of finetuning
_CHECKPOINTS = "a GGUF file, the folder of a Hugging Face checkpoint, or a HAR"


@dataclass(frozen=True)
class CompileSettings:
    """What a user may choose. Sizes are tokens, but `group_size`, which is weights: 32, 64n or 0 (channel-wise)."""

    context: int = 2048
    prefill_chunk: int = 96
    group_size: int = 64
    calibration: str = ""  # text; empty for the built-in one. With little text GPTQ lets the model write more
    windows: int = 128  # of calibration, at most
    window: int = 2048
    adapters: tuple[AdapterFile, ...] = ()
    rotates: bool = True  # QuaRot
    gptq: bool = True  # round to nearest without it
    ranges: str = "mse"  # of inputs: a method of `ranges.py`
    cache_ranges: str = "max"  # of keys and values
    seed: int = 0  # of the rotation
    finetuning: int = 0  # steps of QFT, which needs torch


def compile_checkpoint(source: Path, target: Path, settings: CompileSettings, progress: OnProgress) -> None:
    """Compile a GGUF file, a Hugging Face folder or a parsed HAR into a HEF package, written atomically.

    Raises CompileError for a checkpoint that cannot be compiled, FormatError for files that lie.
    """
    progress("reading checkpoint", 0, 0)
    with naming(source):
        model = optimise(open_checkpoint(source), settings, progress)
    progress("writing package", 0, 0)
    write_hef(target, network_groups=model.groups, resources=model.resources)


@contextmanager
def naming(source: Path) -> Iterator[None]:
    """What is wrong, with the file that it is wrong with."""
    try:
        yield
    except (CompileError, FormatError) as error:
        if str(error).startswith(str(source)):
            raise
        raise type(error)(f"{source}: {error}") from error


@dataclass(frozen=True)
class Optimised:
    """A quantised model as it goes into a package, what calibration saw, and of which text."""

    groups: tuple[NetworkGroup, ...]
    resources: Mapping[str, Content]
    statistics: Mapping[str, Any]
    calibration: str


def optimise(checkpoint: Checkpoint, settings: CompileSettings, progress: OnProgress) -> Optimised:
    """Quantise a checkpoint. Raises CompileError, which names the tensor."""
    context = min(settings.context, checkpoint.shape.context)
    if context < 2:
        raise CompileError(f"a context of {context} tokens; expected 2 or more, one to read and one to write")
    graph, sources = checkpoint.architecture.build(checkpoint.shape)
    if settings.finetuning and not graph.generates:
        raise CompileError("finetuning is for models that generate; this one encodes, and has 8-bit weights")
    teach = _finetuner() if settings.finetuning else None
    origin = origin_of(checkpoint, graph, sources)
    weights: Mapping[str, F32] = FloatWeights(graph, sources, checkpoint)
    count = check_weights(weights, progress)
    windows, text = calibration_windows(checkpoint, graph, settings)
    if settings.gptq and graph.generates and not (settings.calibration and enough(graph, windows)):
        begun, _ = calibration_windows(checkpoint, graph, replace(settings, calibration=""))
        windows += _imagined(checkpoint, graph, weights, begun, settings.seed, progress)
    if settings.rotates and graph.generates:
        scales = smoothing_scales(graph, weights, checkpoint.shape.signed_theta, windows, progress)
        weights, origin = _rotated(graph, weights, scales, origin, settings.seed)
    quantiser = Quantiser(graph, weights, checkpoint.shape.signed_theta, recipe_of(graph, settings), windows)
    quantised = quantiser.run(progress)
    if teach:
        texts, more = _texts(checkpoint, graph, settings) if settings.calibration else (windows, text)
        text = max(text, more, key=len)
        quantised = teach(graph, weights, quantised, texts, settings.finetuning, settings.seed, progress)
    chunk = min(settings.prefill_chunk, context) if graph.generates else context
    resources: dict[str, Content] = {
        TOKENIZER: checkpoint.tokenizer,
        CONFIG: _config(checkpoint, count - (_tied(graph) if checkpoint.shape.tied else 0), context, chunk),
    }
    groups = network_groups(graph, quantised.ranges, context, chunk)
    resources |= model_resources(graph, quantised, origin)
    return Optimised(groups, resources, statistics_of(quantiser), text)


def _imagined(
    checkpoint: Checkpoint, graph: Graph, weights: Mapping[str, F32], windows: Sequence[Sequence[int]], seed: int,
    progress: OnProgress,
) -> list[list[int]]:  # fmt: skip
    """The whole float model is held meanwhile, and no longer."""
    arithmetic = FloatArithmetic(graph, Held(weights), checkpoint.shape.signed_theta)
    return imagine(graph, arithmetic, windows, seed, progress)


def _rotated(
    graph: Graph, weights: Mapping[str, F32], scales: Mapping[str, F32], origin: Origin, seed: int
) -> tuple[Mapping[str, F32], Origin]:
    turned = rotate(graph, weights, seed, scales)
    gains = {name: weights[name] for name in sorted(turned.folded)}
    return turned, replace(origin, rotation=seed, gains={**gains, **scales})


def _texts(checkpoint: Checkpoint, graph: Graph, settings: CompileSettings) -> tuple[list[list[int]], str]:
    """For finetuning: shorter windows than those that calibrate, and as much of the text as it can make use of."""
    most = settings.finetuning * _STEP // _FINETUNED
    return calibration_windows(checkpoint, graph, replace(settings, window=_FINETUNED, windows=most))


def _finetuner() -> Callable[..., QuantisedWeights]:
    """Before the long work that comes first. Raises CompileError."""
    try:
        from hollama.compiler.finetune import finetune
    except ImportError as error:
        raise CompileError(f"finetuning needs torch ({error}): pip install 'hollama[finetune]'") from None
    return finetune


def origin_of(checkpoint: Checkpoint, graph: Graph, sources: Mapping[str, Fused]) -> Origin:
    """The layers as they come from the checkpoint, in its own bases."""
    found = {}
    for node in graph.linears():
        parts = sources[node.weight].parts
        found[node.weight] = list(zip(parts, rows_of(checkpoint, node.width, parts), strict=True))
    return Origin(found)


def open_checkpoint(source: Path) -> Checkpoint:
    """A folder is Hugging Face's, a file is GGUF or a parsed HAR. Raises CompileError, FormatError."""
    if source.is_dir():
        return open_huggingface(source)
    if is_har(source):
        return open_parsed(source)
    if is_hef(source):
        raise CompileError(f"{source} is a compiled package already; expected {_CHECKPOINTS}")
    if not source.is_file():
        raise CompileError(f"{source}: no such file or folder; expected {_CHECKPOINTS}")
    try:
        return open_gguf(source)
    except NotAGguf as error:
        raise CompileError(f"{source} is no checkpoint; expected {_CHECKPOINTS} ({error})") from None


def calibration_windows(checkpoint: Checkpoint, graph: Graph, settings: CompileSettings) -> tuple[list[list[int]], str]:
    """Runs of token ids, and as much of the text as they were made of.

    Raises CompileError for a text that is too short, or a tokenizer of another model.
    """
    tokenizer = open_tokenizer(checkpoint.tokenizer)
    most = settings.windows * settings.window
    text, tokens = beginning(tokenizer, settings.calibration or DEFAULT_TEXT, most)
    length = min(settings.window, checkpoint.shape.context)
    if graph.generates:
        require_tokens(len(tokens))
        windows = list(windows_of(tokens, length, settings.windows, begins_with(tokenizer)))
    else:
        windows = list(texts_of(tokenizer, text, tokens, length))
    if not windows or max(map(max, windows)) >= checkpoint.shape.vocab:
        raise CompileError("the tokenizer does not fit the model: its token ids exceed the embedding table")
    return windows, text


def recipe_of(graph: Graph, settings: CompileSettings) -> Recipe:
    """How to quantise a graph; the ranges of encoders cover everything. Raises CompileError for an unknown method."""
    for method in (settings.ranges, settings.cache_ranges):
        if method not in METHODS:
            raise CompileError(f'there is no way "{method}" to choose ranges; there are {", ".join(METHODS)}')
    if not graph.generates:
        return Recipe(ranges="max")
    gptq = GptqSettings() if settings.gptq else None
    return Recipe(settings.group_size, gptq, settings.ranges, settings.cache_ranges)


def statistics_of(quantiser: Quantiser) -> dict[str, Any]:
    """Of each quantised value, what calibration chose to cover, and the share of what it saw that lies outside."""
    return {
        name: {
            "bits": of.bits, "low": of.low, "high": of.high, "clipped": quantiser.saturation[name],
        }
        for name, of in quantiser.ranges.items()
    }  # fmt: skip


def check_weights(weights: Mapping[str, F32], progress: OnProgress) -> int:
    """How many parameters there are. Raises CompileError where one is not finite, before the long work."""
    count = 0
    for done, name in enumerate(weights):
        progress("checking weights", done, len(weights))
        count += weights[name].size
    progress("checking weights", len(weights), len(weights))
    return count


def _tied(graph: Graph) -> int:
    """Parameters of the head that are those of the embedding too."""
    return graph.output.width * graph.by_name[graph.output.inputs[0]].width


def _config(checkpoint: Checkpoint, count: int, context: int, chunk: int) -> bytes:
    """`hailo-config.json`: Hailo's keys, and ours under "hollama" (see `hollama.formats.package`)."""
    shape, special = checkpoint.shape, checkpoint.special
    options = dict(checkpoint.options)
    config: dict[str, Any] = {
        "eos_token_id": special.stop_ids[0] if special.stop_ids else 0,
        "stop_token_id": list(special.stop_ids),
        "chat_template": checkpoint.chat_template,
        "default_generation_params": {
            "temperature": options.get("temperature", 0.8) or 0.8,
            "top_p": options.get("top_p", 0.9),
            "top_k": options.get("top_k", 40),
            "repetition_penalty": options.get("repeat_penalty", 1.0),
            "do_sample": options.get("temperature") != 0,
        },
        "pre_process_params": {
            "kv_cache_size": context,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "prefill_input_tokens_count": chunk,
        },
        "hollama": {
            "format": FORMAT,
            "architecture": checkpoint.architecture.name,
            "quantization": "W8A8" if checkpoint.architecture.encodes else "W4A8KV8",
            "parameter_count": count,
            "vocab_size": shape.vocab,
            "tokenizer": "huggingface",
            "bos_token_id": special.bos_id,
            "bos_token": special.bos,
            "eos_token": special.eos,
            "add_bos": special.add_bos,
            "options": options,
            "metadata": {**checkpoint.metadata, "general.parameter_count": count},
        },
    }
    return json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()
