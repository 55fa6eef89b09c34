"""The executor's and the kernels' tests once more, with a library that AddressSanitizer and UBSan watch."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hollama.kernels

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(hollama.kernels.__file__).parent / "c"


def runtime(name: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
    if not Path(found.strip()).is_absolute():
        pytest.skip(f"gcc lacks {name}")
    return found.strip()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    if not (shutil.which("cmake") and shutil.which("gcc")):
        pytest.skip("no cmake or no gcc")
    folder = tmp_path_factory.mktemp("sanitized")
    options = ["-DHOLLAMA_SANITIZE=address,undefined", "-DCMAKE_C_COMPILER=gcc"]
    subprocess.run(["cmake", "-S", SOURCES, "-B", folder, *options], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", folder, "-j2"], check=True, capture_output=True)
    return {
        **os.environ,
        "HOLLAMA_LIBRARY": str(next(folder.glob("libhollama_kernels.*"))),
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",  # Python itself leaks
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_executor.py", "test_native_linear.py", "test_native_attention.py",
                                  "test_native_elementwise.py", "test_products.py"])  # fmt: skip
def test_nothing_is_read_or_written_out_of_bounds(environment, name):
    path = ROOT / "tests" / "kernels" / name
    command = [sys.executable, "-m", "pytest", path, "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_the_sanitizer_is_awake(environment):
    """A packed layer that is shorter than it says is noticed."""
    script = """
import numpy as np
from hollama.kernels import golden, native
weights = golden.pack(np.ones((16, 64), np.int8), np.ones((16, 1), np.uint8), 64, np.ones(16, np.float32), None)
layer = native.layer(weights, np.zeros(16, np.int32)).linear
layer.blocks = 2
native.library().inspect_linear(layer, np.zeros(16, np.int32).ctypes.data, 0, 1)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr


def test_threads_meet_without_a_race(tmp_path):
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    runtime("libtsan.so")
    driver, program = ROOT / "tests" / "kernels" / "c" / "team.c", tmp_path / "team"
    flags = ["-g", "-O1", "-fsanitize=thread", f"-I{SOURCES}", "-pthread"]
    subprocess.run(["gcc", *flags, driver, SOURCES / "threads.c", "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
