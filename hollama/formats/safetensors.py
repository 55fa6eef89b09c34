"""safetensors: named tensors in one file, or in several with an index. Knows no model and no framework.

    header_size u64 (little-endian) | header, JSON in UTF-8 | data

The header starts with `{`, has at most 100 MB and may be padded with spaces. It maps each name to
{"dtype": "F32", "shape": [2, 3], "data_offsets": [start, stop]}, in bytes from the start of the data, row-major and
little-endian; "__metadata__" maps strings to strings. Names differ, tensors neither overlap nor leave holes, and the
last one ends with the file: so nothing can hide between them.

A checkpoint is a folder. `model.safetensors.index.json`, if it is there, says which file holds which tensor:
{"weight_map": {tensor name: file name}}; else all `model*.safetensors` count, or, without any, all `*.safetensors`.

Source: the safetensors README and safetensors/src/tensor.rs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hollama.errors import SafetensorsError
from hollama.formats.files import atomic_write, map_file
from hollama.formats.json_text import load_json

MAX_HEADER = 100_000_000  # bytes
MAX_ELEMENTS = 2**59  # so that NumPy can count the bytes of any dtype in 63 bits
MAX_AXES = 32  # NumPy 1's
ALIGNMENT = 64
INDEX = "model.safetensors.index.json"
_NAMED = 5  # missing files, in an error

BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
BITS |= dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8)
BITS |= dict.fromkeys(("U16", "I16", "F16", "BF16"), 16) | dict.fromkeys(("U32", "I32", "F32"), 32)
BITS |= dict.fromkeys(("U64", "I64", "F64", "C64"), 64)
NATIVE = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4", "I32": "<i4",
    "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8", "C64": "<c8",
}  # fmt: skip

Array = npt.NDArray[Any]
ALL = slice(None)


class HeaderInvalid(SafetensorsError):
    """The header is too short, too long, or no JSON of the expected kind."""


class TensorInvalid(SafetensorsError):
    """A tensor's dtype, shape and place contradict each other, or the file."""


class TensorMissing(SafetensorsError):
    """No tensor of that name."""


class TensorUnreadable(SafetensorsError):
    """A tensor of a dtype NumPy has no counterpart for."""


class IndexInvalid(SafetensorsError):
    """The index of a folder is no index, leaves the folder, or disagrees with the files beside it."""


@dataclass(frozen=True)
class TensorInfo:
    """start and stop: bytes from the start of the data."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Streamed:
    """A tensor to write that is produced piece by piece; `chunks` is read once, when its turn comes."""

    dtype: str
    shape: tuple[int, ...]
    chunks: Iterable[bytes | memoryview]


@dataclass(frozen=True, eq=False)
class SafetensorsFile:
    """The tensors of one file, mapped: only what is asked for is read."""

    metadata: Mapping[str, str]
    infos: Mapping[str, TensorInfo] = field(repr=False)
    _data: memoryview = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> SafetensorsFile:
        """Raises SafetensorsError, OSError. The file stays mapped as long as this or an array from it lives."""
        return cls.from_buffer(map_file(path))

    @classmethod
    def from_buffer(cls, buffer: memoryview) -> SafetensorsFile:
        """A whole safetensors file in memory, such as a resource of a HEF. Raises SafetensorsError."""
        header, data = _split(buffer)
        metadata = header.pop("__metadata__", None) or {}
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise HeaderInvalid("__metadata__ of a safetensors file must map strings to strings")
        infos = {name: _parse_info(name, entry) for name, entry in header.items()}
        _check_places(infos, len(data))
        return cls(metadata, infos, data)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.infos)

    def info(self, name: str) -> TensorInfo:
        """Raises TensorMissing."""
        if name not in self.infos:
            raise TensorMissing(f"no tensor {name!r} among the {len(self.infos)} of the file")
        return self.infos[name]

    def raw(self, name: str) -> memoryview:
        """The tensor's bytes as they lie in the file."""
        info = self.info(name)
        return self._data[info.start : info.stop]

    def array(self, name: str) -> Array:
        """A read-only view of the tensor, not copied. Raises TensorUnreadable for BF16 and smaller floats."""
        info = self.info(name)
        if info.dtype not in NATIVE:
            raise TensorUnreadable(f"tensor {name!r} is {info.dtype}, which NumPy does not have; use float32()")
        return np.frombuffer(self.raw(name), NATIVE[info.dtype]).reshape(info.shape)

    def float32(self, name: str, rows: slice = ALL) -> npt.NDArray[np.float32]:
        """The tensor, or a range of its first axis, as float32: a copy unless it is F32 already."""
        info = self.info(name)
        match info.dtype:
            case "BF16":
                halves = _rows(np.frombuffer(self.raw(name), "<u2").reshape(info.shape), rows)
                return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)
            case "F8_E4M3" | "F8_E5M2":
                table = _e4m3() if info.dtype == "F8_E4M3" else _e5m2()
                return table[_rows(np.frombuffer(self.raw(name), np.uint8).reshape(info.shape), rows)]
            case "C64":
                raise TensorUnreadable(f"tensor {name!r} is complex; it has no float32 form")
            case _:
                return _rows(self.array(name), rows).astype(np.float32, copy=False)


