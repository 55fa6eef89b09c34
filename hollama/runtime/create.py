"""Makes a model of another one, or of uploaded files: what /api/create does. Knows no HTTP and no registry.

Everything that can be refused is refused before the compiler runs. Until the manifest is renamed into its place nothing
exists but blobs that no model needs, which pruning takes: so a failure, a client that leaves and a kill cost nothing.
Source: facts about Modelfiles, section 4; the words of its errors are Ollama's.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hollama.config import parse_host
from hollama.errors import CreateError, RequestError
from hollama.formats.gguf import NotAGguf
from hollama.runtime.compile import Compiler
from hollama.runtime.create_request import (
    CreateRequest,
    check_quantization,
    check_request,
    check_template,
    config_overrides,
    new_texts,
)
from hollama.store import manifest as media
from hollama.store.inspect import Description, describe_file
from hollama.store.intake import adapter_files, file_kind, gguf_media_type, is_quantised, lay_out
from hollama.store.manifest import Layer, ModelConfig
from hollama.store.model import adapter_name
from hollama.store.names import DEFAULT_HOST, ModelName
from hollama.store.store import Store

OLLAMA_COM = "https://ollama.com:443"
_STEP_DIGEST = "{:019d}"  # Ollama's client draws one bar for each digest, and cuts 19 characters out of it


@dataclass(frozen=True)
class Progress:
    """A line of the answer. `total` and `completed` count whatever the step counts."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


