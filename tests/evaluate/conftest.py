"""A small random checkpoint, its package, and what both say of tokens according to NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.compiler.float_weights import read_weights
from hollama.compiler.pipeline import open_checkpoint
from hollama.evaluate.data import FileSource
from hollama.evaluate.evaluation import Plan, evaluate
from hollama.evaluate.subject import Subject
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.ir.floating import FloatArithmetic
from hollama.ir.graph import Graph
from hollama.ir.interpreter import Arithmetic, Segment, run
from hollama.ir.quantised import QuantisedArithmetic
from hollama.plugins import load_plugins
from tests.checkpoints import random_checkpoint

CONTEXT = 64
END = 258  # the checkpoint's end token, which stands before a text that nothing stands before


@dataclass(frozen=True)
class Oracle:
    """A subject, and its answers computed one text at a time, from an empty context, in one piece."""

    subject: Subject
    graph: Graph
    arithmetic: Arithmetic
    tokenizer: Tokenizer
    tolerance: float  # of sums of log-probabilities, relative

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def logits(self, tokens: Sequence[int]) -> np.ndarray:
        segment = Segment(self.arithmetic.cache(len(tokens)), 0, tokens, range(len(tokens)))
        return run(self.graph, self.arithmetic, [segment]).astype(np.float64)

    def logprob(self, context: Sequence[int], continuation: Sequence[int]) -> float:
        tokens = [*context, *continuation]
        rows = self.logits(tokens[:-1])[len(context) - 1 :]
        top = rows.max(axis=1, keepdims=True)
        logs = rows - top - np.log(np.exp(rows - top).sum(axis=1, keepdims=True))
        return float(sum(row[token] for row, token in zip(logs, continuation, strict=True)))

    def said(self, context: str, continuation: str) -> float:
        return self.logprob(self.ids(context), self.ids(continuation))

    def greedy(self, tokens: Sequence[int], count: int) -> list[int]:
        said: list[int] = []
        while len(said) < count and END not in said:
            said.append(int(self.logits([*tokens, *said])[-1].argmax()))
        return said

    def figures(self, task: str, path: Path, **settings: Any) -> dict[str, float]:
        """What hollama makes of a file."""
        plan = Plan((self.subject,), {task: FileSource(path)}, **settings)
        (outcome,) = evaluate(plan, load_plugins(), lambda *step: None)
        return {metric.name: metric.value for metric in outcome.metrics[self.subject.kind]}

    def near(self, values: Mapping[str, float]) -> Any:
        return pytest.approx(values, rel=self.tolerance)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_checkpoint(tmp_path_factory.mktemp("evaluate") / "checkpoint")


@pytest.fixture(scope="session")
def package(checkpoint: Path) -> Path:
    target = checkpoint.parent / "tiny.hef"
    compile_checkpoint(checkpoint, target, CompileSettings(context=CONTEXT, group_size=32), lambda *step: None)
    return target


@pytest.fixture(scope="session")
def floating(checkpoint: Path) -> Oracle:
    opened = open_checkpoint(checkpoint)
    graph, sources = opened.architecture.build(opened.shape)
    arithmetic = FloatArithmetic(graph, read_weights(graph, sources, opened), opened.shape.signed_theta)
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    return Oracle(Subject(checkpoint, "", CONTEXT), graph, arithmetic, tokenizer, 1e-5)


@pytest.fixture(scope="session")
def quantised(package: Path, floating: Oracle) -> Oracle:
    with Hef.open(package) as hef:
        graph, weights = read_model(hef)
        arithmetic = QuantisedArithmetic(graph, weights, CONTEXT)
        yield Oracle(Subject(package, "emulator", CONTEXT), graph, arithmetic, floating.tokenizer, 1e-6)


@pytest.fixture(params=["floating", "quantised"])
def oracle(request: pytest.FixtureRequest) -> Oracle:
    return request.getfixturevalue(request.param)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file below a folder of its own."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write
