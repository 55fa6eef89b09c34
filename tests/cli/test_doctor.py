"""What the checks find in machines, settings and folders that are not well."""

from pathlib import Path

import pytest

from hollama.cli.commands.doctor import finding_lines
from hollama.cli.doctor.finding import Finding
from hollama.cli.doctor.installation import backend_findings, backend_variables, setting_findings, source
from hollama.cli.doctor.machine import instruction_sets, machine_findings, memory_sizes
from hollama.cli.doctor.models import model_findings
from hollama.cli.main import main
from hollama.config import load_settings
from hollama.interfaces import BackendSpec, DeviceState
from hollama.plugins import Contribution, load_plugins
from hollama.store.manifest import ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store


def test_instruction_sets() -> None:
    assert instruction_sets("processor : 0\nflags\t: fpu avx2 sse4_2 avx512_vnni\n") == [
        "sse4_2",
        "avx2",
        "avx512_vnni",
    ]
    assert instruction_sets("Features : fp asimd asimddp\n") == ["asimd", "asimddp"]
    assert instruction_sets("") == []


def test_memory_sizes() -> None:
    assert memory_sizes("MemTotal: 2048 kB\nHugePages_Total: 0\n") == {"MemTotal": 2 << 20}


def test_too_many_threads_are_worth_a_warning() -> None:
    found = {finding.subject: finding for finding in machine_findings({"OMP_NUM_THREADS": "9999"})}
    assert (found["BLAS"].state, found["Python"].state) == ("warn", "ok")
    assert "unset OMP_NUM_THREADS" in found["BLAS"].advice


def test_settings_say_where_they_come_from() -> None:
    assert source("HOST", {"OLLAMA_HOST": "a", "HOLLAMA_HOST": "b"}) == "from HOLLAMA_HOST"
    assert source("HOST", {"OLLAMA_HOST": "a"}) == "from OLLAMA_HOST"
    assert source("HOST", {}) == "default"


def test_a_misspelt_setting_is_found() -> None:
    environment = {"OLLAMA_MODLES": "/models", "OLLAMA_FLASH_ATTENTION": "1", "HOLLAMA_THREDS": "2"}
    found = setting_findings(load_settings(environment), environment, backend_variables("emulator"))
    warned = [each for each in found if each.state == "warn"]
    assert [(each.subject, each.advice) for each in warned] == [
        ("Setting OLLAMA_MODLES", "did you mean OLLAMA_MODELS?"),
        ("Setting HOLLAMA_THREDS", "did you mean HOLLAMA_THREADS?"),
    ]


def test_a_number_that_is_none_is_told() -> None:
    environment = {"OLLAMA_NUM_PARALLEL": "many", "OLLAMA_MAX_QUEUE": "9", "OLLAMA_DEBUG": "yes"}
    found = setting_findings(load_settings(environment), environment, {})
    (warned,) = [each for each in found if each.state == "warn"]
    assert (warned.subject, warned.detail) == ("Setting NUM_PARALLEL", "4 (from OLLAMA_NUM_PARALLEL)")
    assert warned.advice.startswith("OLLAMA_NUM_PARALLEL is no number")


def test_the_backends_own_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"HOLLAMA_THREADS": "zz"}
    told = setting_findings(load_settings(environment), environment, backend_variables("emulator"))
    details = {each.subject: each.detail for each in told}
    assert details["Setting THREADS"] == "zz (from HOLLAMA_THREADS)"
    assert details["Setting KV_CACHE"].startswith("not set (such as 512MB or 2GiB; by default")
    assert details["Setting CONTEXT_LENGTH"] == "0, as many tokens as each package was compiled for (default)"
    monkeypatch.setenv("HOLLAMA_THREADS", "zz")
    found = {each.subject: each for each in backend_findings(load_plugins(), "emulator")}
    assert found["Backend emulator (in use)"].advice == "correct HOLLAMA_THREADS, or unset it"


def test_an_unknown_backend_fails() -> None:
    *_, last = backend_findings(load_plugins(), "abacus")
    assert (last.state, last.subject) == ("fail", "Backend abacus")
    assert "null" in last.advice


@pytest.mark.parametrize(("chosen", "state"), [("absent", "fail"), ("null", "ok")])
def test_only_the_chosen_backend_can_fail(chosen: str, state: str) -> None:
    spec = BackendSpec(
        "absent", load=load_plugins().backend("null").load, probe=lambda: DeviceState(False, "no device")
    )
    plugins = load_plugins()
    more = type(plugins)(**{**dict(plugins), "backends": {**plugins.backends, "absent": Contribution(spec, "test")}})
    found = {finding.subject.split()[1]: finding for finding in backend_findings(more, chosen)}
    assert found["absent"].state == state


def test_a_damaged_blob_is_found_by_reading_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    layer = store.add_blob(b"MIT", "application/vnd.ollama.image.license")
    store.write_manifest(ModelName.parse("m"), ModelConfig(), [layer])
    store.blob_path(layer.digest).chmod(0o644)
    store.blob_path(layer.digest).write_bytes(b"BSD")
    settings = load_settings({"OLLAMA_MODELS": str(tmp_path)})
    assert not [each for each in model_findings(settings, full=False) if each.state == "fail"]
    (damaged,) = [each for each in model_findings(settings, full=True) if each.state == "fail"]
    assert damaged.subject == "Model m:latest"
    assert "does not match its name" in damaged.detail


def test_a_missing_blob_is_found_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    layer = store.add_blob(b"MIT", "application/vnd.ollama.image.license")
    store.write_manifest(ModelName.parse("m"), ModelConfig(), [layer])
    store.blob_path(layer.digest).unlink()
    found = model_findings(load_settings({"OLLAMA_MODELS": str(tmp_path)}), full=False)
    assert any(each.state == "fail" and "is missing" in each.detail for each in found)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    found = model_findings(load_settings({"OLLAMA_MODELS": str(tmp_path / "models")}), full=False)
    assert next(found).state == "fail"


def test_advice_follows_the_finding() -> None:
    assert finding_lines(Finding("Disk", "warn", "1 GB free", "delete models")) == [
        "warn  Disk: 1 GB free",
        "      try: delete models",
    ]


def test_the_exit_status_says_whether_anything_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOLLAMA_MODELS", str(tmp_path))
    monkeypatch.setenv("HOLLAMA_BACKEND", "null")
    assert main(["doctor"]) == 0
    monkeypatch.setenv("HOLLAMA_BACKEND", "abacus")
    assert main(["doctor"]) == 1
    assert "fail  Backend abacus" in capsys.readouterr().out


def test_settings_that_cannot_be_read_are_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLLAMA_KEEP_ALIVE", "soon")
    assert main(["doctor"]) == 1
    assert "fail  Settings: OLLAMA_KEEP_ALIVE" in capsys.readouterr().out