def _rows(array: Array, rows: slice) -> Array:
    return array if rows == ALL else array[rows]  # a scalar has none


@dataclass(frozen=True, eq=False)
class SafetensorsFolder:
    """The tensors of a folder's files, by the same methods as one file's."""

    files: Mapping[str, SafetensorsFile] = field(repr=False)  # by tensor name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.files)

    def file(self, name: str) -> SafetensorsFile:
        """The file that holds the tensor. Raises TensorMissing."""
        if name not in self.files:
            raise TensorMissing(f"no tensor {name!r} among the {len(self.files)} of the checkpoint")
        return self.files[name]

    def info(self, name: str) -> TensorInfo:
        return self.file(name).info(name)

    def raw(self, name: str) -> memoryview:
        return self.file(name).raw(name)

    def array(self, name: str) -> Array:
        return self.file(name).array(name)

    def float32(self, name: str, rows: slice = ALL) -> npt.NDArray[np.float32]:
        return self.file(name).float32(name, rows)


def open_folder(path: Path) -> SafetensorsFolder:
    """All tensors of a checkpoint's folder. Raises SafetensorsError, OSError.

    File names in an index must be plain: one that leads out of the folder is refused. Links are followed, as the
    Hugging Face cache consists of them.
    """
    index = path / INDEX
    if index.is_file():
        return _open_indexed(path, _read_index(index))
    files = sorted(path.glob("model*.safetensors")) or sorted(path.glob("*.safetensors"))
    if not files:
        raise IndexInvalid(f"{path} has no *.safetensors; is it the folder of a checkpoint?")
    found: dict[str, SafetensorsFile] = {}
    for shard in map(SafetensorsFile.open, files):
        twice = found.keys() & shard.infos.keys()
        if twice:
            raise IndexInvalid(f"{path}: more than one file has {min(twice)!r}; remove the superfluous files")
        found |= dict.fromkeys(shard.names, shard)
    return SafetensorsFolder(found)


def _read_index(path: Path) -> dict[str, str]:
    refusal = IndexInvalid(f"{path} is no index: expected {{'weight_map': {{tensor name: file name}}}}")
    if path.stat().st_size > MAX_HEADER:
        raise refusal
    places = _json(path.read_bytes(), refusal).get("weight_map")
    if not isinstance(places, dict):
        raise refusal
    for file in places.values():
        if not isinstance(file, str) or not file.endswith(".safetensors") or set(file) & set("/\\:\0"):
            raise IndexInvalid(f"{path} names the file {file!r:.100}; expected a *.safetensors in the same folder")
    return places


