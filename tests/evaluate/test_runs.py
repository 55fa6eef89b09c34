"""Real runs of the command: killed and continued, on one process and on two."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hollama.errors import EvaluationError
from hollama.evaluate.asking import ask_all
from hollama.evaluate.data import FileSource
from hollama.evaluate.processes import in_processes
from hollama.evaluate.question import Item, Values
from hollama.evaluate.subject import Subject
from hollama.evaluate.work import Part, Share, deal, work
from tests.house import until

TEXT = "Cat {0} counted {0} boats by sea {0} until it was dark.\n"  # so short that no two windows are alike


def command(package: Path, text: Path, *more: str) -> list[str]:
    tasks = f"text={text},lambada={text.parent / 'lambada.jsonl'}"
    return [sys.executable, "-m", "hollama", "eval", str(package), "--tasks", tasks, "--no-speed", *more]


def figures(package: Path, text: Path, *more: str) -> str:
    done = subprocess.run(command(package, text, "--json", "-", *more), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def text(write) -> Path:
    write("lambada.jsonl", "".join(json.dumps({"text": TEXT.format(n)}) + "\n" for n in range(40)))
    return write("text.txt", "".join(TEXT.format(n) for n in range(99)))


ENDS = [(signal.SIGKILL, -9, ""), (signal.SIGINT, 130, "goes on from there")]


@pytest.mark.parametrize(("sent", "code", "said"), ENDS)
def test_a_killed_run_goes_on_where_it_ended(package, text, tmp_path, sent, code, said):
    results = tmp_path / "results.jsonl"
    more = ("--results", str(results), "--batch", "1")
    slow = {**os.environ, "HOLLAMA_KERNELS": "numpy"}
    running = subprocess.Popen(command(package, text, *more), stderr=subprocess.PIPE, env=slow, text=True)
    until(lambda: results.exists() and results.read_bytes().count(b"\n") >= 5)
    running.send_signal(sent)
    assert said in running.communicate()[1] and running.returncode == code
    before = results.read_bytes()
    kept = before[: before.rfind(b"\n") + 1]
    assert 5 <= kept.count(b"\n") < 100
    continued = figures(package, text, *more)
    assert continued == figures(package, text)
    after = results.read_bytes()
    assert after.startswith(kept)
    keys = [json.loads(line)["key"] for line in after.splitlines()]
    assert len(keys) == len(set(keys)), "an item was asked twice"
    assert figures(package, text, *more) == continued
    assert results.read_bytes() == after, "a complete run asks nothing"


def test_two_devices_equal_one(package, text):
    assert figures(package, text, "--devices", "2") == figures(package, text, "--batch", "3")


async def test_one_failure_ends_all_that_is_under_way_and_is_told_once(caplog):
    class Failing:
        async def item(self, item: Item) -> Values:
            raise EvaluationError("no")

    items = ((number, Item((), lambda answers: {})) for number in range(9))
    with pytest.raises(EvaluationError):
        _ = [found async for found in ask_all(Failing(), items, 4)]
    gc.collect()
    assert not caplog.records


@pytest.fixture
def share(package, text) -> Share:
    part = Part("text", FileSource(text), tuple(range(40)))
    return Share(Subject(package, "emulator", 64), (part,), 2)


def test_a_share_is_dealt_out_whole(share):
    hands = deal(share, 3)
    numbers = [number for hand in hands for part in hand.parts for number in part.numbers]
    assert (len(hands), sorted(numbers)) == (3, list(range(40)))
    assert len(deal(share, 99)) == 40


def test_a_process_that_dies_is_told_of_and_takes_the_others_along(share):
    found = in_processes(deal(share, 2))
    next(found)
    first, second = multiprocessing.active_children()
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(EvaluationError, match=r"ended with status -9.*--results"):
        list(found)
    assert not second.is_alive()


def test_an_error_in_a_process_arrives(share, tmp_path):
    (tmp_path / "broken.hef").write_bytes(b"no package")
    broken = Share(Subject(tmp_path / "broken.hef", "emulator", 64), share.parts, 2)
    with pytest.raises(EvaluationError, match="HEF"):
        list(in_processes([broken]))


def test_ray_gives_the_same(share, monkeypatch):
    pytest.importorskip("ray", reason="needs ray: pip install 'hollama[ray]'")
    from hollama.evaluate.on_ray import on_ray

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    expected = sorted(work(share), key=lambda result: result.number)
    assert sorted(on_ray(deal(share, 2)), key=lambda result: result.number) == expected
    broken = Share(Subject(Path("/nowhere.hef"), "emulator", 64), share.parts, 2)
    with pytest.raises(EvaluationError, match=r"on Ray: .*nowhere\.hef"):
        list(on_ray([broken]))
