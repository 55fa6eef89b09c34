"""A checkpoint as a HAR: the float graph, its weights, and all else that goes into a package. Knows no quantisation.

model.json            {"architecture": name, "shape": {...}, "special": {...}, "chat_template", "options", "metadata"}
graph.json            the graph (`hollama.ir.graph`), which says by name what is computed
tokenizer.json        Hugging Face's tokenizer
weights.safetensors   the weights that the graph needs, by Hugging Face's names, matrices as (outputs, inputs), each
                      in the smallest of BF16, F16 and F32 that holds it exactly
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hollama.compiler.checkpoint import Checkpoint, SpecialTokens, Tensors
from hollama.compiler.tokenizers import open_tokenizer
from hollama.errors import CompileError
from hollama.formats.files import Content
from hollama.formats.har import PARSED, Har, HarInvalid, read_json, to_json
from hollama.formats.hef import TOKENIZER
from hollama.formats.safetensors import SafetensorsFile, Streamed, safetensors_chunks
from hollama.ir.graph import Graph
from hollama.kernels.golden import HEAD_MAX
from hollama.models.architecture import count, number
from hollama.models.decoder import DecoderShape
from hollama.models.table import by_name

F32 = NDArray[np.float32]
MODEL, GRAPH, WEIGHTS = "model.json", "graph.json", "weights.safetensors"

_PIECE = 1 << 20  # values


@dataclass(frozen=True)
class HarTensors:
    """A parsed HAR's weights, mapped."""

    file: SafetensorsFile

    def shape(self, name: str) -> tuple[int, ...] | None:
        return tuple(self.file.info(name).shape) if name in self.file.names else None

    def float32(self, name: str) -> F32:
        return self.file.float32(name)


@dataclass(frozen=True)
class NotedTensors:
    """Passes weights on, and notes which were asked for and how few bits hold them."""

    tensors: Tensors
    noted: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)  # dtype, shape

    def shape(self, name: str) -> tuple[int, ...] | None:
        return self.tensors.shape(name)

    def float32(self, name: str) -> F32:
        values = self.tensors.float32(name)
        if name not in self.noted:
            self.noted[name] = (_smallest(values), values.shape)
        return values

    def chunks(self) -> Iterator[bytes | memoryview]:
        """All that was noted, as a safetensors file; one tensor is in memory at a time."""
        return safetensors_chunks(
            {name: Streamed(dtype, shape, self._encode(name, dtype)) for name, (dtype, shape) in self.noted.items()}
        )

    def _encode(self, name: str, dtype: str) -> Iterator[bytes | memoryview]:
        for piece in _pieces(self.tensors.float32(name)):
            yield _as_dtype(piece, dtype).tobytes()


def _pieces(values: F32) -> Iterator[F32]:
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    return (flat[start : start + _PIECE] for start in range(0, len(flat), _PIECE))


def _smallest(values: F32) -> str:
    fitting = ["BF16", "F16"]
    for piece in _pieces(values):
        fitting = [dtype for dtype in fitting if _fits(piece, dtype)]
    return [*fitting, "F32"][0]


def _fits(piece: F32, dtype: str) -> bool:
    if dtype == "BF16":
        return not (piece.view(np.uint32) & np.uint32(0xFFFF)).any()
    return bool(np.array_equal(_as_dtype(piece, dtype).astype(np.float32), piece))


def _as_dtype(piece: F32, dtype: str) -> NDArray[Any]:
    if dtype == "BF16":
        return (piece.view(np.uint32) >> np.uint32(16)).astype("<u2")
    with np.errstate(over="ignore"):  # what does not fit is infinite then, and so noticed
        return piece.astype("<f2" if dtype == "F16" else "<f4")


def parsed_members(checkpoint: Checkpoint, graph: Graph, tensors: NotedTensors) -> dict[str, Content]:
    """The members of a parsed HAR that `open_parsed` reads back."""
    shape = {**asdict(checkpoint.shape), "theta": checkpoint.shape.theta.tolist()}
    special = asdict(checkpoint.special)
    model = {"architecture": checkpoint.architecture.name, "shape": shape, "special": special}
    model |= {name: getattr(checkpoint, name) for name in ("chat_template", "options", "metadata")}
    return {
        MODEL: to_json(model),
        GRAPH: graph.to_json(),
        TOKENIZER: checkpoint.tokenizer,
        WEIGHTS: tensors.chunks(),
    }