@dataclass(frozen=True)
class _Base:
    """What the new model starts from, and what has to be compiled before it exists."""

    config: ModelConfig
    layers: tuple[Layer, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weights: Description | None = None
    gguf: str = ""  # digest of a GGUF that gets a package beside it
    package: str = ""  # digest of a package that gets an adapter, in a package that takes its place
    checkpoint: Mapping[str, str] = field(default_factory=dict)  # uploaded files of a folder, which becomes a package
    har: str = ""  # digest of a HAR, which does likewise


async def create(store: Store, request: CreateRequest, compiler: Compiler) -> AsyncGenerator[Progress, None]:
    """Create a model; the steps as they are taken, "success" last.

    Raises RequestError, CreateError, StoreError, FormatError, TemplateError, CompileError. What is wrong with the
    request itself is raised before the first step.
    """
    name = check_request(request)
    for status in _opening(store, request):
        yield Progress(status)
    base = await asyncio.to_thread(_open, store, request)
    added = await asyncio.to_thread(_added_files, store, request)
    base = _adapted(base, added)
    files = (*base.layers, *added)
    overrides = config_overrides(request)
    check_template(request.template)
    check_quantization(request)
    _check_precision(request, base)
    texts = new_texts(request, base.parameters)
    with _workplace(store, base, files) as (source, target), adapter_files(store, files) as adapters:
        if source and not target.exists():
            async with contextlib.aclosing(_compile(partial(compiler, adapters=adapters), source, target)) as steps:
                async for step in steps:
                    yield step
        base = await asyncio.to_thread(_with_package, store, base, target)
    await asyncio.to_thread(_check_adapter, store, (*base.layers, *added), request.parameters)
    statuses, layers = await asyncio.to_thread(_layers, store, (*base.layers, *added), texts)
    for status in statuses:
        yield Progress(status)
    yield Progress("writing manifest")
    await asyncio.to_thread(store.write_manifest, name, _configured(base.config, overrides), layers)
    yield Progress("success")


# ── what the new model starts from ────────────────────────────────────────────────────────────────────────────────────


def _opening(store: Store, request: CreateRequest) -> list[str]:
    """The first statuses; raises for what has no right start."""
    if request.from_:
        source = ModelName.parse(request.from_)
        return [] if request.remote_host or _is_cloud(source) or store.exists(source) else ["pulling manifest"]
    if request.files is None:
        raise RequestError("neither 'from' or 'files' was specified")
    kind = file_kind(store, request.files)
    return {
        "gguf": ["parsing GGUF"],
        "hef": ["parsing HEF"],
        "har": ["parsing HAR"],
        "safetensors": ["converting model"],
    }[kind]


def _open(store: Store, request: CreateRequest) -> _Base:
    """Reads the base; nothing is written."""
    if request.from_:
        return _from_model(store, request)
    files = request.files or {}
    for digest in files.values():
        store.blobs.touch(digest)  # says which one is missing, and keeps the others from pruning
    readers = {"gguf": _from_gguf, "hef": _from_hef, "har": _from_har, "safetensors": _from_checkpoint}
    return readers[file_kind(store, files)](store, files)


def _from_model(store: Store, request: CreateRequest) -> _Base:
    name = ModelName.parse(request.from_)
    if request.remote_host or _is_cloud(name):
        return _stub(request, name)
    if not store.exists(name):
        raise CreateError(f"pull model manifest: {_absent(name)}")
    model = store.find(name)
    layers = tuple(replace(layer, origin=model.name.short) for layer in model.layers)
    weights = describe_file(model.model_path, model.format, verbose=False) if request.quantize else None
    return _Base(model.config, layers, model.parameters, weights)


def _absent(name: ModelName) -> str:
    """Why a base that is not installed cannot be had: no registry is asked."""
    return "file does not exist" if name.host == DEFAULT_HOST else f"registry {name.host} is unreachable"


def _is_cloud(name: ModelName) -> bool:
    return name.tag.lower() == "cloud" or name.tag.lower().endswith("-cloud")


def _stub(request: CreateRequest, name: ModelName) -> _Base:
    """A model that lives elsewhere."""
    if request.draft_files:
        raise RequestError("DRAFT cannot be used with remote models")
    if not request.remote_host:
        remote = request.from_[: -len(":cloud")]  # or "-cloud", as long
        return _Base(ModelConfig(remote_host=OLLAMA_COM, remote_model=remote))
    if not request.remote_host.isprintable() or " " in request.remote_host:
        raise RequestError("bad remote")
    return _Base(ModelConfig(remote_host=parse_host(request.remote_host).url, remote_model=request.from_))


def _from_gguf(store: Store, files: Mapping[str, str]) -> _Base:
    found = {name: (digest, _read_gguf(store, digest)) for name, digest in files.items()}
    for name, (_, description) in found.items():
        if description.model_info.get("split.count", 1) != 1:
            merge = "merge its shards with llama.cpp's `llama-gguf-split --merge` and create the model from the result"
            raise RequestError(f'"{name}" is part of a split GGUF; {merge}')
    layers = [_blob_layer(store, digest, gguf_media_type(description)) for digest, description in found.values()]
    models = [entry for entry in found.values() if gguf_media_type(entry[1]) == media.GGUF]
    if len(models) != 1:
        raise RequestError(f"{len(models)} of the GGUF files are models, exactly one was expected: {', '.join(files)}")
    digest, weights = models[0]
    return _Base(weights.config, tuple(layers), weights=weights, gguf=digest)


def _from_hef(store: Store, files: Mapping[str, str]) -> _Base:
    if len(files) != 1:
        raise RequestError(f"a package is one HEF file, {len(files)} were given: {', '.join(files)}")
    (digest,) = files.values()
    description = describe_file(store.blob_path(digest), "hef", verbose=False)
    return _Base(description.config, (_blob_layer(store, digest, media.HEF),))


def _from_har(store: Store, files: Mapping[str, str]) -> _Base:
    """What stage it is at is for the compiler to see."""
    if len(files) != 1:
        raise RequestError(f"a HAR is one file, {len(files)} were given: {', '.join(files)}")
    (digest,) = files.values()
    return _Base(ModelConfig(), har=digest)


def _from_checkpoint(store: Store, files: Mapping[str, str]) -> _Base:
    return _Base(ModelConfig(), checkpoint=files)


def _read_gguf(store: Store, digest: str) -> Description:
    try:
        return describe_file(store.blob_path(digest), "gguf", verbose=False)
    except NotAGguf:
        raise RequestError("supplied file was not in GGUF format") from None


def _blob_layer(store: Store, digest: str, media_type: str, name: str = "") -> Layer:
    path = store.blob_path(digest)
    return Layer(media_type, f"sha256:{path.name[7:]}", path.stat().st_size, name=name)


def _added_files(store: Store, request: CreateRequest) -> list[Layer]:
    """Layers of adapters and draft models."""
    for digest in (*request.adapters.values(), *request.draft_files.values()):
        store.blobs.touch(digest)
    adapters = [] if request.remote_host else _adapters(store, request.adapters)
    for digest in request.draft_files.values():
        draft = _read_gguf(store, digest)
        if request.draft_quantize and is_quantised(draft):
            raise CreateError(f"draft quantization requires an unquantized draft model, got {draft.file_type}")
    return [*adapters, *(_blob_layer(store, digest, media.DRAFT) for digest in request.draft_files.values())]


def _adapters(store: Store, files: Mapping[str, str]) -> list[Layer]:
    """A GGUF as Ollama keeps it; the files of another format as layers of our own type, each with its name."""
    if not files:
        return []
    if file_kind(store, files) == "safetensors":
        return [_blob_layer(store, digest, media.ADAPTER_FILE, Path(name).name) for name, digest in files.items()]
    if len(files) > 1:
        raise RequestError("only one adapter is currently supported")
    (digest,) = files.values()
    kind = _read_gguf(store, digest).general_type
    if kind != "adapter":
        raise RequestError(f'the adapter is a GGUF of the type "{kind or "model"}", expected "adapter"')
    return [_blob_layer(store, digest, media.ADAPTER)]


def _adapted(base: _Base, added: Sequence[Layer]) -> _Base:
    """A base whose adapter, if it had one, gives way to the one that is added; its weights are compiled with that."""
    if not adapter_name(added) or base.config.remote_host:
        return base
    layers = tuple(layer for layer in base.layers if layer.media_type not in media.ADAPTERS)
    packages, ggufs = ([x.digest for x in layers if x.media_type == kind] for kind in (media.HEF, media.GGUF))
    if packages:
        return replace(base, layers=layers, package=packages[-1])
    return replace(base, layers=layers, gguf=ggufs[-1] if ggufs else "")


def _check_precision(request: CreateRequest, base: _Base) -> None:
    """The emulator knows one target, W4A8KV8, so Ollama's names mean no more than that the weights be quantised."""
    wants_other = request.quantize and request.quantize.upper() != "W4A8KV8"
    if wants_other and base.weights and is_quantised(base.weights):
        raise CreateError("quantization is only supported for F16, BF16 and F32 models")


# ── the package ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _workplace(store: Store, base: _Base, layers: Sequence[Layer]) -> Iterator[tuple[Path | None, Path]]:
    """What to compile, None for nothing, and where to; afterwards only what belongs into the store is left."""
    if base.gguf:
        yield store.blob_path(base.gguf), store.derived_path_of(base.gguf, adapter_name(layers))
    elif file := base.package or base.har:
        target = store.blobs.temporary()
        try:
            yield store.blob_path(file), target
        finally:
            target.unlink(missing_ok=True)
    elif base.checkpoint:
        target = store.blobs.temporary()
        with tempfile.TemporaryDirectory(prefix="hollama-") as folder:
            lay_out(store, base.checkpoint, Path(folder))
            try:
                yield Path(folder), target
            finally:
                target.unlink(missing_ok=True)
    else:
        yield None, Path()


async def _compile(compiler: Compiler, source: Path, target: Path) -> AsyncGenerator[Progress, None]:
    """The compiler's steps. Leaving early stops it."""
    steps: asyncio.Queue[Progress | None] = asyncio.Queue()
    seen: dict[str, str] = {}

    def report(status: str, completed: int, total: int) -> None:
        digest = seen.setdefault(status, _STEP_DIGEST.format(len(seen)))
        steps.put_nowait(Progress(status, digest, total, completed) if total else Progress(status))

    if source.is_file():
        yield Progress("converting model")  # of a folder, this was the first step
    task = asyncio.ensure_future(compiler(source, target, report))
    task.add_done_callback(lambda _: steps.put_nowait(None))
    try:
        while step := await steps.get():
            yield step
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _with_package(store: Store, base: _Base, target: Path) -> _Base:
    """A new package becomes a layer; of a compiled folder or HAR, only its package knows what the config says."""
    if not (base.checkpoint or base.har or base.package):
        return base
    config = base.config if base.package else describe_file(target, "hef", verbose=False).config
    others = [layer for layer in base.layers if layer.media_type != media.HEF]
    origin = next((layer.origin for layer in base.layers if layer.media_type == media.HEF), "")
    return replace(base, config=config, layers=(Layer(media.HEF, *store.blobs.adopt(target), origin), *others))


def _check_adapter(store: Store, layers: Sequence[Layer], parameters: Mapping[str, Any]) -> None:
    """A name that no request could be answered with."""
    wanted = parameters.get("adapter")
    packages = [layer.digest for layer in layers if layer.media_type == media.HEF]
    if not wanted or not (packages or any(layer.media_type == media.GGUF for layer in layers)):
        return
    found: tuple[str, ...] = (adapter_name(layers),)
    if packages:
        found = describe_file(store.blob_path(packages[-1]), "hef", verbose=False).adapters
    if wanted not in found:
        there = ", ".join(filter(None, found)) or "none"
        raise RequestError(f'PARAMETER adapter: there is no adapter "{wanted!s:.100}"; there are: {there}')


# ── the new layers ────────────────────────────────────────────────────────────────────────────────────────────────────


def _layers(store: Store, kept: Iterable[Layer], texts: Iterable[tuple[str, bytes]]) -> tuple[list[str], list[Layer]]:
    """All layers in their order and a status for each. A new template replaces the old one; licences add up."""
    new = list(texts)
    replaced = {kind for kind, _ in new} - {media.LICENSE}
    if media.TEMPLATE in replaced:
        replaced.add(media.PROMPT)
    layers = [layer for layer in kept if layer.media_type not in replaced]
    statuses = [f"using existing layer {layer.digest}" for layer in layers]
    for kind, data in new:
        known = store.has_blob(f"sha256:{hashlib.sha256(data).hexdigest()}")
        layers.append(store.add_blob(data, kind))
        statuses.append(f"{'using existing' if known else 'creating new'} layer {layers[-1].digest}")
    return statuses, layers


def _configured(config: ModelConfig, overrides: Mapping[str, Any]) -> ModelConfig:
    capabilities = (*config.capabilities, *overrides.get("capabilities", ()))
    return replace(config, **{**overrides, "capabilities": capabilities})
