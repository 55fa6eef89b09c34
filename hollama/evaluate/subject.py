"""What is evaluated: a package on a backend, or a checkpoint in float. Knows how to open it, and no task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xxhash

from hollama.compiler.adapters import read_adapter
from hollama.compiler.pipeline import open_checkpoint
from hollama.errors import EvaluationError
from hollama.evaluate.coder import Coder
from hollama.evaluate.reference import load_reference
from hollama.formats.har import is_har
from hollama.formats.hef import Hef
from hollama.formats.package import read_info, read_tokenizer
from hollama.interfaces import LoadedModel, Tokenizer
from hollama.plugins import Plugins

_GGUF = b"GGUF"
_BLOCK = 1 << 20
_SPARE = 2  # contexts beside those at work, whose beginnings the next items may share


@dataclass(frozen=True)
class Subject:
    """A package, and the backend that runs it; "" stands for a checkpoint in float32."""

    path: Path
    backend: str
    context: int  # tokens that a request may fill
    adapter: str = ""  # one of the package's that answers, "" for the base alone
    lora: Path | None = None  # the file or folder of the one that a checkpoint gets

    @property
    def kind(self) -> str:
        return "quantised" if self.backend else "float"

    def coder(self, plugins: Plugins) -> Coder:
        """Raises FormatError, CompileError."""
        if not self.backend:
            checkpoint = open_checkpoint(self.path)
            special = checkpoint.special
            tokenizer = plugins.tokenizer("huggingface").open(checkpoint.tokenizer)
            return _coder(tokenizer, special.add_bos, special.bos_id, special.stop_ids, self.context)
        with Hef.open(self.path) as hef:
            info, resource = read_info(hef), read_tokenizer(hef)
        tokenizer = plugins.tokenizer(info.tokenizer).open(resource)
        return _coder(tokenizer, info.add_bos, info.bos_token_id, info.eos_token_ids, self.context)

    def load(self, plugins: Plugins, parallel: int) -> LoadedModel:
        """Raises BackendError, FormatError, CompileError."""
        if not self.backend:
            specs = [entry.spec for entry in plugins.adapters.values()]
            adapter = read_adapter("adapter", self.lora, specs) if self.lora else None
            return load_reference(self.path, self.context, parallel + _SPARE, adapter)
        return plugins.backend(self.backend).load(self.path, self.context)

    def digest(self) -> str:
        """Of all bytes it is made of; of a package also its adapter's and its backend's name."""
        total = xxhash.xxh3_128(self.backend.encode() + self.adapter.encode())
        for path in (*_files(self.path), *(_files(self.lora) if self.lora else ())):
            total.update(path.name.encode())
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    total.update(block)
        return total.hexdigest()


def subject(path: Path, backend: str, context: int | None, adapter: str = "", lora: Path | None = None) -> Subject:
    """A checkpoint is a folder, a GGUF file or a HAR, anything else a package: in the store its name does not tell.

    Raises EvaluationError for a context or an adapter that it does not have; FormatError, CompileError, OSError.
    """
    package = path.is_file() and not _is_gguf(path) and not is_har(path)
    info = read_info(path) if package else None
    most = info.context if info else open_checkpoint(path).shape.context
    there = info.adapters if info else ()
    if adapter and adapter not in there:
        raise EvaluationError(f'{path} has no adapter "{adapter:.100}"; there are: {", ".join(there) or "none"}')
    if most < 2:
        raise EvaluationError(f"{path} has a context of {most} tokens; 2 are needed to predict one")
    if context and not 2 <= context <= most:
        raise EvaluationError(f"{path} has a context of {most} tokens, {context} were asked for; expected 2 to {most}")
    return Subject(path, backend if package else "", context or most, adapter, None if package else lora)


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_GGUF)) == _GGUF


def _files(place: Path) -> list[Path]:
    """Those a checkpoint is read from: not what else lies beside it."""
    kinds = (".json", ".safetensors", ".model", ".txt")
    inside = place.iterdir() if place.is_dir() else ()
    return sorted(path for path in inside if path.suffix in kinds and path.is_file()) or [place]


def _coder(tokenizer: Tokenizer, begin: bool, bos: int | None, stops: tuple[int, ...], context: int) -> Coder:
    prefix = bos if bos is not None else next(iter(stops), None)
    return Coder(tokenizer, begin, prefix, frozenset(stops), context)
