"""A store, ways to put files in, and a compiler whose packages are real HEF files without a graph."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from hollama.formats.hef import CONFIG, TOKENIZER, WEIGHTS, write_hef
from hollama.formats.package import FORMAT
from hollama.formats.safetensors import safetensors_chunks
from hollama.runtime.compile import NONE, Adapters
from hollama.runtime.create import Progress, create
from hollama.runtime.create_request import CreateRequest
from hollama.store.store import Store
from hollama.types import OnProgress

Run = Callable[[CreateRequest], Awaitable[list[Progress]]]


class PackageCompiler:
    """Writes a package that describes itself; remembers what it was given. `fail` instead raises."""

    def __init__(self) -> None:
        self.sources: list[dict[str, bytes]] = []
        self.fail: Exception | None = None

    async def __call__(self, source: Path, target: Path, progress: OnProgress, adapters: Adapters = NONE) -> None:
        paths = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else [source]
        self.sources.append({str(path.relative_to(source)): path.read_bytes() for path in paths})
        progress("quantising", 1, 2)
        if self.fail:
            raise self.fail
        target.parent.mkdir(exist_ok=True)
        write_package(target)


def write_package(path: Path, context: int = 64) -> None:
    own = {
        "format": FORMAT, "architecture": "llama", "quantization": "W4A8KV8", "parameter_count": 1_500_000,
        "tokenizer": "byte", "vocab_size": 256, "bos_token_id": None,
        "bos_token": "", "eos_token": "", "add_bos": False,
        "options": {}, "metadata": {"general.architecture": "llama", "llama.context_length": context},
    }  # fmt: skip
    config = {
        "hollama": own,
        "chat_template": "",
        "stop_token_id": [0],
        "pre_process_params": {"kv_cache_size": context, "prefill_input_tokens_count": 16},
    }
    weights = b"".join(safetensors_chunks({"w": np.zeros((2, 3), np.float32)}))
    resources = {TOKENIZER: b"{}", CONFIG: json.dumps(config).encode(), WEIGHTS: weights}
    write_hef(path, network_groups=(), resources=resources)


def write_gguf(path: Path, dtype: str = "f2", kind: str = "", architecture: str = "llama", **extra: int) -> bytes:
    writer = gguf.GGUFWriter(path, architecture)
    if kind:
        writer.add_type(kind)
    writer.add_context_length(128)
    writer.add_block_count(1)
    for key, value in extra.items():
        writer.add_uint16(key.replace("__", "."), value)
    if dtype == "q8_0":
        writer.add_tensor("w", np.zeros((2, 34), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    else:
        writer.add_tensor("w", np.zeros((2, 32), dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def upload(store: Store) -> Callable[[bytes], str]:
    """A blob as /api/blobs takes it; returns its digest."""
    return lambda data: store.add_blob(data, "").digest


@pytest.fixture
def make_gguf(tmp_path: Path) -> Callable[..., bytes]:
    """The bytes of a small GGUF; see `write_gguf`."""
    return lambda *args, **extra: write_gguf(tmp_path / "made.gguf", *args, **extra)


@pytest.fixture
def model_gguf(make_gguf: Callable[..., bytes]) -> bytes:
    return make_gguf()


@pytest.fixture
def package(tmp_path: Path) -> bytes:
    write_package(tmp_path / "made.hef")
    return (tmp_path / "made.hef").read_bytes()


@pytest.fixture
def other_package(tmp_path: Path) -> bytes:
    write_package(tmp_path / "other.hef", context=32)
    return (tmp_path / "other.hef").read_bytes()


@pytest.fixture
def compiler() -> PackageCompiler:
    return PackageCompiler()


@pytest.fixture
def run(store: Store, compiler: PackageCompiler) -> Run:
    async def steps(request: CreateRequest) -> list[Progress]:
        return [step async for step in create(store, request, compiler)]

    return steps
