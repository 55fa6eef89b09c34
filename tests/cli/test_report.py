"""`hollama report`: what it prints, and the page that stands by itself."""

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hollama.cli.main import main
from hollama.cli.report_page import page
from hollama.cli.report_text import lines
from hollama.compiler.report import report
from tests.checkpoints import random_checkpoint


class Tags(HTMLParser):
    """How often each tag is opened, what is still open, and what is loaded from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.seen.append(tag)
        self.opened += [] if tag == "meta" else [tag]
        self.loaded += [
            value for name, value in attributes if name in ("src", "href", "xlink:href") and value[0] != "#"
        ]

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    random_checkpoint(folder / "base")
    words = ["optimize", str(folder / "base"), str(folder / "q.har"), "--context", "64", "--effort", "quick"]
    assert main([*words, "--report", str(folder / "report")]) == 0
    return folder


def found(folder: Path):
    return report(folder / "q.har", folder / "base", "", lambda *_: None)


def test_three_forms_lie_in_the_folder(folder: Path) -> None:
    text = (folder / "report" / "report.txt").read_text()
    assert text.startswith("q.har: qwen2, 91K parameters, W4A8KV8, context 64, ")
    assert "tokens of the built-in text" in text and "Part by part" in text and "block 1" in text and "1.down" in text
    plain = json.loads((folder / "report" / "report.json").read_text())
    assert [loss["name"] for loss in plain["measured"]["sources"]] == ["weights", "inputs", "attention", "embedding"]
    assert plain["measured"]["whole"]["snr"] > 3 and plain["history"][1]["settings"]["gptq"] is False


def test_the_text_it_was_measured_on_is_named(folder: Path) -> None:
    given = report(folder / "q.har", folder / "base", "Some words of another text. " * 20, lambda *_: None)
    assert "tokens of the text given" in "\n".join(lines(given)) and given.as_json()["text"] == "the text given"


def test_a_package_gets_adapters_otherwise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(folder / "q.har"), str(folder / "m.hef")]) == 0
    assert main(["add-lora", str(folder / "m.hef"), "a=lora", "-o", str(folder / "m.har")]) == 1
    assert f"hollama compile {folder / 'm.hef'} -o {folder / 'm.hef'} --adapter a=lora" in capsys.readouterr().err


def test_compile_reports_too(folder: Path) -> None:
    words = ["compile", str(folder / "base"), str(folder / "m.hef"), "--context", "64", "--effort", "quick"]
    assert main([*words, "--progress", "json", "--report", str(folder / "compiled")]) == 0
    plain, other = (json.loads((folder / name / "report.json").read_text()) for name in ("compiled", "report"))
    assert (plain["name"], plain["measured"]) == ("m.hef", other["measured"])


def test_the_page_needs_nothing_else_and_is_the_same_again(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    text = (folder / "report" / "report.html").read_text()
    tags = Tags(text)
    assert not tags.opened and not tags.loaded and "script" not in tags.seen
    assert tags.seen.count("svg") == 4 and tags.seen.count("table") == 6
    assert page(found(folder)) == text


def test_without_matplotlib_the_page_has_its_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = page(found(folder))
    assert "hollama[plot]" in text and "<svg" not in text and Tags(text).seen.count("table") == 6


def test_names_are_escaped(folder: Path) -> None:
    (folder / "<b>.har").write_bytes((folder / "q.har").read_bytes())
    text = page(report(folder / "<b>.har", None, "", lambda *_: None))
    assert "<b>" not in text and "&lt;b&gt;.har" in text


def test_a_har_alone_tells_what_was_clipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder / "q.har")]) == 0
    out = capsys.readouterr().out
    assert "Quantised values, the most clipped first, the first 10 of" in out and "Linear layers" not in out


def test_the_noisiest_layer_comes_first(folder: Path) -> None:
    rows = lines(found(folder))
    first = rows[next(index for index, row in enumerate(rows) if row.startswith("LAYER")) + 1].split()[0]
    layers = found(folder).measured.layers
    assert first == min(layers, key=lambda layer: layer.output).name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "nowhere.har"], "there is no file nowhere.har"),
        (["report", "base/config.json"], "remembers nothing of its checkpoint; name that with --float"),
        (["report", "p.har"], "was only parsed; `hollama optimize` quantises it"),
        (["report", "q.har", "-o", "q.har"], "q.har is a file; name a folder for the report"),
        (["compile", "q.har", "x.hef", "--report", "r"], "hollama report x.hef --float CHECKPOINT"),
    ],
)
def test_errors(
    folder: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    if not (folder / "p.har").exists():
        main(["parse", "base", "p.har"])
    assert main(words) == 1
    assert message in capsys.readouterr().err
