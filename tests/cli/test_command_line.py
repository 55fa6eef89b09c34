"""Arguments, help, errors and exit codes, without a server."""

import importlib
import socket
import sys
from pathlib import Path

import pytest

from hollama.cli.compiling import RANGES
from hollama.cli.main import COMMANDS, main, root_help
from hollama.compiler.ranges import METHODS


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HOLLAMA_HOST", f"127.0.0.1:{probe.getsockname()[1]}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cp a", "accepts 2 arg(s), received 1; see hollama cp --help"),
        ("show", "accepts 1 arg(s), received 0"),
        ("create a b", "accepts 1 arg(s), received 2"),
        ("stop", "accepts 1 arg(s), received 0"),
        ("serve now", "accepts 0 arg(s), received 1"),
        ("rm", "requires at least 1 arg(s), only received 0; see hollama rm --help"),
        ("show a --system --license", "only one of '--license', '--modelfile', '--parameters', '--system', or"),
        ("run m hi --think=loud", 'invalid value for --think: "loud" (must be true, false, high, medium, low, or max)'),
        ("run m hi --keepalive 10", 'time: missing unit in duration "10"'),
        ("run m hi --format nonsense", '--format: "nonsense" is neither'),
        ("run m hi --truncate=maybe", 'invalid value for --truncate: "maybe" (must be true or false)'),
        ("run m hi --dimensions 0", "argument --dimensions: '0' is no number of 1 or more"),
        ("run m hi --bogus", "unknown flag: --bogus; see hollama run --help"),
        ("lst", 'unknown command "lst" for "hollama"\n\nDid you mean this?\n\tlist'),
        ("pull x", 'unknown command "pull" for "hollama": models come from files here'),
        ("frobnicate", 'unknown command "frobnicate" for "hollama"; see hollama --help'),
        ("--frob", "unknown flag: --frob"),
        ("bench --batch 0", "argument --batch: '0' is no number of 1 or more"),
        ("compile . x.hef --context 0", "argument --context: '0' is no number of 1 or more"),
        ("compile . x.hef --group-size 7", "argument --group-size: '7' is neither 32 nor a multiple of 64"),
        ("compile . x.hef --calibration nowhere", "--calibration: nowhere is no text file"),
        ("compile . x.hef --calibration /dev/null", "--calibration: /dev/null holds no text"),
        ("compile . nowhere/x.hef", "nowhere/x.hef: there is no folder nowhere"),
        ("compile . /", "/ is a folder; name the file to write"),
        ("parse .", "name the file to write, such as: . -o model.har"),
        ("optimize . x.har --seed x", "argument --seed: 'x' is no whole number below 2^64"),
        ("add-lora x.har -o y.har", "requires at least 2 arg(s), only received 1"),
        ("add-lora x.har lora -o y.har", "'lora' is not NAME=PATH"),
        ("add-lora x.har a=b", "the following arguments are required: -o/--output"),
        ("add-lora nowhere.har a=b -o y.har", 'adapter "a", b: there is no such file or folder; expected'),
        ("compile README.md README.md", "README.md would replace what it is made from; name another file"),
        ("parse . x.hef", "x.hef: a HAR is written, .hef would say a package; name it .har"),
        ("compile . x.har", "x.har: a package is written, .har would say a HAR; name it .hef"),
        ("compile . /proc/x.hef", "/proc cannot be written to: No such file or directory"),
        ("report hollama", "hollama is a folder; a checkpoint goes behind --float"),
        ("parse README.md README.md", "README.md would replace what it is made from"),
        ("parse hollama hollama/types.py", "hollama/types.py would replace what it is made from"),
        ("parse hollama /dev/null", "/dev/null is no regular file; name another one to write"),
        ("compile tests x.hef --calibration x.hef", "--calibration: x.hef is no text file"),
        ("compile . README.md --calibration README.md", "README.md would replace what it is made from"),
        ("add-lora x.har a=README.md -o README.md", "README.md would replace what it is made from"),
        ("optimize README.md README.md --report r", "README.md would replace what it is made from; name another file"),
        ("list", "could not connect to hollama server, run 'hollama serve' to start it"),
        ("ps", "could not connect to hollama server, run 'hollama serve' to start it"),
        ("rm a", "could not connect to hollama server, run 'hollama serve' to start it"),
        ("create a/b/c/d/e", "invalid model name: a/b/c/d/e"),
    ],
)
def test_errors(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"Error: {message}")
    assert captured.out == ""


def test_ways_to_choose_ranges_are_those_of_the_compiler() -> None:
    assert sorted(RANGES) == sorted(METHODS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("parse README.md x.har", "README.md is no checkpoint; expected a GGUF file, the folder of a Hugging Face"),
        ("compile README.md x.hef", "README.md is no checkpoint; expected a GGUF file, the folder of a Hugging Face"),
        ("compile nowhere x.hef", "nowhere: no such file or folder; expected a GGUF file"),
    ],
)
def test_what_is_no_checkpoint(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 1
    assert f"\nError: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command.name, "--help"]) == 0
    by_option = capsys.readouterr().out
    assert f"examples:\n  hollama {command.name}" in by_option or "HOLLAMA" in by_option
    assert main(["help", command.name]) == 0
    assert capsys.readouterr().out == by_option


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_root_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == root_help() + "\n"


def test_root_help_names_every_command() -> None:
    assert all(f"\n  {command.name} " in root_help() for command in COMMANDS)


def test_the_table_and_the_folder_agree() -> None:
    folder = Path(importlib.import_module("hollama.cli.commands").__file__ or "").parent
    assert {path.stem for path in folder.glob("[a-z]*.py")} == {command.name.replace("-", "_") for command in COMMANDS}


def test_version_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Warning: could not connect to a running hollama instance"
    assert second.startswith("Warning: client version is ")


def test_aliases() -> None:
    assert main(["ls", "--help"]) == main(["start", "--help"]) == 0


def test_plugins_says_who_provides_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["KIND", "NAME", "OWNER", "HELP"]
    assert any(row.split()[:3] == ["backend", "null", "backends"] for row in rows)


@pytest.mark.parametrize("host", [":::", "[::::]:80", "a" * 70, "b..c"])
def test_a_host_that_is_none_is_told(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOLLAMA_HOST", host)
    assert main(["list"]) == 1
    assert capsys.readouterr().err.startswith("Error: could not connect to hollama server")


def test_closed_streams_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["--help"]) == 0
    assert sys.stdin.read() == ""
    assert not sys.stdout.isatty()
    assert not sys.stderr.isatty()
