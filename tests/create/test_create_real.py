"""Creating from real checkpoints with the real compiler, and being killed on the way."""

import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hollama.compiler import CompileSettings
from hollama.compiler.stages import optimise_stage, parse
from hollama.errors import CompileError
from hollama.formats.package import read_info
from hollama.runtime.compile import ChildCompiler
from hollama.runtime.create import Progress, create
from hollama.runtime.create_request import CreateRequest
from hollama.store.inspect import describe
from hollama.store.store import Store
from tests.checkpoints import random_checkpoint

STORIES = "data/derived/stories260k"

LOOP = """
import asyncio, os, sys
from pathlib import Path
from hollama.runtime.compile import ChildCompiler
from hollama.runtime.create import create
from hollama.runtime.create_request import CreateRequest
from hollama.store.store import Store

store = Store(Path(sys.argv[1]))
package = store.blob_path(sys.argv[2])
copy = f"import sys, shutil; shutil.copyfile({str(package)!r}, sys.argv[2])"
compiler = ChildCompiler((sys.executable, "-S", "-c", copy))

async def main():
    for turn in range(10**6):
        files = {"model.safetensors": store.add_blob(os.urandom(1000), "").digest}
        request = CreateRequest(f"m{turn % 3}", files=files, system=str(turn))
        if turn % 2:
            request = CreateRequest(f"m{turn % 3}", files={"p.hef": sys.argv[2]}, system=str(turn))
        async for _ in create(store, request, compiler):
            pass
        print(turn, flush=True)

asyncio.run(main())
"""


async def made(store: Store, files: dict[str, Path]) -> list[Progress]:
    digests = {name: store.add_blob(path, "").digest for name, path in files.items()}
    return [step async for step in create(store, CreateRequest("stories", files=digests), ChildCompiler())]


@pytest.mark.slow
async def test_real_gguf(store: Store, shared: Path) -> None:
    source = shared / STORIES / "stories260K.f32.gguf"
    steps = await made(store, {"stories.gguf": source})
    model = store.find("stories")
    package = store.package(model)
    assert package == store.derived_path(model)
    assert package and read_info(package).quantization == "W4A8KV8"
    assert model.model_path.read_bytes() == source.read_bytes()
    assert any(step.total for step in steps)
    assert steps[-1].status == "success"


@pytest.mark.slow
async def test_real_folder(store: Store, shared: Path) -> None:
    folder = shared / STORIES / "stories260K-hf-llama"
    await made(store, {path.name: path for path in folder.iterdir()})
    model = store.find("stories")
    assert store.package(model) == model.model_path
    found = describe(model)
    assert (found.architecture, found.file_type, found.embedding_length) == ("llama", "W4A8KV8", 64)
    assert (model.config.model_format, model.config.file_type) == ("hef", "W4A8KV8")


@pytest.mark.slow
@pytest.mark.parametrize("optimised", [False, True])
async def test_real_har(store: Store, tmp_path: Path, optimised: bool) -> None:
    """Optimised, it keeps what it was quantised with; parsed, it becomes what its checkpoint would."""
    source, settings = random_checkpoint(tmp_path / "checkpoint"), CompileSettings(context=64, group_size=32)
    stage = partial(optimise_stage, settings=settings) if optimised else parse
    stage(source, tmp_path / "m.har", progress=lambda *step: None)
    await made(store, {"m.har": tmp_path / "m.har"})
    assert read_info(store.find("stories").model_path).context == (64 if optimised else 256)


@pytest.mark.slow
async def test_broken_har(store: Store, tmp_path: Path) -> None:
    (tmp_path / "m.har").write_bytes(b"har.json")
    with pytest.raises(CompileError, match="the file is no checkpoint; expected a GGUF"):
        await made(store, {"m.har": tmp_path / "m.har"})
    assert store.models() == []


@pytest.mark.slow
async def test_real_refusal(store: Store, tmp_path: Path, make_gguf: Any) -> None:
    """An architecture that the compiler does not know: its own words, and no model."""
    (tmp_path / "m.gguf").write_bytes(make_gguf(architecture="mamba"))
    with pytest.raises(CompileError, match='unsupported architecture "mamba"'):
        await made(store, {"m.gguf": tmp_path / "m.gguf"})
    assert store.models() == []
    assert list((store.root / "hef").iterdir()) == []


def test_killed_while_creating(store: Store, package: bytes, upload: Any) -> None:
    digest = upload(package)
    chance = random.Random(7)
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", LOOP, str(store.root), digest], stdout=subprocess.PIPE)
        assert child.stdout and child.stdout.readline() == b"0\n"
        time.sleep(chance.uniform(0, 0.4))
        child.kill()
        child.communicate()
        models = store.models()
        assert models and len(models) == len(list((store.root / "manifests").glob("*/*/*/*")))
        for model in models:
            assert model.system.isdigit()
            assert read_info(store.package(model) or Path()).architecture == "llama"
