"""The linear layer of every instruction set this machine can run: golden's bits, from weights as a package has them."""

import ctypes
import subprocess
from ctypes import c_float, c_int32, c_void_p
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from platform import machine
from shutil import which

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hollama.errors import BackendError
from hollama.kernels import golden
from hollama.kernels.golden import PackedLinear, Quantisation
from tests.kernels.native import SOURCES, Matrix, aligned, fenced, same_bits

f32 = np.float32
DRIVER = Path(__file__).parent / "c" / "linear.c"
everywhere = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Linear(ctypes.Structure):
    _fields_ = (
        *((name, c_int32) for name in ("inputs", "outputs", "panels", "blocks", "scales")),
        *((name, c_void_p) for name in ("packed", "group_scale", "row_scale", "bias", "row_sum")),
    )


class Activations(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("low", "high", "low_sums", "high_sums")),
        *((name, c_int32) for name in ("rows", "stride", "zero_point")),
        ("scale", c_float),
    )


@dataclass(frozen=True)
class Case:
    weights: PackedLinear
    q: np.ndarray  # (rows, inputs), from 0 to 255 or 65535
    of: Quantisation
    add: np.ndarray | None = None

    def golden(self):
        centred = (self.q.astype(np.int64) - self.of.zero_point).astype(f32)
        y = golden.linear(centred, golden.unpack(self.weights, self.of.bits), self.of)
        return y if self.add is None else self.add + y


def copied(array):
    """The array right before memory that nobody may touch."""
    memory = fenced(array.nbytes)
    memory[:] = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    return memory


def layer(library, weights):
    """The struct, what it points to, and what inspect_linear says."""
    panels, blocks, scales, _ = weights.group_scale.shape
    arrays = [weights.packed, weights.group_scale, weights.row_scale, weights.bias]
    memory = [None if array is None else copied(array) for array in arrays]
    row_sum = np.full(16 * panels, 77, np.int32)
    pointers = [None if m is None else m.ctypes.data for m in memory]
    found = Linear(weights.inputs, weights.outputs, panels, blocks, scales, *pointers, row_sum.ctypes.data)
    wrong = library.inspect_linear(ctypes.byref(found), c_void_p(row_sum.ctypes.data), 0, panels)
    return found, [*memory, row_sum], wrong