def _open_indexed(folder: Path, places: Mapping[str, str]) -> SafetensorsFolder:
    missing = sorted(file for file in set(places.values()) if not (folder / file).is_file())
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        named = ", ".join(missing[:_NAMED])
        raise IndexInvalid(f"{folder} lacks {named}{more}, which its index names; download the rest")
    shards = {file: SafetensorsFile.open(folder / file) for file in sorted(set(places.values()))}
    for name, file in places.items():
        if name not in shards[file].infos:
            raise IndexInvalid(f"{folder}: the index says that {file} has {name!r}, which it has not")
    return SafetensorsFolder({name: shards[file] for name, file in places.items()})


def _e5m2() -> npt.NDArray[np.float32]:
    """All 256 values: the upper halves of float16."""
    return (np.arange(256, dtype=np.uint16) << np.uint16(8)).view(np.float16).astype(np.float32)


def _e4m3() -> npt.NDArray[np.float32]:
    """All 256 values: bias 7, no infinities, NaN only where all bits but the sign are set."""
    code = np.arange(128)
    exponent, fraction = code >> 3, code & 7
    normal = np.ldexp(1 + fraction / 8, exponent - 7)
    values = np.where(exponent == 0, np.ldexp(fraction / 8, -6), normal)
    values[127] = np.nan
    return np.concatenate([values, -values]).astype(np.float32)


def _split(buffer: memoryview) -> tuple[dict[str, Any], memoryview]:
    """The parsed header, and the data behind it."""
    if len(buffer) < 8:
        raise HeaderInvalid(f"a safetensors file has 8 bytes or more, this one {len(buffer)}")
    size = int.from_bytes(buffer[:8], "little")
    if size > min(MAX_HEADER, len(buffer) - 8):
        raise HeaderInvalid(
            f"a safetensors header of {size} bytes in a file of {len(buffer)}: it was cut short, or is no safetensors"
        )
    if bytes(buffer[8:9]) != b"{":
        raise HeaderInvalid("a safetensors header must start with '{'")
    header = _json(bytes(buffer[8 : 8 + size]), HeaderInvalid("the safetensors header is no JSON object"))
    return header, buffer[8 + size :]


def _json(data: bytes, refusal: SafetensorsError) -> dict[str, Any]:
    try:
        value = load_json(data, _unique)
    except (ValueError, RecursionError):
        raise refusal from None
    if not isinstance(value, dict):
        raise refusal
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise HeaderInvalid("the safetensors header has a name twice")
    return result


def _parse_info(name: str, entry: object) -> TensorInfo:
    """Check dtype, shape and size of one tensor; its place is checked against the others later."""
    if not isinstance(entry, dict) or not entry.keys() >= {"dtype", "shape", "data_offsets"}:
        raise HeaderInvalid(f"tensor {name!r} needs dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise TensorInvalid(f"tensor {name!r} has the shape {shape!r:.100} at {offsets!r:.100}; expected whole numbers")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise TensorInvalid(
            f"tensor {name!r} has the unknown dtype {dtype!r:.50}; update hollama or convert the tensor"
        )
    start, stop = offsets
    bits = _elements(name, shape) * BITS[dtype]
    if (stop - start) * 8 != bits:
        raise TensorInvalid(f"tensor {name!r} needs {bits / 8} bytes for {dtype} {shape}, but has {stop - start}")
    return TensorInfo(dtype, tuple(shape), start, stop)


def _are_sizes(values: object) -> bool:
    # type() and not isinstance: true and false are ints too
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= MAX_ELEMENTS for value in values)


def _elements(name: str, shape: list[int]) -> int:
    # zeros left out, as NumPy and the reference multiply in order and overflow before they meet a zero
    if len(shape) > MAX_AXES or prod(extent for extent in shape if extent) > MAX_ELEMENTS:
        raise TensorInvalid(
            f"tensor {name!r} has {len(shape)} axes or more elements than can be counted: {shape!r:.100}"
        )
    return prod(shape)


