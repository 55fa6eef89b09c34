"""A Modelfile to what /api/create wants: a request, and the files it names as blobs. Knows no server's reaction."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hollama.cli.client import Client, Json
from hollama.cli.sampler_options import sampler_options
from hollama.errors import ModelfileError
from hollama.modelfile import Modelfile, expand_path, parse, source_files

if TYPE_CHECKING:
    from hollama.types import OnProgress

_CHUNK = 1 << 20  # bytes
_PATH_STARTS = (".", "~", "/", "\\")
_WEIGHTS = {".safetensors", ".gguf", ".bin", ".pth"}
Report = Callable[[int], None]


@dataclass(frozen=True)
class Source:
    """A file on this machine, and the name it has in the request: relative, with forward slashes."""

    name: str
    path: Path


@dataclass(frozen=True)
class Creation:
    """What to create: the request without its files, and the files by the field they belong to."""

    request: Json
    files: tuple[Source, ...] = ()
    adapters: tuple[Source, ...] = ()


def read_modelfile(path: Path) -> Modelfile:
    """Raises ModelfileError; a folder with a checkpoint but no Modelfile counts as `FROM .`, as in Ollama."""
    if path.is_file():
        return parse(path.read_bytes())
    if path.name == "Modelfile":
        return parse("FROM .")
    raise ModelfileError(f"no Modelfile at {path}; name one with --file")


def talk_to(file: Path, adapter: str = "") -> str:
    """The commands that make a model of a file or folder that FROM takes, with one of its adapters, and run it."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.stem).strip("-.") or "mine"
    lines = [f"FROM {file}" if file.is_absolute() else f"FROM ./{file}"]
    lines += [f"PARAMETER adapter {adapter}"] if adapter else []
    written, modelfile = " ".join(map(shlex.quote, lines)), f"{name}.Modelfile"
    return f"printf '%s\\n' {written} > {modelfile} && hollama create {name} -f {modelfile} && hollama run {name}"


def plan(modelfile: Modelfile, folder: Path) -> Creation:
    """Take a Modelfile apart; `folder` is where its relative paths start. Raises ModelfileError."""
    paths = {source: expand_path(source, folder) for source in modelfile.sources}
    local = [path for source, path in paths.items() if _is_local(source, path)]
    names = [source for source, path in paths.items() if path not in local]
    for name in names:
        _check_name(name, paths[name])
    request: Json = {"from": names[-1]} if names else {}
    request.update(_fields(modelfile))
    files = sources(file for path in local for file in source_files(path))
    return Creation(request, files, _adapters(modelfile, folder))


def _is_local(source: str, path: Path) -> bool:
    """Whether a FROM means what lies at `path`. A model's name may also be that of a folder without any weights."""
    if path.is_dir() and not source.startswith(_PATH_STARTS):
        return any(file.suffix in _WEIGHTS for pattern in ("*", "*/*") for file in path.glob(pattern))
    return path.exists()


def _check_name(name: str, path: Path) -> None:
    """A name that can only have been meant as a path is not asked of the server."""
    if name.startswith(_PATH_STARTS) or name.endswith((".gguf", ".safetensors", ".hef", ".har")):
        raise ModelfileError(
            f"FROM {name}: there is no {path}; put the checkpoint there (the Modelfile's first lines may say "
            "where to get it), or correct the path"
        )


def _fields(modelfile: Modelfile) -> Json:
    fields = {name: modelfile.last(name) for name in ("template", "system", "renderer", "parser")}
    fields["requires"] = modelfile.requires
    return {
        **{name: text for name, text in fields.items() if text},
        **_present("license", list(modelfile.all("license"))),
        **_present("parameters", modelfile.typed_parameters(sampler_options(modelfile.parameters))),
        **_present("messages", [{"role": role, "content": text} for role, text in modelfile.messages]),
    }


def _present(name: str, value: object) -> Json:
    return {name: value} if value else {}


def _adapters(modelfile: Modelfile, folder: Path) -> tuple[Source, ...]:
    values = modelfile.all("adapter")
    if not values:
        return ()
    if len(values) > 1:
        more = "`hollama compile --adapter NAME=PATH` puts more of them into a package"
        raise ModelfileError(f"{len(values)} lines are ADAPTER, only one adapter is currently supported; {more}")
    (value,) = values
    path = expand_path(value, folder)
    if not path.exists():
        raise ModelfileError(f"ADAPTER {value}: there is no {path}")
    if path.is_file() and path.suffix == ".safetensors":
        raise ModelfileError(f"ADAPTER {value}: name its folder, {path.parent}, where its configuration is too")
    try:
        return sources(source_files(path))
    except ModelfileError as error:
        raise ModelfileError(f"ADAPTER {value}: {error}") from None


def sources(files: Iterable[Path]) -> tuple[Source, ...]:
    """Name files relative to the deepest folder that holds them all."""
    found = list(dict.fromkeys(files))
    if not found:
        return ()
    common = Path(os.path.commonpath([os.path.abspath(file.parent) for file in found]))
    return tuple(Source(str(PurePosixPath(Path(os.path.abspath(file)).relative_to(common))), file) for file in found)


def digest(path: Path, report: Report) -> str:
    """`sha256:` and the hash of a file; `report` is told the bytes read so far."""
    state, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
            done += len(chunk)
            report(done)
    return f"sha256:{state.hexdigest()}"


def upload(client: Client, files: Sequence[Source], report: OnProgress) -> dict[str, str]:
    """Hash every file, give it to the server, and return the digests by name."""
    return {source.name: _upload(client, source.path, report) for source in files}


def _upload(client: Client, path: Path, report: OnProgress) -> str:
    size = path.stat().st_size
    found = digest(path, lambda done: report(f"hashing {path.name}", done, size))
    if not client.has_blob(found):
        client.upload(found, path, lambda done: report(f"copying file {found}", done, size))
    return found