def open_parsed(path: Path) -> Checkpoint:
    """A parsed HAR as the checkpoint that it was made of. Raises CompileError for one of another stage, FormatError."""
    with Har.open(path) as har:
        if har.stage != PARSED:
            raise CompileError(
                f"{path} is a HAR that is {har.stage} already, whose next stage is `hollama compile`; "
                "expected one that `hollama parse` made"
            )
        try:
            return _checkpoint(har)
        except KeyError as error:
            raise HarInvalid(f"{path}: the HAR has no member {error}; make it again") from None
        except (CompileError, HarInvalid) as error:
            raise type(error)(f"{path}: {error}") from None


def _checkpoint(har: Har) -> Checkpoint:
    members = har.resources
    plain = read_json(MODEL, members[MODEL])
    if not isinstance(plain, dict):
        raise HarInvalid(f"{MODEL} holds no object")
    architecture = by_name(plain.get("architecture"))
    shape = _shape(_field(plain, "shape", dict))
    graph, _ = architecture.build(shape)
    if graph != Graph.from_json(bytes(members[GRAPH])):
        raise HarInvalid("its graph is not the one that this hollama builds for its model; parse the checkpoint again")
    tokenizer = bytes(members[TOKENIZER])
    open_tokenizer(tokenizer)
    return Checkpoint(
        architecture=architecture,
        shape=shape,
        tensors=HarTensors(SafetensorsFile.from_buffer(members[WEIGHTS])),
        tokenizer=tokenizer,
        special=_special(_field(plain, "special", dict)),
        chat_template=_field(plain, "chat_template", str),
        options=_field(plain, "options", dict),
        metadata=_field(plain, "metadata", dict),
    )


def _field(plain: Mapping[str, Any], key: str, kind: type) -> Any:
    value = plain.get(key)
    if type(value) is not kind:
        raise HarInvalid(f'{MODEL}: "{key}" is {value!r:.50}, expected {kind.__name__}')
    return value


def _shape(plain: Mapping[str, Any]) -> DecoderShape:
    """Raises CompileError, HarInvalid."""
    found: dict[str, Any] = {}
    for part in fields(DecoderShape):
        match part.type:
            case "int":
                found[part.name] = count(plain, part.name)
            case "bool":
                found[part.name] = _field(plain, part.name, bool)
            case "float":
                found[part.name] = number(plain, part.name, 0.0)
    shape = DecoderShape(**found, theta=_theta(plain.get("theta"), found["head_dim"]))
    if shape.head_dim % 4 or shape.head_dim > HEAD_MAX or shape.heads % shape.kv_heads:
        raise HarInvalid(f"{MODEL}: {shape.heads} heads of {shape.head_dim} for {shape.kv_heads} make no sense")
    return shape


def _theta(plain: object, head_dim: int) -> F32:
    numbers = plain if isinstance(plain, list) and all(type(value) is float for value in plain) else []
    theta = np.array(numbers, np.float32)
    if theta.shape != (head_dim // 2,) or not np.isfinite(theta).all():
        raise HarInvalid(f'{MODEL}: "theta" needs {head_dim // 2} finite numbers')
    return theta


def _special(plain: Mapping[str, Any]) -> SpecialTokens:
    bos_id, stops = plain.get("bos_id"), _field(plain, "stop_ids", list)
    if any(type(token) is not int or token < 0 for token in ([] if bos_id is None else [bos_id]) + stops):
        raise HarInvalid(f"{MODEL}: {bos_id!r:.50} and {stops!r:.50} are no token ids")
    texts = {key: _field(plain, key, str) for key in ("bos", "eos")}
    return SpecialTokens(bos_id, **texts, stop_ids=tuple(stops), add_bos=_field(plain, "add_bos", bool))


def noted(checkpoint: Checkpoint) -> tuple[Checkpoint, NotedTensors]:
    """The same checkpoint, and what is read of it from now on."""
    tensors = NotedTensors(checkpoint.tensors)
    return replace(checkpoint, tensors=tensors), tensors
