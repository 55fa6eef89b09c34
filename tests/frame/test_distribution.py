"""The wheel, really built from the sdist as a machine without a C compiler does."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    for module in ("build", "scikit_build_core"):
        pytest.importorskip(module, reason=f"needs {module}, which the extra `dev` installs")
    if not shutil.which("cmake") or not (shutil.which("ninja") or shutil.which("make")):
        pytest.skip("needs cmake, and ninja or make, which an isolated build would download")
    folder = tmp_path_factory.mktemp("dist")
    environment = {**os.environ, "CC": "no-such-compiler"}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no working C compiler" in done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_one_wheel_serves_all_pythons(wheel):
    assert wheel.name.startswith("hollama-") and "-py3-none-" in wheel.name


def test_it_holds_every_module_and_the_data(wheel):
    """Nothing of the tree is lost: sources, types, the embedded model, the licence, the entry points."""
    names = set(zipfile.ZipFile(wheel).namelist())
    trees = [ROOT / "hollama", *(ROOT / "plugins").glob("hollama_*")]
    modules = {str(path.relative_to(tree.parent)) for tree in trees for path in tree.rglob("*.py")}
    assert modules <= names
    assert {"hollama/py.typed", "hollama/embedded/hollie.hef"} <= names
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert [name for name in names if name.endswith("entry_points.txt")]


def test_it_holds_no_c_sources(wheel):
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("hollama/kernels/c/")]
