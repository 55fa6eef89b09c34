"""The same figures as lm-evaluation-harness gives on the same model and items: its own tasks, on local files."""

from __future__ import annotations

import bz2
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from hollama.compiler.tokenizers import from_folder
from hollama.evaluate.data import FileSource
from hollama.evaluate.evaluation import Plan, evaluate
from hollama.evaluate.metrics import Metric
from hollama.evaluate.subject import Subject
from hollama.evaluate.tasks import gsm8k
from hollama.evaluate.tasks.wikitext_pages import pages
from hollama.plugins import load_plugins

CONTEXT = 512
JUDGED = gsm8k.judged
WIKI = {n: f"{n},none" for n in ("word_perplexity", "byte_perplexity", "bits_per_byte")}
FILTERS = {"strict-match": "strict", "flexible-extract": "flexible"}
MMLU = [
    {"subject": "anatomy", "question": f"Who swims {n}?", "choices": ["cat", "fish", "the sun", "oak"], "answer": n % 4}
    for n in range(12)
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    for name in ("lm_eval", "torch", "transformers"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"needs {name}: pip install 'lm-eval[hf]'")


@pytest.fixture(scope="module")
def model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained checkpoint, with its tokenizer in the form that both libraries read alike."""
    source, folder = (
        shared / "data" / "derived" / "stories260k" / "stories260K-hf-llama",
        tmp_path_factory.mktemp("model"),
    )
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / "tokenizer.json").write_bytes(from_folder(source))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def data(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files with the hub's fields, which both read."""
    source, folder = shared / "data", tmp_path_factory.mktemp("harness")
    lambada = (source / "eval" / "lambada" / "lambada_test.jsonl").read_text().splitlines()[:40]
    wiki = (source / "derived" / "eval" / "wiki.test.raw").read_text()
    gsm = [json.loads(line) for line in (source / "eval" / "gsm8k" / "test.jsonl").read_text().splitlines()[:20]]
    short = [{"question": row["question"][:60], "answer": row["answer"][-40:]} for row in gsm]
    found = {
        "hellaswag": _hellaswag(source / "eval" / "hellaswag" / "hellaswag_val_full.txt.bz2", 40),
        "lambada_openai": [json.loads(line) for line in lambada],
        "wikitext": [{"page": page[:3000]} for page in list(pages(wiki))[:3]],
        "mmlu_anatomy": MMLU[5:],
        "gsm8k": short[10:14],
    }
    paths = {}
    for name, rows in found.items():
        paths[name] = folder / name / "test.jsonl"
        _write(paths[name], rows)
    _write(folder / "mmlu_anatomy" / "dev.jsonl", MMLU[:5])
    _write(folder / "gsm8k" / "train.jsonl", short[:10])
    return paths


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _hellaswag(path: Path, count: int) -> list[dict[str, Any]]:
    with bz2.open(path, "rt") as stream:
        lines = [next(stream).rstrip("\n") for _ in range(6 * count)]
    rows = []
    for start in range(0, len(lines), 6):
        topic, _, text = lines[start].partition(": ")
        parts = {"activity_label": topic, "ctx_a": text, "ctx_b": ""}
        rows.append({**parts, "label": lines[start + 1], "endings": lines[start + 2 : start + 6]})
    return rows


def theirs(name: str, model: Path, path: Path, shots: int, room: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Figures and samples of lm-evaluation-harness on transformers in float32: its own task, but for the data."""
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM

    files = {split.stem: str(split) for split in path.parent.glob("*.jsonl")}
    place = {"data_files": {**files, "train": files.get("train", files["test"]), "validation": files["test"]}}
    task = Path(lm_eval.__file__).parent / "tasks" / f"{name}.yaml"
    changed = {"include": str(task), "task": "changed", "dataset_path": "json", "dataset_name": None}
    config = path.parent / "changed.yaml"
    config.write_text(json.dumps({**changed, "dataset_kwargs": place, "num_fewshot": shots}))
    network = HFLM(pretrained=str(model), dtype=torch.float32, device="cpu", max_length=room, batch_size=8)
    found = lm_eval.simple_evaluate(model=network, tasks=[str(config)], bootstrap_iters=10)
    return next(iter(found["results"].values())), next(iter(found["samples"].values()))


def ours(name: str, model: Path, path: Path) -> dict[str, Metric]:
    plan = Plan((Subject(model, "", CONTEXT),), {name: FileSource(path)})
    (outcome,) = evaluate(plan, load_plugins(), lambda *step: None)
    return {metric.name: metric for metric in outcome.metrics["float"]}


@pytest.mark.parametrize(
    ("name", "task", "shots", "names"),
    [
        ("hellaswag/hellaswag", "hellaswag", 0, {"acc": "acc,none", "acc_norm": "acc_norm,none"}),
        ("lambada/lambada_openai", "lambada", 0, {"acc": "acc,none", "perplexity": "perplexity,none"}),
        ("wikitext/wikitext", "wikitext-pages", 0, WIKI),
        ("mmlu/default/mmlu_anatomy", "mmlu", 5, {"acc": "acc,none"}),
    ],
)  # fmt: skip
def test_figures_are_the_harnesss(name, task, shots, names, model, data):
    test = data[name.split("/")[-1]]
    # where theirs predicts the last token of a window, ours holds it: one token less to read for them
    expected, _ = theirs(name, model, test, shots, CONTEXT - 1)
    found = ours(task, model, test.parent if shots else test)
    print({n: (metric.value, expected[names[n]]) for n, metric in found.items()})
    values = {n: metric.value for n, metric in found.items()}
    assert values == pytest.approx({n: expected[key] for n, key in names.items()}, rel=1e-5)
    for n, metric in found.items():
        if metric.share:  # of perplexities theirs are drawn at random, or there are none
            assert metric.error == pytest.approx(expected[names[n].replace(",", "_stderr,")], rel=1e-6)


def test_the_same_answers_are_written(model, data, monkeypatch):
    """The model is no mathematician: its texts are compared, not its sums."""
    said: set[str] = set()

    def judged(text: str, answer: str) -> dict[str, float]:
        said.add(text)
        return {"strict": 0.0, "flexible": 0.0}

    monkeypatch.setattr(gsm8k, "judged", judged)
    _, samples = theirs("gsm8k/gsm8k", model, data["gsm8k"], 5, CONTEXT)
    ours("gsm8k", model, data["gsm8k"].parent)
    # the harness's decoder drops the space that a first token begins with
    assert {sample["resps"][0][0].lstrip() for sample in samples} == {text.lstrip() for text in said}
    for sample in samples:
        assert sample["exact_match"] == JUDGED(sample["resps"][0][0], sample["target"])[FILTERS[sample["filter"]]]
