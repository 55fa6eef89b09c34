"""Both models of the same random weights, made once and kept in the cache. Knows no speed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gguf import GGUFReader

from hollama.compiler import CompileSettings, compile_checkpoint
from hollama.errors import HefError
from hollama.formats.hef import EMBEDDINGS, ROPE_THETA, WEIGHTS, Hef
from hollama.formats.package import read_info

from .llamacpp import quantise
from .servers import OUR_NAME, our_server
from .weights import Shape, write_gguf

_CONTEXT = 2048


@dataclass(frozen=True)
class Models:
    """Files of one shape. `store` is a models folder for `hollama serve` with the package in it."""

    q4_0: Path
    pure: Path  # Q4_0 throughout, embeddings too
    package: Path
    store: Path


def prepared(folder: Path, shape: Shape, bin_folder: Path) -> Models:
    """Make what is not there yet. The float16 original, some gigabytes, is deleted when all is made of it."""
    models = Models(folder / "q4_0.gguf", folder / "pure.gguf", folder / "model.hef", folder / "store")
    stale = not _usable(models.package)
    if stale or not models.q4_0.exists() or not models.pure.exists():
        folder.mkdir(parents=True, exist_ok=True)
        original = folder / "f16.gguf"
        if not original.exists():
            part = original.with_suffix(".part")
            write_gguf(part, shape)
            part.rename(original)
        if not models.q4_0.exists():
            quantise(bin_folder, original, models.q4_0)
        if not models.pure.exists():
            quantise(bin_folder, original, models.pure, "--pure")
        if stale:
            shutil.rmtree(models.store, ignore_errors=True)
            compile_package(original, models.package)
        original.unlink()
    if not models.store.exists():
        fill_store(models.store, models.package)
    return models


def _usable(package: Path) -> bool:
    try:
        read_info(package)
    except (HefError, FileNotFoundError):  # not there, or of an older format
        return False
    return True


def compile_package(original: Path, package: Path) -> None:
    """By hollama's own compiler; nothing but speed is measured, so round to nearest will do."""
    settings = CompileSettings(context=_CONTEXT, windows=1, window=32, rotates=False, gptq=False)
    compile_checkpoint(original, package, settings, lambda *_: None)


def fill_store(store: Path, package: Path) -> None:
    """Make a models folder for `hollama serve` with the package in it."""
    modelfile = package.with_suffix(".Modelfile")
    modelfile.write_text(f"FROM {package}\n")
    with our_server(store, frozenset(os.sched_getaffinity(0))) as server:
        environment = {**os.environ, "HOLLAMA_HOST": f"127.0.0.1:{server.port}"}
        command = [sys.executable, "-m", "hollama", "create", OUR_NAME, "-f", modelfile]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bytes_per_token(gguf: Path) -> int:
    """What decoding a token reads of llama.cpp's file: every weight once, the tied embeddings as last layer."""
    return sum(int(tensor.n_bytes) for tensor in GGUFReader(gguf).tensors)


def our_bytes_per_token(package: Path) -> int:
    """What decoding a token reads of a package: every weight once, and one row of the embedding table."""
    info = read_info(package)
    with Hef.open(package) as hef:
        table, weights = len(hef.resources[EMBEDDINGS]), len(hef.resources[WEIGHTS])
        return weights + table // info.vocab_size + len(hef.resources[ROPE_THETA])