def activations(q, of):
    """The struct and what it points to."""
    rows, inputs = q.shape
    stride = -(-inputs // 64) * 64
    parts = [q & 255] if of.bits == 8 else [q & 255, q >> 8]
    bytes_ = [np.pad(part.astype(int) - 128, ((0, 0), (0, stride - inputs))).astype(np.int8) for part in parts]
    sums = [part.reshape(rows, -1, 32).sum(axis=2, dtype=np.int32) for part in bytes_]
    memory = [copied(array) for array in (*bytes_, *sums)]
    low, low_sums = memory[0], memory[len(parts)]
    high, high_sums = (None, None) if of.bits == 8 else (memory[1].ctypes.data, memory[3].ctypes.data)
    pointers = (low.ctypes.data, high, low_sums.ctypes.data, high_sums)
    return Activations(*pointers, rows, stride, of.zero_point, of.scale), memory


def native(library, kernels, case, cuts=(), in_place=False):
    """What the kernels give, the panels cut into ranges at `cuts`; fails where they write beyond their columns."""
    weights, memory, wrong = layer(library, case.weights)
    assert not wrong
    x, more = activations(case.q, case.of)
    rows, outputs = len(case.q), weights.outputs
    out = np.full((rows, outputs + 3), 5.5, f32)
    add = Matrix(None, 0)
    if case.add is not None and in_place:
        out[:, :outputs], add = case.add, Matrix(out.ctypes.data, outputs + 3)
    elif case.add is not None:
        add = Matrix(case.add.ctypes.data, outputs)
    library.linear_scratch.restype = ctypes.c_size_t
    scratch = aligned(library.linear_scratch(weights.blocks), np.uint8, 0xA5)
    pointers = [ctypes.POINTER(Linear), ctypes.POINTER(Activations), Matrix, Matrix, c_int32, c_int32, c_void_p]
    linear = ctypes.CFUNCTYPE(None, *pointers)(kernels.linear if weights.scales else kernels.linear8)
    bounds = [0, *sorted(cut % (weights.panels + 1) for cut in cuts), weights.panels]
    for first, last in pairwise(bounds):
        linear(weights, x, Matrix(out.ctypes.data, outputs + 3), add, first, last, scratch.ctypes.data)
    assert memory and more and (out[:, outputs:] == 5.5).all()
    return out[:, :outputs]


def random_weights(rng, inputs, outputs, group, bias=True):
    """Weights of 4 bits in groups, or of 8 bits where the group is None."""
    w = rng.integers(-7, 8, (outputs, inputs), np.int8)
    row_scale = rng.random(outputs, f32) * f32(0.01) + f32(1e-6)
    more = rng.standard_normal(outputs, f32) if bias else None
    if group is None:
        return golden.pack_bytes(rng.integers(-127, 128, (outputs, inputs), np.int8), row_scale, more)
    scales = rng.integers(1, 19, (outputs, -(-inputs // (group or inputs))), np.uint8)
    return golden.pack(w, scales, group, row_scale, more)


@st.composite
def cases(draw, rows):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, outputs = draw(st.integers(1, 400) | st.integers(500, 1400)), draw(st.integers(1, 100))
    bits, group = draw(st.sampled_from([8, 8, 16])), draw(st.sampled_from([32, 64, 128, 0, None, None]))
    weights = random_weights(rng, inputs, outputs, group, draw(st.booleans()))
    count = draw(rows)
    zero_point = draw(st.sampled_from([0, 1, 100, 2**bits - 1, 2 ** (bits - 1)]))
    of = Quantisation(float(f32(rng.random() + 0.01)), zero_point, bits)
    q = rng.integers(0, 2**bits, (count, inputs))
    return Case(weights, q, of, rng.standard_normal((count, outputs), f32) if draw(st.booleans()) else None)


@everywhere
@given(cases(st.integers(1, 12)), st.lists(st.integers(0, 99), max_size=2), st.booleans())
def test_few_rows(library, kernels, case, cuts, in_place):
    same_bits(native(library, kernels, case, cuts, in_place), case.golden())


@everywhere
@given(cases(st.integers(13, 70)), st.lists(st.integers(0, 99), max_size=2), st.booleans())
def test_many_rows(library, kernels, case, cuts, in_place):
    same_bits(native(library, kernels, case, cuts, in_place), case.golden())


@pytest.mark.parametrize("rows", [1, 2, 16, 33])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("q", [0, 1])
@pytest.mark.parametrize("w", [-7, 7])
@pytest.mark.parametrize("inputs", [64, 8960, 65_984])
def test_extremes(library, kernels, rows, bits, q, w, inputs):
    group = 64 if w < 0 else 32
    scales = np.full((3, -(-inputs // group)), 18, np.uint8)
    ones = np.ones(3, f32)
    weights = golden.pack(np.full((3, inputs), w, np.int8), scales, group, ones, None)
    top = 2**bits - 1
    case = Case(weights, np.full((rows, inputs), q * top), Quantisation(0.5, 0 if q else top, bits))
    expected = f32((2 * q - 1) * top * w * 18 * inputs) * f32(0.5)
    assert (native(library, kernels, case) == expected).all()


@pytest.mark.parametrize("rows", [1, 16])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("q", [0, 1])
@pytest.mark.parametrize("w", [-127, 127])
def test_extremes_of_bytes(library, kernels, rows, bits, q, w):
    inputs, top = 65_984, 2**bits - 1
    weights = golden.pack_bytes(np.full((3, inputs), w, np.int8), np.ones(3, f32), None)
    case = Case(weights, np.full((rows, inputs), q * top), Quantisation(0.5, 0 if q else top, bits))
    assert (native(library, kernels, case) == f32((2 * q - 1) * top * w * inputs) * f32(0.5)).all()


@pytest.mark.parametrize("group", [64, None])
@pytest.mark.parametrize("rows", [1, 5, 40, 600])
def test_shapes_of_a_real_layer(library, kernels, rows, group):
    rng = np.random.default_rng(rows)
    weights = random_weights(rng, 1536, 272, group)
    case = Case(weights, rng.integers(0, 256, (rows, 1536)), Quantisation(0.02, 117))
    same_bits(native(library, kernels, case, cuts=(7,)), case.golden())


@pytest.mark.parametrize("group", [32, 64, None])
def test_row_sums_are_those_of_the_integer_weights(library, group):
    weights = random_weights(np.random.default_rng(0), 333, 40, group)
    _, memory, wrong = layer(library, weights)
    assert not wrong
    expected = golden.integer_weights(weights).sum(axis=1, dtype=np.int32)
    assert memory[-1].tolist() == [*expected.tolist(), *[0] * 8]


@pytest.mark.parametrize("byte", [0x0F, 0xF0, 0x00])
def test_a_weight_out_of_range_is_found_wherever_it_is(library, byte):
    weights = random_weights(np.random.default_rng(0), 130, 20, 64)
    for place in range(0, weights.packed.size, 97):
        packed = weights.packed.copy()
        packed.reshape(-1)[place] = byte
        assert layer(library, replace(weights, packed=packed))[2]


def test_a_byte_out_of_range_is_found_wherever_it_is(library):
    weights = random_weights(np.random.default_rng(0), 130, 20, None)
    for place in range(0, weights.packed.size, 97):
        packed = weights.packed.copy()
        packed.reshape(-1)[place] = 0
        assert layer(library, replace(weights, packed=packed))[2]
        with pytest.raises(BackendError, match="out of range"):
            golden.integer_weights(replace(weights, packed=packed))


@pytest.mark.parametrize("scale", [0, 19, 128, 255])
@pytest.mark.parametrize("group", [32, 64])
def test_a_scale_out_of_range_is_found_wherever_it_is(library, scale, group):
    weights = random_weights(np.random.default_rng(0), 130, 20, group)
    for place in range(weights.group_scale.size):
        scales = weights.group_scale.copy()
        scales.reshape(-1)[place] = scale
        assert layer(library, replace(weights, group_scale=scales))[2]


@pytest.fixture(scope="module")
def neon(tmp_path_factory):
    """Runs cases with linear_neon in an emulator of 64-bit ARM; here, if this machine is one."""
    compiler, emulator = (
        ("cc", []) if machine() in ("aarch64", "arm64") else ("aarch64-linux-gnu-gcc", ["qemu-aarch64"])
    )
    for tool in (compiler, *emulator):
        if not which(tool):
            pytest.skip(f"no {tool}")
    program = tmp_path_factory.mktemp("neon") / "linear"
    sources = [*(SOURCES / f"linear{name}.c" for name in ("_neon", "8", "_portable")), DRIVER]
    flags = ["-O2", "-ffp-contract=off", "-march=armv8.2-a+dotprod", "-static", "-DSET=neon", "-DRUN=linear_neon"]
    flags.append("-DRUN8=linear8_neon")
    subprocess.run([compiler, *flags, f"-I{SOURCES}", *sources, "-o", program], check=True)

    def run(cases):
        done = subprocess.run([*emulator, program], input=b"".join(map(plain, cases)), capture_output=True, check=True)
        return np.frombuffer(done.stdout, f32)

    return run


def plain(case):
    """A case as the driver reads it."""
    weights = case.weights
    blocks, scales = weights.group_scale.shape[1:3]
    rows, inputs = case.q.shape
    sizes = (inputs, weights.outputs, len(weights.packed), blocks, scales, rows, 64 * blocks, case.of.zero_point)
    header = np.array([*sizes, case.of.bits, weights.bias is not None], np.int32)
    arrays = [header, f32(case.of.scale), weights.packed, weights.group_scale, weights.row_scale]
    _, (*bytes_and_sums,) = activations(case.q, case.of)
    half = len(bytes_and_sums) // 2
    arrays += [] if weights.bias is None else [weights.bias]
    arrays += [array for pair in zip(bytes_and_sums[:half], bytes_and_sums[half:], strict=True) for array in pair]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("group", [32, 64, 0, None])
def test_neon(neon, bits, group):
    rng = np.random.default_rng(bits + (group or 7))
    found = []
    for rows in (1, 2, 3, 5, 8, 9, 13, 23):
        inputs, outputs = int(rng.integers(1, 400)), int(rng.integers(17, 70))
        weights = random_weights(rng, inputs, outputs, group, bias=rows % 2 == 0)
        of = Quantisation(0.25, int(rng.integers(0, 2**bits)), bits)
        found.append(Case(weights, rng.integers(0, 2**bits, (rows, inputs)), of))
    for q, w in ((0, -7), (1, 7), (1, -7), (0, 7)) if group is not None else ():
        ones = np.ones(17, f32)
        scales = np.full((17, -(-640 // (group or 640))), 18, np.uint8)
        weights = golden.pack(np.full((17, 640), w, np.int8), scales, group, ones, None)
        top = 2**bits - 1
        found.append(Case(weights, np.full((1 + 9 * q, 640), q * top), Quantisation(0.5, (1 - q) * top, bits)))
    same_bits(neon(found), np.concatenate([case.golden().ravel() for case in found]))
