"""Files that lie: every one is an EvaluationError that names the file and, where it helps, the row."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import json
import lzma
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.data import FileSource, HubSource, read_rows, read_text
from hollama.evaluate.tasks import TASKS
from hollama.plugins import load_plugins

HELLASWAG = {"activity_label": "Cats", "ctx_a": "A.", "ctx_b": "b", "endings": list("wxyz"), "label": "1"}
MMLU = {"question": "Who?", "choices": list("wxyz"), "answer": 1, "subject": "cats"}
PLAIN = "A cat\n1\nw\nx\ny\nz\n"


@pytest.fixture
def coder() -> Coder:
    return Coder(load_plugins().tokenizer("byte").open(b""), False, 256, frozenset(), 16)


@pytest.mark.parametrize(
    ("task", "name", "text", "words"),
    [
        ("hellaswag", "a.jsonl", "", "is empty"),
        ("hellaswag", "a.jsonl", "{", "line 1: no JSON"),
        ("hellaswag", "a.jsonl", "3", "line 1: no JSON object"),
        ("hellaswag", "a.jsonl", "[3]", "array of something else"),
        ("hellaswag", "a.jsonl", '{"text": "a"}', '"ctx_a" is missing; the row has text'),
        ("hellaswag", "a.jsonl", json.dumps({**HELLASWAG, "label": "4"}), "right ending is '4'"),
        ("hellaswag", "a.jsonl", json.dumps({**HELLASWAG, "endings": ["a"]}), "no 4 strings"),
        ("hellaswag", "a.jsonl", json.dumps({**HELLASWAG, "endings": ["", "b", "c", "d"]}), "ending is empty"),
        ("hellaswag", "a.jsonl", json.dumps({**HELLASWAG, "ctx_a": 3}), '"ctx_a" is of the type int'),
        ("hellaswag", "a.txt", PLAIN + "more\n", "7 lines; an item has 6"),
        ("hellaswag", "a.txt", PLAIN.replace("1", "one"), "line 2: the right ending is 'one'"),
        ("mmlu", "cats_test.csv", "question,choice0\nWho?,a\n", '"choice1" is missing'),
        ("mmlu", "cats_test.csv", "question,choice0\nWho?,a,b\n", "line 2: another number of columns"),
        ("mmlu", "cats_test.csv", 'question\n"Who', "unexpected end of data"),
        ("mmlu", "a.jsonl", json.dumps({**MMLU, "answer": 7}), "the answer is '7'"),
        ("mmlu", "a.jsonl", json.dumps({**MMLU, "_file": 5}), '"_file" is of the type int'),
        ("mmlu", "a.jsonl", json.dumps({**MMLU, "choices": "abcd"}), '"choices" is of the type str'),
        ("lambada", "a.jsonl", '{"text": null}', '"text" is of the type NoneType'),
        ("gsm8k", "a.jsonl", '{"question": "Who?"}', '"answer" is missing'),
        ("c4", "a.jsonl", '{"texts": "a"}', 'c4, row 1: "text" is missing'),
        ("text", "a.txt", "short", "does not fill one window"),
        ("text", "a.jsonl", '{"text": "a cat"}', "is JSON, plain text is wanted"),
        ("wikitext-pages", "a.jsonl", '{"page": ""}', "row 1: the page is empty"),
        ("wikitext-pages", "a.jsonl", '{"text": "a"}', '"page" is missing'),
    ],
)
def test_bad_files(task, name, text, words, tmp_path, coder):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(EvaluationError) as caught:
        TASKS[task].read(FileSource(path), coder)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(EvaluationError, match="No such file"):
        read_text(tmp_path / "nothing")
    (tmp_path / "bytes").write_bytes(b"ab\xff")
    with pytest.raises(EvaluationError, match=r"no UTF-8 text .* at byte 2"):
        read_text(tmp_path / "bytes")


@pytest.mark.parametrize(("ending", "pack"), [(".bz2", bz2.compress), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_files(ending, pack, tmp_path):
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(pack(b'{"text": "a"}\n'))
    assert list(read_rows(path)) == [{"text": "a"}]
    for damaged in (path.read_bytes()[:-3], path.read_bytes()[:12] + b"\x00\xff\x00" + path.read_bytes()[15:], b"no"):
        path.write_bytes(damaged)
        with pytest.raises(EvaluationError, match="cannot be read"):
            list(read_rows(path))


def test_a_file_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hollama.evaluate.data._LARGEST_TEXT", 10)
    (tmp_path / "a.txt").write_text("x" * 11)
    assert read_text(tmp_path / "a.txt") == "x" * 11
    for read in (lambda path: read_text(path, 10), lambda path: FileSource(path).text("test")):
        with pytest.raises(EvaluationError, match="holds more than 0 MiB; cut it"):
            read(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("task", "name", "text"),
    [
        ("hellaswag", "a.txt", PLAIN),
        ("lambada", "a.jsonl", '{"text": "a cat"}\n'),
        ("mmlu", "cats_test.csv", "question,choice0,choice1,choice2,choice3,answer\n"),
    ],
)
def test_more_items_than_memory_holds_are_refused(task, name, text, tmp_path, coder, monkeypatch):
    monkeypatch.setattr("hollama.evaluate.data._MOST_ROWS", 3)
    row = "Who?,a,b,c,d,A\n" if task == "mmlu" else text
    (tmp_path / name).write_text(text * (task == "mmlu") + row * 3)
    assert len(TASKS[task].read(FileSource(tmp_path / name), coder).docs) == 3
    (tmp_path / name).write_text(text * (task == "mmlu") + row * 4)
    with pytest.raises(EvaluationError, match="holds more than 3 items; cut it"):
        TASKS[task].read(FileSource(tmp_path / name), coder)


def test_blank_lines_count_as_items(tmp_path, monkeypatch):
    monkeypatch.setattr("hollama.evaluate.data._MOST_ROWS", 3)
    (tmp_path / "a.jsonl").write_text('\n\n{"text": "a cat"}')
    assert list(read_rows(tmp_path / "a.jsonl")) == [{"text": "a cat"}]
    (tmp_path / "a.jsonl").write_text('\n\n{"text": "a cat"}\n\n')
    with pytest.raises(EvaluationError, match="holds more than 3 items; cut it"):
        list(read_rows(tmp_path / "a.jsonl"))


def test_c4_reads_no_more_rows_than_it_needs(tmp_path, coder):
    (tmp_path / "a.jsonl").write_text('{"text": "a cat"}\n' * 1100 + "not read\n")
    assert len(TASKS["c4"].read(FileSource(tmp_path / "a.jsonl"), coder).docs) == 256


@pytest.mark.parametrize("text", ['{"text": "a cat"}', '[{"text": "a cat"}]'])
def test_much_json_in_one_line_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.setattr("hollama.evaluate.data._LARGEST_JSON", 10)
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(EvaluationError, match="line 1: more than 0 MiB in one line"):
        list(read_rows(tmp_path / "a.jsonl"))


def test_a_text_too_long_to_be_encoded_is_refused(coder, monkeypatch):
    monkeypatch.setattr("hollama.evaluate.coder._LONGEST", 10)
    assert len(coder.encode("x" * 10)) == 10
    with pytest.raises(EvaluationError, match="11 characters, at most 10"):
        coder.encode("x" * 11)


def test_nobody_waits_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code = "import sys, pathlib; from hollama.evaluate.data import read_text; read_text(pathlib.Path(sys.argv[1]))"
    words = [sys.executable, "-c", code, str(tmp_path / "pipe")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert done.stderr.endswith("pipe is no regular file; name one\n")


def test_a_folder_needs_the_split(tmp_path, coder):
    (tmp_path / "train.jsonl").write_text("{}")
    with pytest.raises(EvaluationError, match="named after the split 'test'"):
        TASKS["gsm8k"].read(FileSource(tmp_path), coder)


@given(seed=st.integers(0, 1 << 32), task=st.sampled_from(["hellaswag", "mmlu", "lambada", "gsm8k", "c4"]))
def test_damage_escapes_as_nothing_else(seed, task, tmp_path_factory):
    coder = Coder(load_plugins().tokenizer("byte").open(b""), False, 256, frozenset(), 16)
    rows = {"hellaswag": HELLASWAG, "mmlu": MMLU, "lambada": {"text": "a cat"}, "c4": {"text": "x" * 40}}
    chance, path = random.Random(seed), tmp_path_factory.getbasetemp() / f"{task}.jsonl"
    data = bytearray(json.dumps(rows.get(task, {"question": "1 + 1?", "answer": "#### 2"})).encode() * 2)
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data[: chance.randrange(len(data) + 1)])
    try:
        questions = TASKS[task].read(FileSource(path), coder)
        for doc in questions.docs if task != "gsm8k" else ():
            TASKS[task].item(doc, coder)
    except EvaluationError:
        pass


def test_without_file_and_library_it_says_what_to_try(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EvaluationError, match=r"give a file \(TASK=FILE\), or pip install 'hollama\[eval\]'"):
        HubSource("Rowan/hellaswag").rows("validation")


def test_rows_come_through_the_librarys_door(tmp_path: Path, monkeypatch):
    pytest.importorskip("datasets", reason="needs datasets: pip install 'hollama[eval]'")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test.jsonl").write_text('{"text": "a cat"}\n{"text": "a dog"}\n')
    assert HubSource(str(tmp_path / "set")).rows("test") == [{"text": "a cat"}, {"text": "a dog"}]
    assert HubSource(str(tmp_path / "set"), file="test.jsonl").rows("validation")[1] == {"text": "a dog"}
    (tmp_path / "set" / "lines.jsonl").write_text('{"text": " = A = \\n"}\n{"text": ""}\n')
    assert HubSource(str(tmp_path / "set"), file="lines.jsonl").text("test") == " = A = \n\n"
    with pytest.raises(EvaluationError, match="the hub gave no split 'dev'"):
        HubSource(str(tmp_path / "set")).rows("dev")
