"""Results on disk: what was written is found, what was half written is not, what is not ours is refused."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import EvaluationError
from hollama.evaluate.journal import Journal, key_of

TEXT = "Once upon a time there was a cat that lived by the sea, and each day it counted the boats. " * 3


def fill(path: Path, count: int) -> None:
    journal = Journal(path)
    for number in range(count):
        journal.put(f"key{number}", {"logprob": -number / 3}, {"task": "text", "item": number})
    journal.close()


def found(path: Path) -> list[float]:
    journal = Journal(path)
    journal.close()
    values = (journal.get(f"key{number}") for number in range(9))
    return [value["logprob"] for value in values if value]


def test_results_are_found_again_to_the_bit(tmp_path):
    fill(tmp_path / "r", 4)
    assert found(tmp_path / "r") == [-number / 3 for number in range(4)]


@given(cut=st.integers(0, 400))
def test_a_run_killed_while_it_writes_loses_no_whole_line(cut, tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "r"
    fill(path, 4)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    assert len(found(path)) == data.count(b"\n")
    assert path.read_bytes() == data[: data.rfind(b"\n") + 1]
    fill(path, 4)
    assert len(found(path)) == 4


@pytest.mark.parametrize(
    "text",
    [
        "My notes\n",
        "My notes",
        '{"a": 1}\n',
        "[1]\n",
        '{"key": 1, "values": {}}\n',
        '{"key": "a", "values": {"acc": true}}\n',
    ],
)
def test_somebody_elses_file_is_refused_and_kept(text, tmp_path):
    (tmp_path / "r").write_text(text)
    with pytest.raises(EvaluationError, match="line 1: no result of an evaluation; name another file"):
        Journal(tmp_path / "r")
    assert (tmp_path / "r").read_text() == text


def test_two_runs_do_not_keep_results_in_one_file_at_once(tmp_path):
    first = Journal(tmp_path / "r")
    with pytest.raises(EvaluationError, match="another evaluation does now"):
        Journal(tmp_path / "r")
    first.put("key1", {"logprob": -1.0}, {})
    first.close()
    assert found(tmp_path / "r") == [-1.0]


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path):
    path = tmp_path / "r"
    fill(path, 2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = Journal(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 9, limits[1]))
    try:
        with pytest.raises(EvaluationError, match="results cannot be kept there"):
            journal.put("key2", {"logprob": -2.0}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.close()
    assert len(found(path)) == 2


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"acc": 1.0},
        {"logprob": -1.0},
        {"logprob": float("nan"), "tokens": 63},
        {"logprob": float("-inf"), "tokens": 63},
        {"logprob": -(10**400), "tokens": 63},
        {"logprob": 1.0, "tokens": 63},
        {"logprob": -1.0, "tokens": 0},
        {"logprob": -1.0, "tokens": -63},
    ],
    ids=str,
)
def test_values_that_a_task_never_notes_are_asked_again(values, quantised, write, tmp_path):
    text, path = write("a.txt", TEXT), tmp_path / "r"
    figures = quantised.figures("text", text, results=path)
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**entry, "values": values}) + "\n" for entry in entries))
    assert quantised.figures("text", text, results=path) == figures
    after = path.read_text().splitlines()
    assert [json.loads(line)["values"] for line in after[len(entries) :]] == [entry["values"] for entry in entries]


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="results cannot be kept there"):
        Journal(tmp_path)


def test_without_a_path_results_stay_in_memory():
    journal = Journal(None)
    journal.put("a", {"acc": 1.0}, {})
    assert (journal.get("a"), journal.get("b")) == ({"acc": 1.0}, None)


def test_a_key_depends_on_everything_a_result_does():
    keys = {
        key_of(*parts)
        for parts in (
            ("model", "text", 64, [1, 2]),
            ("other", "text", 64, [1, 2]),
            ("model", "c4", 64, [1, 2]),
            ("model", "text", 32, [1, 2]),
            ("model", "text", 64, [1, 3]),
        )
    }
    assert len(keys) == 5
