"""What `hollama eval` prints and refuses."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hollama.cli.commands.eval import mean_power
from hollama.cli.main import main
from hollama.errors import EvaluationError
from hollama.evaluate.data import FileSource
from hollama.evaluate.evaluation import Outcome, Plan, evaluate
from hollama.evaluate.metrics import Metric, change, share, unit_perplexity
from hollama.evaluate.report import Device, Report, as_json, device_rows, markdown, quality
from hollama.evaluate.subject import Subject
from hollama.evaluate.tasks import TASKS
from hollama.formats.safetensors import SafetensorsFile, open_folder, write_safetensors
from hollama.plugins import load_plugins
from hollama.store.manifest import HEF, PARAMS, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store
from tests.checkpoints import random_checkpoint
from tests.loras import random_lora

TEXT = "A cat sat by the sea and counted the boats until it was dark. " * 4


def refused(capsys, *words: str) -> str:
    assert main(["eval", *words]) == 1
    return capsys.readouterr().err


def test_the_help_names_every_task(capsys):
    assert main(["eval", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(re.search(rf"^  {name} +{re.escape(task.summary)}$", said, re.M) for name, task in TASKS.items())
    assert "examples:" in said


def test_float_beside_quantised_with_speed_and_memory(floating, quantised, write, tmp_path, capsys):
    package, checkpoint, text = quantised.subject.path, floating.subject.path, write("a.txt", TEXT)
    words = [str(package), "--float", str(checkpoint), "--tasks", f"text={text}", "--limit", "2"]
    assert main(["eval", *words, "--json", str(tmp_path / "figures.json")]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^TASK +ITEMS +METRIC +FLOAT +QUANTISED +CHANGE$", said, re.M)
    figures = r"perplexity( +\d+\.\d{3} ± \S+){2} +x \d\.\d{3} ± \d\.\d{3}"
    assert re.search(rf"^text \(windows of 64, the first 2\) +2 +{figures}$", said, re.M)
    found = json.loads((tmp_path / "figures.json").read_text())
    (metric,) = found["tasks"][0]["metrics"]
    for kind, alone in {"float": floating, "quantised": quantised}.items():
        assert alone.figures("text", text, limit=2) == alone.near({"perplexity": metric[kind]["value"]})
    assert metric["quantised"]["value"] != metric["float"]["value"]
    device = found["device"]
    assert device["ttft"] > 0 < device["decode_tps"]
    assert device["kv_cache_bytes"] == 64 * 2 * 2 * 2 * 16  # tokens; keys and values, layers, heads, their size
    assert device["package_bytes"] == package.stat().st_size


def test_a_checkpoint_alone_runs_in_float_and_markdown_is_markdown(checkpoint, write, capsys):
    words = [
        str(checkpoint),
        "--tasks",
        f"text={write('a.txt', TEXT)}",
        "--context",
        "32",
        "--limit",
        "1",
        "--markdown",
    ]
    assert main(["eval", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "checkpoint in float32, context 32"
    assert lines[2:4] == ["| TASK | ITEMS | METRIC | FLOAT |", "| --- | ---: | ---: | ---: |"]
    assert lines[4].startswith("| text (windows of 32, the first 1) | 1 | perplexity |")


def test_an_installed_model_and_a_gguf_file(shared, write, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOLLAMA_MODELS", str(tmp_path / "models"))
    task = f"text={write('a.txt', TEXT * 9)}"
    assert main(["eval", "hollie", "--tasks", task, "--context", "64", "--limit", "1", "--no-speed"]) == 0
    assert re.search(r"^text \(windows of 64, the first 1\) +1 +perplexity +\d+\.\d{3}$", capsys.readouterr().out, re.M)
    gguf = shared / "data" / "derived" / "stories260k" / "stories260K.f32.gguf"
    assert main(["eval", str(gguf), "--tasks", task, "--context", "64", "--limit", "1"]) == 0
    assert "stories260K.f32.gguf in float32, context 64" in capsys.readouterr().out


def test_an_adapter_answers(package, checkpoint, write, capsys, monkeypatch, tmp_path):
    random_lora(tmp_path / "lora", checkpoint, ("q_proj", "down_proj"))
    adapted, task = str(tmp_path / "adapted.hef"), f"text={write('a.txt', TEXT)}"
    assert main(["compile", str(package), adapted, "--adapter", f"poet={tmp_path / 'lora'}"]) == 0

    def figure(model: str, *words: str) -> float:
        capsys.readouterr()
        assert main(["eval", model, "--tasks", task, "--no-speed", "--json", "-", *words]) == 0
        return json.loads(capsys.readouterr().out)["tasks"][0]["metrics"][0]["quantised"]["value"]

    assert figure(adapted) == figure(str(package)) != figure(adapted, "--adapter", "poet")
    monkeypatch.setenv("HOLLAMA_MODELS", str(tmp_path / "models"))
    store = Store(tmp_path / "models")
    layers = [store.add_blob(Path(adapted), HEF), store.add_blob(b'{"adapter": "poet"}', PARAMS)]
    store.write_manifest(ModelName.parse("bard"), ModelConfig("hef"), layers)
    assert figure("bard") == figure(adapted, "--adapter", "poet")
    assert figure("bard", "--adapter", "") == figure(adapted)
    assert 'has no adapter "bard"; there are: poet' in refused(capsys, adapted, "--tasks", task, "--adapter", "bard")
    assert "with --float-adapter" in refused(capsys, "bard", "--tasks", task, "--float", str(checkpoint))
    beside = ["--float", str(checkpoint), "--float-adapter", str(tmp_path / "lora")]
    assert main(["eval", "bard", "--tasks", task, "--no-speed", *beside]) == 0
    said = capsys.readouterr().out
    assert "bard with adapter poet" in said and "beside checkpoint with adapter lora in float32" in said
    assert "name that with --float" in refused(capsys, "bard", "--tasks", task, *beside[2:])


def test_a_checkpoint_with_an_adapter_is_what_both_are_merged(checkpoint, write, capsys, tmp_path):
    lora, task = random_lora(tmp_path / "lora", checkpoint), f"text={write('a.txt', TEXT)}"
    merged = shutil.copytree(checkpoint, tmp_path / "merged")
    weights, adapter = open_folder(checkpoint), SafetensorsFile.open(lora / "adapter_model.safetensors")
    tensors = {name: weights.float32(name) for name in weights.names}
    for name in tensors:
        halves = [f"base_model.model.{name.removesuffix('.weight')}.lora_{half}.weight" for half in "BA"]
        if halves[0] in adapter.names:
            tensors[name] = tensors[name] + adapter.float32(halves[0]) @ adapter.float32(halves[1])
    write_safetensors(merged / "model.safetensors", tensors)

    def figure(*words: str) -> float:
        capsys.readouterr()
        assert main(["eval", *words, "--tasks", task, "--context", "64", "--no-speed", "--json", "-"]) == 0
        return json.loads(capsys.readouterr().out)["tasks"][0]["metrics"][0]["float"]["value"]

    adapted = figure(str(checkpoint), "--float-adapter", str(lora))
    assert adapted == pytest.approx(figure(str(merged)), rel=1e-4)
    assert abs(adapted / figure(str(checkpoint)) - 1) > 0.01


def test_mistakes_are_explained(package, checkpoint, write, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOLLAMA_MODELS", str(tmp_path / "models"))
    text, model = str(write("a.txt", TEXT)), str(package)
    assert "no --tasks; write such as --tasks text=notes.txt; there are: wikitext, c4, text" in refused(capsys, model)
    assert "cannot be written" in refused(capsys, model, "--tasks", f"text={text}", "--json", str(tmp_path))
    assert 'there is no task "glue"' in refused(capsys, model, "--tasks", "glue=x")
    assert "named twice" in refused(capsys, model, "--tasks", f"text={text},text={text}")
    assert "there is no file 'nowhere'; for a data set" in refused(capsys, model, "--tasks", "text=nowhere")
    assert "text needs a file: --tasks text=FILE" in refused(capsys, model, "--tasks", "text")
    assert "there is no nowhere.hef" in refused(capsys, "nowhere.hef", "--tasks", f"text={text}")
    assert "'nobody:latest' not found" in refused(capsys, "nobody", "--tasks", f"text={text}")
    assert "a checkpoint itself" in refused(capsys, str(checkpoint), "--float", "x", "--tasks", f"text={text}")
    assert "context of 64 tokens, 65 were asked" in refused(capsys, model, "--context", "65", "--tasks", f"text={text}")
    assert "do not fit a context of 64" in refused(capsys, model, "--tasks", f"gsm8k={write('g.jsonl', SUM)}")


def test_what_cannot_be_written_is_told_before_the_work(package, write, capsys, tmp_path):
    text, there = str(write("a.txt", TEXT)), tmp_path / "results"
    words = [str(package), "--tasks", f"text={text}"]
    for option in ("--json", "--results"):
        for target in (str(tmp_path), "/dev/null", f"{tmp_path}/no/where", f"{tmp_path}/a\0b"):
            assert f"{option}: {target} cannot be written" in refused(capsys, *words, option, target)
    for target in (text, str(package), str(there)):
        said = refused(capsys, *words, "--results", str(there), "--json", target)
        assert f"--json: {target} would replace what is read" in said
    assert not there.exists()


def test_figures_take_the_place_of_a_file_when_they_are_whole(package, write, tmp_path):
    target, before = tmp_path / "figures.json", tmp_path / "before.json"
    target.write_text("old")
    before.hardlink_to(target)
    words = [str(package), "--tasks", f"text={write('a.txt', TEXT)}", "--limit", "1", "--no-speed"]
    assert main(["eval", *words, "--json", str(target)]) == 0
    assert json.loads(target.read_text())["tasks"]
    assert before.read_text() == "old"


def test_nothing_to_measure_is_refused(package, checkpoint, write, capsys, tmp_path):
    said = refused(capsys, str(package), "--tasks", f"hellaswag={write('h.jsonl', '[]')}")
    assert "hellaswag: its data holds no items" in said
    short = shutil.copytree(checkpoint, tmp_path / "short")
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 1}))
    said = refused(capsys, str(short), "--tasks", f"text={write('a.txt', TEXT)}")
    assert "context of 1 tokens; 2 are needed" in said


def test_what_lies_beside_a_checkpoint_is_not_read(checkpoint, tmp_path):
    other = shutil.copytree(checkpoint, tmp_path / "other")
    (other / "notes.txt").mkdir()
    assert Subject(other, "", 64).digest() == Subject(checkpoint, "", 64).digest()


def test_figures_beyond_floats_are_valid_json():
    metrics = {"float": [Metric("perplexity", math.inf, None)], "quantised": [Metric("perplexity", 2.0, math.nan)]}
    report = Report({"float": "a", "quantised": "b"}, "emulator", "", None, 64, [Outcome("text", "", 1, metrics)])
    (metric,) = json.loads(json.dumps(as_json(report), allow_nan=False))["tasks"][0]["metrics"]
    assert metric["float"] == {"value": None, "stderr": None}
    assert metric["quantised"] == {"value": 2.0, "stderr": None}


SUM = '{"question": "1 + 1?", "answer": "#### 2"}'


def test_models_with_different_tokens_are_not_compared(package, write, tmp_path):
    other = random_checkpoint(tmp_path / "other")
    settings = json.loads((other / "tokenizer.json").read_text())
    settings["normalizer"] = {"type": "Lowercase"}
    (other / "tokenizer.json").write_text(json.dumps(settings))
    subjects = (Subject(other, "", 64), Subject(package, "emulator", 64))
    plan = Plan(subjects, {"text": FileSource(write("a.txt", TEXT))})
    with pytest.raises(EvaluationError, match="different tokens"):
        evaluate(plan, load_plugins(), lambda *step: None)


def test_subjects_stand_below_their_task():
    half, all_ = {"float": [Metric("acc", 0.5, None, True)]}, {"float": [Metric("acc", 1.0, None, True)]}
    outcome = Outcome("mmlu", "0-shot", 3, half, [Outcome("anatomy", "", 1, all_), Outcome("law", "", 2, half)])
    report = Report({"float": "m"}, "", "", None, 64, [outcome])
    assert len(quality(report)) == 2
    assert quality(report, groups=True)[2:] == [
        ["mmlu: anatomy", "1", "acc", "100.00 %"],
        ["mmlu: law", "2", "acc", "50.00 %"],
    ]
    (task,) = as_json(report)["tasks"]
    assert task["groups"]["law"] == {
        "items": 2,
        "metrics": [{"metric": "acc", "float": {"value": 0.5, "stderr": None}}],
    }


def test_what_changed_is_told_of_the_same_items():
    right = np.random.default_rng(1).integers(0, 2, 400)
    kept = np.where(np.arange(400) < 8, 1 - right, right)  # eight answers turn over
    old, new = (share("acc", [{"acc": float(one)} for one in of]) for of in (right, kept))
    differs = float(change(old, new).error or 0)
    assert differs == pytest.approx((kept - right).std(ddof=1) / 20)
    assert differs < 0.3 * float(new.error or 0)
    losses = np.random.default_rng(2).normal(60, 20, 40)
    results = [[{"logprob": -loss * factor, "tokens": 20.0} for loss in losses] for factor in (1, 1.01)]
    one, other = (unit_perplexity("perplexity", "tokens", of) for of in results)
    found = change(one, other)
    assert found.value == pytest.approx(math.exp(0.01 * losses.mean() / 20))
    assert found.error == pytest.approx(found.value * 0.01 * losses.std(ddof=1) / 20 / math.sqrt(40))
    outcome = Outcome("text", "", 40, {"float": [one], "quantised": [other]})
    report = Report({"float": "a", "quantised": "b"}, "emulator", "W4A8KV8", 1, 64, [outcome])
    assert quality(report)[1][-1] == f"x {found.value:.3f} ± {1.96 * found.error:.3f}"
    assert as_json(report)["tasks"][0]["metrics"][0]["change"] == {"value": found.value, "stderr": found.error}


def test_power_is_told_where_it_is_measured():
    device = Device(96, 0.289, 332.2, 9.45, 2048, 58 << 20, 1 << 30, 1288490188)
    assert device_rows(device)[-1] == ["power", "not measured"]
    watts = mean_power(10.0, 25.0, 6.0)
    assert device_rows(replace(device, watts=watts))[-1] == ["power", "2.5 W"]
    assert mean_power(None, 25.0, 6.0) is mean_power(10.0, None, 6.0) is mean_power(25.0, 10.0, 6.0) is None


def test_table_1_of_the_whitepaper():
    outcomes = [
        Outcome("hellaswag", "0-shot", 10042, {"float": [Metric("acc_norm", 0.6606, 0.0047, True)],
                                               "quantised": [Metric("acc_norm", 0.643, 0.0048, True)]}),
        Outcome("wikitext", "", 140, {"float": [Metric("perplexity", 10.08, 0.1)],
                                      "quantised": [Metric("perplexity", 10.5, None)]}),
    ]  # fmt: skip
    device = Device(96, 0.289, 332.2, 9.45, 2048, 58 << 20, 1 << 30, 1288490188)
    models = {"float": "qwen2", "quantised": "qwen2.hef"}
    report = Report(models, "hailo10h", "W4A8KV8", 1_500_000_000, 2048, outcomes, device)
    assert quality(report)[1:] == [
        ["hellaswag (0-shot)", "10042", "acc_norm", "66.06 ± 0.92 %", "64.30 ± 0.94 %", "-1.76"],
        ["wikitext", "140", "perplexity", "10.080 ± 0.196", "10.500", "x 1.042"],
    ]
    assert device_rows(device)[1:5] == [
        ["TTFT, 96 tokens", "289.0 ms"],
        ["prefill", "332.2 tokens/s"],
        ["decode", "9.4 tokens/s"],
        ["KV cache", "2048 tokens, 58.0 MiB"],
    ]
    assert markdown([["a|b", "c"], ["1", "2"]]) == ["| a\\|b | c |", "| --- | ---: |", "| 1 | 2 |"]
    assert json.loads(json.dumps(as_json(report)))["tasks"][1]["metrics"][0]["quantised"] == {
        "value": 10.5,
        "stderr": None,
    }
