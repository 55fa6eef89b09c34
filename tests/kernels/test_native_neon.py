"""Attention and elementwise kernels of 64-bit ARM, in an emulator: golden's bits."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hollama.kernels import golden
from hollama.kernels.golden import Quantisation
from tests.kernels import native
from tests.kernels.cases import in_pages, random_case
from tests.kernels.native import same_bits

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
EXACT = ("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
FLAGS = ("-std=gnu11", "-static", "-O3", *EXACT, "-Wall", "-Wextra", "-Werror")
ATTEND, NORM, QUANTISE, GATED, LAYER_NORM, GELU = range(6)
f32 = np.float32


@pytest.fixture(scope="module", params=["neon", "portable"])
def replay(request, tmp_path_factory):
    """Runs cases, [(eight numbers, arrays)], and gives the bytes of all results."""
    if not (shutil.which(COMPILER) and shutil.which(EMULATOR)):
        pytest.skip(f"no {COMPILER} or no {EMULATOR}")
    folder = tmp_path_factory.mktemp("neon")
    flags = {"neon": "-march=armv8.2-a+dotprod", "portable": "-march=armv8-a"}
    sources = {"neon": ["attention_neon"], "portable": ["attention_portable", "elementwise"]}
    objects = []
    for name, stems in sources.items():
        for stem in stems:
            objects.append(folder / f"{stem}.o")
            source = native.SOURCES / f"{stem}.c"
            compile(*FLAGS, flags[name], f"-DSET={name}", "-c", source, "-o", objects[-1])
    compile(
        *FLAGS, f"-DSET={request.param}", Path(__file__).parent / "c/replay.c", *objects, "-o", folder / "replay", "-lm"
    )

    def run(cases):
        with (folder / "cases").open("wb") as file:
            for (*integers, x, y), arrays in cases:
                file.write(np.array((integers + [0] * 6)[:6], np.int32).tobytes() + np.array([x, y], f32).tobytes())
                file.writelines(np.ascontiguousarray(array).tobytes() for array in arrays)
        subprocess.run([EMULATOR, folder / "replay", folder / "cases", folder / "results"], check=True, timeout=300)
        return (folder / "results").read_bytes()

    return run


def compile(*arguments):
    done = subprocess.run([COMPILER, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def attention_case(case):
    rows, heads, d = case.query.shape
    zero_v, scale_v = case.of[2].zero_point, case.of[2].scale
    numbers = (ATTEND, rows, heads, len(case.keys), d, case.start | zero_v << 20, scale_v, case.step())
    return numbers, [case.query, *in_pages(case, 1, 0)]


def test_attention(replay):
    rng = np.random.default_rng(5)
    cases = [
        random_case(rng, start, rows, kv_heads, group, d, spread)
        for start, rows, kv_heads, group, d, spread in [
            (0, 1, 1, 1, 16, 1.0), (70, 3, 2, 5, 64, 4.0), (600, 20, 1, 6, 128, 3.0), (130, 2, 1, 7, 256, 300.0),
            (63, 2, 2, 3, 80, 1.0), (20, 5, 1, 2, 8, 2.0), (1500, 1, 1, 4, 64, 1e-6),
        ]
    ]  # fmt: skip
    cases[-1].values[:] = 0
    ends = random_case(rng, 100, 9, 1, 2, 256)
    ends.query[:], ends.keys[:], ends.keys[:, ::3] = -32768, 0, 255
    cases.append(ends)
    expected = np.concatenate([case.golden().ravel() for case in cases])
    same_bits(np.frombuffer(replay([attention_case(case) for case in cases]), f32), expected)


def test_elementwise(replay):
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((2, 1003), f32) * f32(20)
    tiny, eps, of = np.ldexp(x, -140), f32(1e-6), Quantisation(0.3, 100)
    cases = [
        ((NORM, 1003, eps, 0), [x, y]), ((NORM, 1003, eps, 0), [tiny, y]), ((GATED, 1003, 0, 0), [x * 5, y]),
        ((LAYER_NORM, 1003, eps, 0), [x, y, tiny]), ((GELU, 1003, 0, 0, 0), [x]), ((GELU, 1003, 1, 0, 0), [x]),
        ((QUANTISE, 1003, of.zero_point, f32(1) / f32(of.scale), 0), [x]),
    ]  # fmt: skip
    found = replay(cases)
    expected = [golden.rms_norm(x, y, float(eps)), golden.rms_norm(tiny, y, float(eps)), golden.silu(x * f32(5)) * y]
    expected += [golden.layer_norm(x, y, tiny, float(eps)), golden.gelu(x), golden.gelu_tanh(x)]
    same_bits(np.frombuffer(found[: 24 * 1003], f32), np.concatenate(expected))
    quantised = np.frombuffer(found[24 * 1003 :], np.int8)
    assert quantised.tolist() == (golden.quantise(x, of) + of.zero_point - 128).astype(int).tolist()
