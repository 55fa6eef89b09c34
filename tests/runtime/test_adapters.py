"""Adapters from a Modelfile to the answer: compiled into the package, chosen by request, side by side, no reload."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import hollama_adapters
import numpy as np
import pytest

from hollama.compiler import CompileSettings, compile_package, read_adapter
from hollama.config import load_settings
from hollama.errors import CompileError, RequestError
from hollama.modelfile import ADAPTER_OPTION, parse
from hollama.plugins import load_plugins
from hollama.runtime.create import create
from hollama.runtime.create_request import CreateRequest
from hollama.runtime.runtime import Runtime
from hollama.runtime.show import modelfile, show
from hollama.store.manifest import ADAPTER_FILE, GGUF, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store
from hollama.types import Delta, GenerateRequest, Terms
from tests.checkpoints import random_checkpoint
from tests.compiler.test_adapters import gguf_lora
from tests.loras import random_lora

STORIES = "data/derived/stories260k/stories260K.f32.gguf"


class InProcess:
    """The real compiler without its process; counts."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, source: Path, target: Path, progress: Any, adapters: Any) -> None:
        self.runs += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        specs = hollama_adapters.hollama_adapters()
        files = tuple(read_adapter(name, path, specs) for name, path in adapters.items())
        settings = CompileSettings(context=128, windows=1, adapters=files)
        await asyncio.to_thread(compile_package, source, target, settings, lambda *_: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    random_checkpoint(folder / "base")
    for seed, name in enumerate(("one", "two")):
        random_lora(folder / name, folder / "base", seed=seed)
    random_lora(folder / "wide", random_checkpoint(folder / "wide-base", hidden_size=128))
    return folder


class Desk:
    def __init__(self, root: Path) -> None:
        settings = replace(load_settings({"OLLAMA_MODELS": str(root)}), backend="emulator", num_parallel=4)
        self.store, self.compiler = Store(root), InProcess()
        self.runtime = Runtime(settings, load_plugins(), self.store, self.compiler)

    def upload(self, folder: Path) -> dict[str, str]:
        paths = folder.iterdir() if folder.is_dir() else [folder]
        return {path.name: self.store.add_blob(path, "").digest for path in paths}

    async def create(self, name: str, adapter: Path | None = None, **request: Any) -> None:
        adapters = self.upload(adapter) if adapter else {}
        async for _ in create(self.store, CreateRequest(name, adapters=adapters, **request), self.compiler):
            pass

    async def say(self, model: str, prompt: str = "Tell me", **options: Any) -> str:
        terms = Terms(options={"temperature": 0, "num_predict": 12, **options})
        events = self.runtime.generate(GenerateRequest(model, prompt, raw=True, terms=terms))
        return "".join([event.content async for event in events if isinstance(event, Delta)])


@pytest.fixture
async def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path / "models")
    yield desk
    await desk.runtime.aclose()


@pytest.fixture
def both(folder: Path, tmp_path: Path) -> Path:
    specs = hollama_adapters.hollama_adapters()
    files = tuple(read_adapter(name, folder / name, specs) for name in ("one", "two"))
    compile_package(
        folder / "base", tmp_path / "both.hef", CompileSettings(context=128, adapters=files), lambda *_: None
    )
    return tmp_path / "both.hef"


async def test_adapters_are_chosen_by_request_and_by_modelfile(desk: Desk, both: Path) -> None:
    await desk.create("m", files=desk.upload(both))
    await desk.create("fixed", from_="m", parameters={"adapter": "two"})
    plain, one, two = [await desk.say("m", adapter=name) for name in ("", "one", "two")]
    assert len({plain, one, two}) == 3
    assert await desk.say("m") == plain
    assert await desk.say("fixed") == two
    assert await desk.say("fixed", adapter="one") == one
    assert len(desk.runtime.residents()) == 1  # one load serves them all
    told = {name: show(desk.store.find(name), False, "", {}) for name in ("m", "fixed")}
    assert told["m"]["adapters"] == told["fixed"]["adapters"] == ["one", "two"]
    assert (told["m"].get("adapter"), told["fixed"]["adapter"]) == (None, "two")
    with pytest.raises(RequestError, match='no adapter "three"; there are: one, two'):
        await desk.say("m", adapter="three")
    with pytest.raises(RequestError, match='no adapter "three"; there are: one, two'):
        await desk.create("wrong", from_="m", parameters={"adapter": "three"})
    assert [model.name.short for model in desk.store.models()] == ["fixed:latest", "m:latest"]


