"""Creating models: from files, from a model, and what the layers become."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hollama.errors import CompileError, HollamaError
from hollama.runtime.create import create
from hollama.runtime.create_request import CreateRequest
from hollama.store.manifest import ADAPTER, GGUF, HEF, PROJECTOR, SYSTEM, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store
from hollama.types import Message


@pytest.fixture
def base(store: Store, model_gguf: bytes) -> str:
    """A model with one layer of each kind."""
    texts = {"template": b"{{ .Prompt }}", "system": b"old", "params": b'{"stop":["x"],"top_k":3}\n', "license": b"MIT"}
    layers = [store.add_blob(model_gguf, GGUF)]
    layers += [store.add_blob(text, f"application/vnd.ollama.image.{kind}") for kind, text in texts.items()]
    store.write_manifest(ModelName.parse("Base"), ModelConfig("gguf", "llama", renderer="r", requires="0.1.0"), layers)
    return "Base"


async def test_gguf_is_kept_and_gets_a_package(run: Any, store: Store, upload: Any, model_gguf: bytes) -> None:
    digest = upload(model_gguf)
    steps = await run(CreateRequest("m", files={"model.gguf": digest}, system="Be kind."))
    assert [step.status for step in steps] == [
        "parsing GGUF",
        "converting model",
        "quantising",
        f"using existing layer {digest}",
        f"creating new layer {store.find('m').layers[1].digest}",
        "writing manifest",
        "success",
    ]
    model = store.find("m")
    assert model.model_path.read_bytes() == model_gguf
    assert store.package(model) == store.derived_path(model)
    assert (model.config.model_format, model.config.file_type, model.config.model_type) == ("gguf", "unknown", "64")


async def test_steps_of_the_compiler_carry_a_bar(run: Any, upload: Any, model_gguf: bytes) -> None:
    steps = await run(CreateRequest("m", files={"model": upload(model_gguf)}))
    (step,) = [step for step in steps if step.total]
    assert (step.digest, step.completed, step.total) == ("0" * 19, 1, 2)


async def test_package_is_compiled_once(run: Any, upload: Any, model_gguf: bytes, compiler: Any) -> None:
    for name in ("a", "b"):
        await run(CreateRequest(name, files={"m.gguf": upload(model_gguf)}))
    assert len(compiler.sources) == 1


async def test_checkpoint_becomes_a_package(run: Any, store: Store, upload: Any, compiler: Any) -> None:
    files = {"model.safetensors": b"weights", "config.json": b"{}", "sub/tokenizer.json": b"words"}
    steps = await run(CreateRequest("m", files={name: upload(data) for name, data in files.items()}))
    assert steps[0].status == "converting model"
    assert compiler.sources == [files]
    model = store.find("m")
    assert [layer.media_type for layer in model.layers] == [HEF]
    assert store.package(model) == model.model_path
    assert model.config == ModelConfig("hef", "llama", ("llama",), "1.50M", "W4A8KV8")
    assert not list((store.root / "blobs").glob("sha256-" + "?" * 16))


@pytest.mark.parametrize("name", ["model.har", "model"])
async def test_har_becomes_a_package(run: Any, store: Store, upload: Any, name: str, compiler: Any) -> None:
    steps = await run(CreateRequest("m", files={name: upload(b"har.json and more")}))
    assert [step.status for step in steps][:2] == ["parsing HAR", "converting model"]
    assert compiler.sources == [{".": b"har.json and more"}]
    model = store.find("m")
    assert [layer.media_type for layer in model.layers] == [HEF]
    assert model.config == ModelConfig("hef", "llama", ("llama",), "1.50M", "W4A8KV8")


@pytest.mark.parametrize("name", ["model.hef", "model"])
async def test_package_is_a_layer(
    run: Any, store: Store, upload: Any, package: bytes, name: str, compiler: Any
) -> None:
    steps = await run(CreateRequest("m", files={name: upload(package)}))
    assert steps[0].status == "parsing HEF"
    assert store.find("m").format == "hef"
    assert compiler.sources == []


async def test_projector_is_kept_beside_the_model(
    run: Any, store: Store, upload: Any, model_gguf: bytes, make_gguf: Any
) -> None:
    projector = make_gguf(architecture="clip")
    await run(CreateRequest("m", files={"a.gguf": upload(model_gguf), "b.gguf": upload(projector)}))
    assert [layer.media_type for layer in store.find("m").layers] == [GGUF, PROJECTOR]


async def test_layers_of_the_base_are_taken_over(run: Any, store: Store, base: str, compiler: Any) -> None:
    await run(CreateRequest("m", from_=base))
    old, new = store.find("base"), store.find("m")
    assert [layer.digest for layer in new.layers] == [layer.digest for layer in old.layers]
    assert {layer.origin for layer in new.layers} == {"Base:latest"}
    assert (new.parent, new.config) == ("Base:latest", old.config)
    assert compiler.sources == []


async def test_overrides(run: Any, store: Store, base: str) -> None:
    request = CreateRequest(
        "m",
        from_=base,
        template="<{{ .Prompt }}>",
        system="new",
        license=["Apache", ""],
        parameters={"temperature": 0.5, "top_k": 7, "a<b": "&"},
        messages=(Message("user", "hi"), Message("assistant", "<ho>")),
        renderer="other",
    )
    await run(request)
    model = store.find("m")
    assert (model.template, model.system, model.licenses) == ("<{{ .Prompt }}>", "new", ("MIT", "Apache"))
    assert model.parameters == {"a<b": "&", "stop": ["x"], "temperature": 0.5, "top_k": 7}
    assert model.messages == (Message("user", "hi"), Message("assistant", "<ho>"))
    assert (model.config.renderer, model.config.requires) == ("other", "0.1.0")
    kinds = [layer.media_type.rsplit(".", 1)[1] for layer in model.layers]
    assert kinds == ["model", "license", "template", "system", "license", "params", "messages"]
    data = [store.blob_path(layer.digest).read_bytes() for layer in model.layers]
    assert data[5] == b'{"a\\u003cb":"\\u0026","stop":["x"],"temperature":0.5,"top_k":7}\n'
    assert data[6] == b'[{"role":"user","content":"hi"},{"role":"assistant","content":"\\u003cho\\u003e"}]\n'


async def test_empty_texts_leave_the_base_as_it_is(run: Any, store: Store, base: str) -> None:
    await run(CreateRequest("m", from_=base, system="", template="", license="", messages=(), parameters={}))
    assert len(store.find("m").layers) == len(store.find("base").layers)


async def test_model_can_be_made_of_itself(run: Any, store: Store, base: str) -> None:
    old = store.find("base").last(SYSTEM)
    await run(CreateRequest("base", from_=base, system="new"))
    assert old and not store.has_blob(old.digest)
    assert [model.name.short for model in store.models()] == ["Base:latest"]
    assert store.find("base").system == "new"


async def test_info_fills_the_config(run: Any, store: Store, base: str) -> None:
    info = {
        "model_family": "f",
        "base_name": "b",
        "quantization_level": "q",
        "parameter_size": "7B",
        "context_length": 8.0,
        "embedding_length": 4,
        "capabilities": ["tools", 5],
        "other": 3,
    }
    await run(CreateRequest("m", from_=base, info=info))
    config = store.find("m").config
    assert (config.model_family, config.model_families, config.base_name) == ("f", ("f",), "b")
    assert (config.file_type, config.model_type, config.context_length) == ("q", "7B", 8)
    assert (config.embedding_length, config.capabilities) == (4, ("tools",))


async def test_adapter_is_kept_as_a_layer(run: Any, store: Store, base: str, upload: Any, make_gguf: Any) -> None:
    adapter = make_gguf(kind="adapter")
    await run(CreateRequest("m", from_=base, adapters={"a.gguf": upload(adapter)}))
    layers = store.find("m").all(ADAPTER)
    assert [store.blob_path(layer.digest).read_bytes() for layer in layers] == [adapter]
    assert len(store.find("m").adapter_paths) == 1


async def test_files_of_an_adapter_keep_their_names(run: Any, store: Store, base: str, upload: Any) -> None:
    files = {"x/adapter_model.safetensors": upload(b"w"), "x/adapter_config.json": upload(b"{}")}
    await run(CreateRequest("m", from_=base, adapters=files))
    assert [layer.name for layer in store.find("m").layers[-2:]] == ["adapter_model.safetensors", "adapter_config.json"]
    assert len(store.find("m").adapter_paths) == 2


@pytest.mark.parametrize(
    ("request_", "host", "model"),
    [
        (CreateRequest("m", from_="far", remote_host="h:1"), "http://h:1", "far"),
        (CreateRequest("m", from_="far", remote_host="::::"), "http://[::::]:11434", "far"),
        (CreateRequest("m", from_="gpt:120b-cloud"), "https://ollama.com:443", "gpt:120b"),
        (CreateRequest("m", from_="gpt:cloud"), "https://ollama.com:443", "gpt"),
    ],
)
async def test_stub_of_a_remote_model(run: Any, store: Store, request_: CreateRequest, host: str, model: str) -> None:
    await run(request_)
    config = store.find("m").config
    assert (config.remote_host, config.remote_model, store.find("m").layers) == (host, model, ())


@pytest.mark.parametrize("quantize", ["w4a8kv8", "q4_K_M", "BF16"])
async def test_quantize_names(run: Any, store: Store, upload: Any, model_gguf: bytes, quantize: str) -> None:
    await run(CreateRequest("m", files={"m.gguf": upload(model_gguf)}, quantize=quantize))
    assert store.find("m")


async def test_failed_compilation_leaves_nothing(run: Any, store: Store, upload: Any, compiler: Any) -> None:
    files = {"model.safetensors": upload(b"weights")}
    before = sorted((store.root / "blobs").iterdir())
    compiler.fail = CompileError("no weight")
    with pytest.raises(CompileError, match="no weight"):
        await run(CreateRequest("m", files=files, system="text"))
    assert sorted((store.root / "blobs").iterdir()) == before
    assert store.models() == []


async def test_client_that_leaves_stops_the_compiler(store: Store, upload: Any, model_gguf: bytes) -> None:
    state = SimpleNamespace(running=False, stopped=False)

    async def endless(source: Path, target: Path, progress: Any, adapters: Any) -> None:
        state.running = True
        progress("quantising", 0, 1)
        try:
            await asyncio.sleep(60)
        finally:
            state.stopped = True

    steps = create(store, CreateRequest("m", files={"m.gguf": upload(model_gguf)}), endless)
    async for step in steps:
        if step.status == "quantising":
            break
    assert (state.running, state.stopped) == (True, False)
    await steps.aclose()
    assert state.stopped
    assert store.models() == []


async def test_broken_package_is_no_model(run: Any, store: Store, upload: Any) -> None:
    with pytest.raises(HollamaError):
        await run(CreateRequest("m", files={"m.hef": upload(b"\x01HEF" + b"junk" * 20)}))
    assert store.models() == []


async def test_config_is_one_line_of_json(run: Any, store: Store, upload: Any, model_gguf: bytes) -> None:
    await run(CreateRequest("m", files={"m.gguf": upload(model_gguf)}))
    manifest = json.loads((store.root / "manifests" / ModelName.parse("m").path).read_bytes())
    config = store.blob_path(manifest["config"]["digest"]).read_bytes()
    assert config == (
        b'{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"64",'
        b'"file_type":"unknown","architecture":"amd64","os":"linux"}\n'
    )
