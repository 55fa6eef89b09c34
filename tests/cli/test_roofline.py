"""What a model asks of a machine, the least time that can take, and the picture of it."""

import builtins
import json
from importlib.resources import as_file, files

import pytest

from hollama.cli.main import main
from hollama.cli.measure import Load, Speed
from hollama.cli.plot import check_plot
from hollama.cli.roofline import Demand, emulators_machine, reached, read_demand
from hollama.errors import BackendError, UsageError
from hollama.formats.hef import Hef
from hollama.formats.package_weights import read_model
from hollama.kernels.machine import Machine

MACHINE = Machine("some", 1, bandwidth=100.0, peak=1000.0)
DEMAND = Demand(weight_bytes=50, cache_bytes=1, layers=60, logits=40, attention=2)


def test_decode_reads_the_weights_once_and_every_cache() -> None:
    cost = DEMAND.decode(held=10, batch=4)
    assert (cost.bytes, cost.operations) == (50 + 40, 4 * (60 + 40 + 2 * 11))


def test_prefill_sees_what_came_before_and_gives_one_row_of_logits() -> None:
    cost = DEMAND.prefill(held=10, tokens=3, batch=1)
    assert (cost.bytes, cost.operations) == (50 + 10, 3 * 60 + 40 + 2 * (11 + 12 + 13))


def test_the_slower_of_memory_and_multipliers_is_the_roof() -> None:
    assert DEMAND.decode(0, 1).seconds(MACHINE) == 0.5  # 50 bytes at 100 a second, longer than 102 operations
    assert DEMAND.decode(0, 100).seconds(MACHINE) == 10.2


def test_the_part_reached_is_of_what_was_measured() -> None:
    speed = Speed(ttft=1.0, prefill_tps=100.0, decode_tps=1.0)
    parts = reached(DEMAND, Load(prompt_tokens=100, batch=1, generate=2), speed, MACHINE)
    assert parts["prefill"].seconds == 1.0
    assert parts["decode"].part == pytest.approx((50 + 101) / 100)
    assert "decode" not in reached(DEMAND, Load(100, 1, 1), Speed(1.0, 100.0, 0.0), MACHINE)


def test_the_demand_of_a_package_is_that_of_its_weights() -> None:
    with as_file(files("hollama") / "embedded" / "hollie.hef") as path:
        demand = read_demand(path)
        with Hef.open(path) as hef:
            graph, weights = read_model(hef)
    linears = weights.linears.values()
    assert demand.layers + demand.logits == sum(2 * linear.inputs * linear.outputs for linear in linears)
    assert demand.logits == 2 * graph.output.width * graph.nodes[0].width
    assert demand.weight_bytes > sum(linear.packed.nbytes for linear in linears)


def test_the_machine_is_measured() -> None:
    machine = emulators_machine(DEMAND, {"HOLLAMA_KERNELS": "numpy", "HOLLAMA_THREADS": "1"})
    assert machine.kernels == "numpy"
    assert 1e8 < machine.bandwidth < 1e13
    assert 1e8 < machine.peak < 1e14


def test_unknown_kernels_are_refused() -> None:
    with pytest.raises(BackendError):
        emulators_machine(DEMAND, {"HOLLAMA_KERNELS": "abacus"})


def test_bench_reports_and_draws(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra `plot`")
    monkeypatch.setenv("HOLLAMA_MODELS", str(tmp_path / "models"))
    sizes = ["--depth", "0,8", "--prompt-tokens", "4", "--batch", "1", "--generate", "9", "--repeat", "1"]
    written = ["--json", str(tmp_path / "report.json"), "--plot", str(tmp_path / "roof.svg")]
    assert main(["bench", "hollie", *sizes, *written]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [run["depth"] for run in report["runs"]] == [0, 8]
    assert all(0 < run[kind]["part"] < 2 for run in report["runs"] for kind in ("prefill", "decode"))
    assert "OF ROOF" in capsys.readouterr().out
    assert "<!-- hollie: " in (tmp_path / "roof.svg").read_text()  # the title


def test_a_picture_that_cannot_be_drawn_is_refused_first(tmp_path, monkeypatch) -> None:
    with pytest.raises(UsageError, match=r"\.svg"):
        check_plot(tmp_path / "roof.doc")
    real = builtins.__import__

    def without(name, *rest):
        if name == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"hollama\[plot\]"):
        check_plot(tmp_path / "roof.svg")
