"""Energy counters as Linux lays them out."""

from pathlib import Path

from hollama_backends.rapl import energy


def lay_out(folder: Path, domain: str, name: str, count: str) -> None:
    (folder / domain).mkdir()
    (folder / domain / "name").write_text(f"{name}\n")
    (folder / domain / "energy_uj").write_text(f"{count}\n")


def test_packages_are_summed_and_their_parts_are_not(tmp_path: Path) -> None:
    lay_out(tmp_path, "intel-rapl:0", "package-0", "1500000")
    lay_out(tmp_path, "intel-rapl:1", "package-1", "2000000")
    lay_out(tmp_path, "intel-rapl:0:0", "core", "1000000")
    lay_out(tmp_path, "intel-rapl:2", "psys", "9000000")
    assert energy(tmp_path) == 3.5


def test_what_cannot_be_read_is_not_guessed(tmp_path: Path) -> None:
    assert energy(tmp_path / "nowhere") is None
    assert energy(tmp_path) is None
    lay_out(tmp_path, "intel-rapl:0", "package-0", "many")
    assert energy(tmp_path) is None
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert energy(tmp_path) is None
