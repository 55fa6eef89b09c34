"""A home of its own with a compiled model, and a server that the command line started there by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkpoints import random_checkpoint
from tests.house import House, end, free_address, started_pid
from tests.server.server_desk import write_package

MODELFILE = "FROM ./tiny.hef\nPARAMETER temperature 0\nPARAMETER num_predict 12\nLICENSE MIT\n"


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small package, compiled by the command itself."""
    folder = tmp_path_factory.mktemp("package")
    random_checkpoint(folder / "checkpoint")
    command = [sys.executable, "-m", "hollama", "compile", "checkpoint", "tiny.hef", "--context", "256"]
    subprocess.run([*command, "--group-size", "32"], cwd=folder, check=True, capture_output=True)
    return folder / "tiny.hef"


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[House]:
    """A house with the model `tiny` and a running server, which `hollama create` started."""
    house = House(tmp_path_factory.mktemp("home"), free_address())
    (house.home / "tiny.hef").write_bytes(package.read_bytes())
    (house.home / "Modelfile").write_text(MODELFILE)
    made = house.run("create", "tiny")
    assert made.returncode == 0, made.stderr
    pid = started_pid(made.stderr)
    yield house
    end(pid)


@pytest.fixture(scope="session")
def endless(house: House) -> str:
    """A model whose answers last for minutes."""
    write_package(house.home / "endless.hef", 50_000, stops=())
    (house.home / "Endless").write_text("FROM ./endless.hef\nPARAMETER num_predict -1\n")
    house.out("create", "endless", "-f", "Endless")
    return "endless"