def _check_places(infos: Mapping[str, TensorInfo], size: int) -> None:
    """Tensors must fill `size` bytes without holes or overlaps."""
    end = 0
    for name, info in sorted(infos.items(), key=lambda item: (item[1].start, item[1].stop)):
        if info.start != end:
            problem = "overlaps the tensor before it" if info.start < end else "leaves a hole before it"
            raise TensorInvalid(f"tensor {name!r} starts at byte {info.start} instead of {end}: it {problem}")
        end = info.stop
    if end != size:
        raise TensorInvalid(f"the tensors need {end} bytes of data, the file has {size}; download it again")


def write_safetensors(
    target: Path | BinaryIO, tensors: Mapping[str, Array | Streamed], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a file (atomically, if `target` is a path), a piece at a time; see `safetensors_chunks`."""
    if isinstance(target, Path):
        with atomic_write(target) as file:
            return write_safetensors(file, tensors, metadata)
    for chunk in safetensors_chunks(tensors, metadata):
        target.write(chunk)


def safetensors_chunks(
    tensors: Mapping[str, Array | Streamed], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """The bytes of a file, piece by piece: data starts at a multiple of 64, tensors of whole 64 bytes come first.

    So these start at multiples of 64 too. The others follow by the size of their elements, and so are aligned to them,
    as with the reference. Equal input gives equal bytes.
    Raises TensorInvalid for a dtype the format does not have, or chunks that do not add up to the shape.
    """
    infos = _plan(tensors)
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for name, info in infos.items():
        header[name] = {"dtype": info.dtype, "shape": info.shape, "data_offsets": (info.start, info.stop)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise HeaderInvalid(f"the safetensors header would have {len(text)} bytes; at most {MAX_HEADER} are allowed")
    yield len(text).to_bytes(8, "little") + text
    for name, info in infos.items():
        yield from _tensor_chunks(name, tensors[name], info.stop - info.start)


def _plan(tensors: Mapping[str, Array | Streamed]) -> dict[str, TensorInfo]:
    kinds = {name: (_dtype(name, tensor), list(tensor.shape)) for name, tensor in tensors.items()}
    if "__metadata__" in kinds:
        raise TensorInvalid("a tensor cannot be called __metadata__")
    sizes = {name: _elements(name, shape) * BITS[dtype] for name, (dtype, shape) in kinds.items()}  # bits
    infos, end = {}, 0
    for name in sorted(kinds, key=lambda name: (sizes[name] % (8 * ALIGNMENT) > 0, -BITS[kinds[name][0]], name)):
        (dtype, shape), bits = kinds[name], sizes[name]
        infos[name] = _parse_info(name, {"dtype": dtype, "shape": shape, "data_offsets": [end, end + bits // 8]})
        end += bits // 8
    return infos


def _dtype(name: str, tensor: Array | Streamed) -> str:
    names = {np.dtype(code): dtype for dtype, code in NATIVE.items()}
    dtype = tensor.dtype if isinstance(tensor, Streamed) else names.get(tensor.dtype.newbyteorder("<"), "")
    if dtype not in BITS:
        raise TensorInvalid(f"tensor {name!r} has the dtype {tensor.dtype}, which safetensors does not have")
    return dtype


def _tensor_chunks(name: str, tensor: Array | Streamed, size: int) -> Iterator[bytes | memoryview]:
    if not isinstance(tensor, Streamed):
        little = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))
        yield little.reshape(-1).view(np.uint8).data
        return
    written = 0
    for chunk in tensor.chunks:
        written += memoryview(chunk).nbytes
        yield chunk
    if written != size:
        raise TensorInvalid(f"tensor {name!r} came as {written} bytes; {tensor.dtype} {tensor.shape} needs {size}")