async def test_ten_chats_at_once_say_what_each_says_alone(desk: Desk, both: Path) -> None:
    await desk.create("m", files=desk.upload(both))
    asked = [(f"chat {number}", ("", "one", "two")[number % 3]) for number in range(10)]
    together = await asyncio.gather(*(desk.say("m", prompt, adapter=name) for prompt, name in asked))
    assert together == [await desk.say("m", prompt, adapter=name) for prompt, name in asked]


async def test_a_modelfiles_adapter_is_compiled_into_the_package(desk: Desk, folder: Path) -> None:
    await desk.create("base", files=desk.upload(folder / "base"))
    await desk.create("one", folder / "one", files=desk.upload(folder / "base"))
    await desk.create("later", folder / "one", from_="base")
    await desk.create("two", folder / "two", from_="one")
    assert desk.compiler.runs == 4
    said = {name: await desk.say(name) for name in ("base", "one", "later", "two")}
    assert said["one"] == said["later"]
    assert len(set(said.values())) == 3
    assert await desk.say("one", adapter="") == said["base"]
    model = desk.store.find("two")
    assert len(model.adapter_paths) == 2  # the config and the weights of one adapter
    told = show(model, False, "", {})
    assert (told["adapters"], told["adapter"]) == ([desk.store.find("one").adapter, model.adapter], model.adapter)
    again = parse(told["modelfile"].encode())
    (package,) = again.sources
    parameters = {"adapter": again.last(ADAPTER_OPTION)}
    await desk.create("again", files=desk.upload(Path(package)), parameters=parameters)
    assert await desk.say("again") == said["two"]


@pytest.mark.slow
async def test_a_gguf_model_has_a_package_for_each_adapter(desk: Desk, shared: Path, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    a, b = chance.standard_normal((2, 64), np.float32), chance.standard_normal((64, 2), np.float32)
    lora = gguf_lora(tmp_path / "a.gguf", "blk.0.attn_output.weight", a, b)
    await desk.create("base", files=desk.upload(shared / STORIES))
    await desk.create("adapted", lora, from_="base")
    assert desk.compiler.runs == 2
    (adapter,) = parse(show(desk.store.find("adapted"), False, "", {})["modelfile"].encode()).all("adapter")
    assert Path(adapter).read_bytes() == lora.read_bytes()
    with pytest.raises(RequestError, match='no adapter "x"; there are: none'):
        await desk.create("wrong", from_="base", parameters={"adapter": "x"})
    assert await desk.say("base") != await desk.say("adapted")
    assert await desk.say("base") == await desk.say("adapted", adapter="")
    assert len(desk.runtime.residents()) == 2
    packages = {name: desk.store.package(desk.store.find(name)) for name in ("base", "adapted")}
    desk.store.delete("base")
    assert [name for name, path in packages.items() if path and path.exists()] == ["adapted"]
    await asyncio.to_thread(packages["adapted"].unlink)
    await desk.runtime.aclose()
    desk.runtime = Desk(desk.store.root).runtime
    assert await desk.say("adapted")  # compiled anew, with the adapter
    assert packages["adapted"].exists()


async def test_an_adapter_of_another_model_is_refused(desk: Desk, folder: Path) -> None:
    await desk.create("base", files=desk.upload(folder / "base"))
    with pytest.raises(CompileError, match="the model's layer has"):
        await desk.create("bad", folder / "wide", from_="base")
    assert [model.name.short for model in desk.store.models()] == ["base:latest"]


def test_a_gguf_model_with_an_adapters_files_is_made_again_of_its_name(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    files = [replace(store.add_blob(name.encode(), ADAPTER_FILE), name=name) for name in ("a.json", "a.safetensors")]
    model = store.write_manifest(ModelName.parse("m"), ModelConfig("gguf"), [store.add_blob(b"weights", GGUF), *files])
    again = parse(modelfile(model, "", {}).encode())
    assert (again.sources, again.all("adapter")) == (("m:latest",), ())
