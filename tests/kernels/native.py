"""The C kernels as tests call them: built once a session from hollama/kernels/c, one `Kernels` an instruction set."""

import ctypes
import mmap
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hollama.kernels

SOURCES = Path(hollama.kernels.__file__).parent / "c"
SETS = ("portable", "avx2", "avxvnni", "avx512vnni", "amx", "neon")

c_int32, c_int64, c_float, c_double, c_void_p = (
    ctypes.c_int32, ctypes.c_int64, ctypes.c_float, ctypes.c_double, ctypes.c_void_p,
)  # fmt: skip


class Matrix(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("stride", c_int64))


class Segment(ctypes.Structure):
    _fields_ = (("first_row", c_int32), ("rows", c_int32), ("start", c_int32), ("pages", c_void_p))


class KvShape(ctypes.Structure):
    _fields_ = (("head_dim", c_int32), ("kv_heads", c_int32), ("caches", c_int32))


class Attention(ctypes.Structure):
    _fields_ = (
        ("segment", ctypes.POINTER(Segment)), ("cache", c_int32), ("heads", c_int32), ("bidirectional", c_int32),
        ("shape", KvShape), ("query", c_void_p), ("query_stride", c_int64), ("zero_v", c_int32), ("scale_v", c_float),
        ("step", c_float), ("out", Matrix),
    )  # fmt: skip


def function(*arguments):
    return ctypes.CFUNCTYPE(None, *arguments)


class Kernels(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("linear", c_void_p),
        ("linear8", c_void_p),
        ("attend", function(ctypes.POINTER(Attention), c_int32, c_int32, c_int32, c_void_p)),
        ("norm", function(c_void_p, c_void_p, c_void_p, c_int32, c_double)),
        ("layer_norm", function(*[c_void_p] * 4, c_int32, c_double)),
        ("quantise8", function(c_void_p, c_void_p, c_void_p, c_int32, c_float, c_int32)),
        ("quantise16", function(*[c_void_p] * 5, c_int32, c_float, c_int32)),
        ("quantise_query", function(c_void_p, c_void_p, c_int32, c_float)),
        ("rope", function(*[c_void_p] * 4, c_int32, c_int32)),
        ("gated", function(*[c_void_p] * 3, c_int32)),
        ("gelu", function(*[c_void_p] * 2, c_int32)),
        ("gelu_tanh", function(*[c_void_p] * 2, c_int32)),
        ("add", function(*[c_void_p] * 3, c_int32)),
        ("embed", function(c_void_p, c_void_p, c_int32, c_float, c_int32)),
        ("store", function(*[c_void_p] * 3, c_int32, c_int32, KvShape, c_float, c_int32, c_float, c_int32)),
    )


def build(into: Path) -> ctypes.CDLL:
    """The library that HOLLAMA_LIBRARY names, or one built with what is here of CMake and compilers; else skips."""
    if os.environ.get("HOLLAMA_LIBRARY"):
        return declared(Path(os.environ["HOLLAMA_LIBRARY"]))
    if not (shutil.which("cmake") and shutil.which("cc")):
        pytest.skip("no cmake or no C compiler")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    subprocess.run(["cmake", "-S", SOURCES, "-B", into, *generator], check=True, capture_output=True)
    found = subprocess.run(["cmake", "--build", into, "-j2"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    return declared(next(into.glob("libhollama_kernels.*")))


def declared(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.kernels_named.restype = ctypes.POINTER(Kernels)
    library.attention_scratch.restype = ctypes.c_size_t
    return library


def kernels_named(library: ctypes.CDLL, name: str) -> Kernels:
    """The kernels of a set; skips where the machine or the build lacks it."""
    found = library.kernels_named(name.encode())
    if not found:
        pytest.skip(f"this machine or this build has no {name}")
    return found.contents


def aligned(shape, dtype, fill=0):
    """An array of equal bytes that starts at a multiple of 64 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.full(size + 64, fill, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def same_bits(found, expected):
    np.testing.assert_array_equal(np.asarray(found).view(np.uint32), np.asarray(expected).view(np.uint32))


def fenced(size: int):
    """`size` bytes right before memory that nobody may touch: reading beyond them ends the process.

    Returns the array; its memory lives as long as it does.
    """
    pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    whole = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None)
    fence = c_void_p(whole.ctypes.data + pages * mmap.PAGESIZE)
    assert libc.mprotect(fence, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    return whole[pages * mmap.PAGESIZE - size : pages * mmap.PAGESIZE]
