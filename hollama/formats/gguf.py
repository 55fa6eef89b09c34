"""GGUF, llama.cpp's model file, versions 2 and 3. Knows no architecture: keys and tensor names mean nothing here.

    "GGUF" | version u32 | tensor count u64 | key count u64 | keys | tensor infos | padding | data

    key          name, type u32, value        types: 0-5 u8 i8 u16 i16 u32 i32, 6 f32, 7 bool, 8 string,
    string       length u64, UTF-8                   9 array, 10 u64, 11 i64, 12 f64
    array        type of its items u32, count u64, items
    tensor info  name, axes u32, extents u64 (innermost first), ggml type u32, offset u64 from the start of the data

Data starts, and every tensor in it, at a multiple of the key `general.alignment` (32 if absent). A version 3 file may
be big-endian in everything, data included; its version number gives it away. Values are decoded when asked for, because
a vocabulary has 300,000 strings and a listing needs none of them.

Source: ggml/docs/gguf.md. Constants and dequantisation are those of the `gguf` package, whose reader is the tests'
oracle; it isn't used itself, as it takes 15 s to open such a vocabulary.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType as GgmlType

from hollama.errors import GgufError
from hollama.formats.files import map_file

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_AXES = 4
MAX_NESTING = 8  # of arrays in arrays; ggml itself knows none
MAX_ELEMENTS = 2**59  # so that NumPy can count the bytes in 63 bits
DEFAULT_ALIGNMENT = 32

BOOL, STRING, ARRAY = 7, 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", BOOL: "B", 10: "Q", 11: "q", 12: "d"}
NATIVE = {
    GgmlType.F32: "f4", GgmlType.F16: "f2", GgmlType.F64: "f8",
    GgmlType.I8: "i1", GgmlType.I16: "i2", GgmlType.I32: "i4", GgmlType.I64: "i8",
}  # fmt: skip

Array = npt.NDArray[Any]
ByteOrder = Literal["<", ">"]
ALL = slice(None)


class NotAGguf(GgufError):
    """The file does not start with GGUF."""


class VersionUnsupported(GgufError):
    """A version other than 2 and 3."""


class Truncated(GgufError):
    """A length or count reaches beyond the end of the file."""


class MetadataInvalid(GgufError):
    """A key that is there twice, or a value of no known type, nested too deep, or no UTF-8."""


class TensorInvalid(GgufError):
    """A tensor whose name, shape, type and place contradict each other, or the file."""


class TensorMissing(GgufError):
    """No tensor of that name."""


class TensorUnreadable(GgufError):
    """A tensor of a type that cannot be turned into float32 here."""


@dataclass(frozen=True)
class TensorInfo:
    """shape: outermost axis first, as NumPy has it. offset: bytes from the start of the file."""

    name: str
    shape: tuple[int, ...]
    type: GgmlType
    offset: int
    nbytes: int


@dataclass
class _Cursor:
    """A position in the file; every step is checked against the end."""

    data: memoryview
    order: ByteOrder
    at: int = 0

    def skip(self, size: int) -> int:
        """Step over `size` bytes: the position before them."""
        start = self.at
        if size > len(self.data) - start:
            raise Truncated(f"the GGUF says that {size} bytes follow byte {start}, but has {len(self.data)} in all")
        self.at += size
        return start

    def number(self, code: str) -> Any:
        return struct.unpack_from(self.order + code, self.data, self.skip(struct.calcsize("=" + code)))[0]

    def string(self) -> str:
        size = self.number("Q")
        start = self.skip(size)
        return _decode(self.data[start : start + size])


def _decode(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise MetadataInvalid(f"a string of the GGUF is not UTF-8: {error}") from None


@dataclass(frozen=True, eq=False, repr=False)
class Metadata(Mapping[str, Any]):
    """Keys and values in file order: int, float, bool, str, lists of str or of lists, NumPy arrays of numbers.

    Indexing raises KeyError for an unknown key and MetadataInvalid for text that is not UTF-8.
    """

    _data: memoryview
    _order: ByteOrder
    _places: Mapping[str, tuple[int, int]]  # type of the value, where it starts
    _known: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        kind, at = self._places[key]
        if key not in self._known:
            self._known[key] = _read_value(_Cursor(self._data, self._order, at), kind)
        return self._known[key]

    def __contains__(self, key: object) -> bool:  # Mapping's own would decode the value
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, eq=False)
class GgufFile:
    """An open GGUF, mapped: only what is asked for is read."""

    version: int
    byte_order: ByteOrder
    metadata: Metadata = field(repr=False)
    tensors: Mapping[str, TensorInfo] = field(repr=False)
    _data: memoryview = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> GgufFile:
        """Raises GgufError, OSError. The file stays mapped as long as this or an array from it lives."""
        return cls.from_buffer(map_file(path))

    @classmethod
    def from_buffer(cls, data: memoryview) -> GgufFile:
        """A whole GGUF in memory. Raises GgufError."""
        version, order = _read_version(data)
        cursor = _Cursor(data, order, len(MAGIC) + 4)
        tensor_count, key_count = cursor.number("Q"), cursor.number("Q")
        metadata = Metadata(data, order, _scan_keys(cursor, key_count), {})
        infos = _read_infos(cursor, tensor_count)
        alignment = _alignment(metadata)
        start = -(-cursor.at // alignment) * alignment
        return cls(version, order, metadata, _place(infos, start, alignment, len(data)), data)

    def info(self, name: str) -> TensorInfo:
        """Raises TensorMissing."""
        if name not in self.tensors:
            raise TensorMissing(f"no tensor {name!r} among the {len(self.tensors)} of the GGUF")
        return self.tensors[name]

    def array(self, name: str) -> Array:
        """A read-only view of the tensor as it lies in the file.

        Native types have the tensor's shape, all others are uint8 with the bytes of one row as their last axis.
        """
        info = self.info(name)
        block, size = gguf.GGML_QUANT_SIZES[info.type]
        native = NATIVE.get(info.type)
        shape = info.shape if native else (*info.shape[:-1], info.shape[-1] // block * size)
        raw = self._data[info.offset : info.offset + info.nbytes]
        return np.frombuffer(raw, np.dtype(native or "u1").newbyteorder(self.byte_order)).reshape(shape)

    def float32(self, name: str, rows: slice = ALL) -> npt.NDArray[np.float32]:
        """The dequantised tensor, or a range of its first axis: a copy unless it is F32 already.

        Raises TensorUnreadable for types that `gguf` cannot dequantise, and for blocks of the other byte order.
        """
        info, array = self.info(name), self.array(name)
        if rows == ALL:
            return self._dequantised(info, array)
        if info.type not in NATIVE and len(info.shape) < 2:  # its rows lie within blocks
            return self._dequantised(info, array)[rows]
        return self._dequantised(info, array[rows])

    def _dequantised(self, info: TensorInfo, data: Array) -> npt.NDArray[np.float32]:
        if info.type in NATIVE:
            return data.astype(np.float32, copy=False)
        if self.byte_order == ">":
            raise TensorUnreadable(f"tensor {info.name!r} is {info.type.name} in a big-endian file; convert the file")
        if not data.size:
            block, size = gguf.GGML_QUANT_SIZES[info.type]
            return np.empty((*data.shape[:-1], data.shape[-1] // size * block), np.float32)
        try:
            with np.errstate(all="ignore"):  # NaN and infinity in, NaN and infinity out
                return gguf.quants.dequantize(np.ascontiguousarray(data), info.type)
        except NotImplementedError:
            raise TensorUnreadable(f"tensor {info.name!r} is {info.type.name}, which cannot be dequantised") from None


def _read_version(data: memoryview) -> tuple[int, ByteOrder]:
    """Version and byte order."""
    if bytes(data[:4]) != MAGIC:
        raise NotAGguf(f"not a GGUF file: it starts with {bytes(data[:4])!r} instead of {MAGIC!r}")
    orders: tuple[ByteOrder, ...] = ("<", ">")
    for order in orders:
        version = _Cursor(data, order, len(MAGIC)).number("I")
        if version in VERSIONS and (version, order) != (2, ">"):
            return version, order
    raise VersionUnsupported("only GGUF versions 2 and 3 can be read; convert the file with a current llama.cpp")


def _scan_keys(cursor: _Cursor, count: int) -> dict[str, tuple[int, int]]:
    """Where each value is, without decoding it."""
    places: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        key = cursor.string()
        if key in places:
            raise MetadataInvalid(f"the GGUF has the key {key!r:.100} twice")
        kind = cursor.number("I")
        places[key] = (kind, cursor.at)
        _skip_value(cursor, kind)
    return places


def _skip_value(cursor: _Cursor, kind: int, depth: int = 0) -> None:
    if kind in SCALARS:
        cursor.skip(struct.calcsize("=" + SCALARS[kind]))
    elif kind == STRING:
        cursor.skip(cursor.number("Q"))
    elif kind != ARRAY:
        raise MetadataInvalid(f"the GGUF has a value of the unknown type {kind}; update hollama, or convert it again")
    elif depth == MAX_NESTING:
        raise MetadataInvalid(f"the GGUF nests arrays more than {MAX_NESTING} deep")
    else:
        item, count = cursor.number("I"), cursor.number("Q")
        if item in SCALARS:
            cursor.skip(count * struct.calcsize("=" + SCALARS[item]))
        elif item == STRING:
            _skip_strings(cursor, count)
        else:
            for _ in range(count):
                _skip_value(cursor, item, depth + 1)


def _skip_strings(cursor: _Cursor, count: int) -> None:
    """The loop that opening a vocabulary spends its time in: no calls but one."""
    length = struct.Struct(cursor.order + "Q").unpack_from
    data, at, end = cursor.data, cursor.at, len(cursor.data) - 8
    for _ in range(count):
        if at > end:
            raise Truncated(f"the GGUF says that {count} strings follow byte {cursor.at}, but they do not fit")
        at += 8 + length(data, at)[0]
    cursor.skip(at - cursor.at)


def _read_value(cursor: _Cursor, kind: int) -> Any:
    """A value that `_skip_value` has found to be whole."""
    if kind in SCALARS:
        number = cursor.number(SCALARS[kind])
        return bool(number) if kind == BOOL else number
    if kind == STRING:
        return cursor.string()
    item, count = cursor.number("I"), cursor.number("Q")
    if item == STRING:
        return _read_strings(cursor, count)
    if item == ARRAY:
        return [_read_value(cursor, item) for _ in range(count)]
    dtype = np.dtype(SCALARS[item]).newbyteorder(cursor.order)
    start = cursor.skip(count * dtype.itemsize)
    numbers = np.frombuffer(cursor.data[start : cursor.at], dtype)
    return numbers != 0 if item == BOOL else numbers.astype(dtype.newbyteorder("="), copy=False)


def _read_strings(cursor: _Cursor, count: int) -> list[str]:
    length = struct.Struct(cursor.order + "Q").unpack_from
    data, at = cursor.data, cursor.at
    strings = []
    for _ in range(count):
        start = at + 8
        at = start + length(data, at)[0]
        strings.append(_decode(data[start:at]))
    cursor.at = at
    return strings


def _read_infos(cursor: _Cursor, count: int) -> list[TensorInfo]:
    """Tensor infos with offsets as in the file: from the start of the data."""
    infos = []
    for _ in range(count):
        name, axes = cursor.string(), cursor.number("I")
        if axes > MAX_AXES:
            raise TensorInvalid(f"tensor {name!r:.100} has {axes} axes; GGUF allows {MAX_AXES}")
        shape = tuple(cursor.number("Q") for _ in range(axes))[::-1]
        infos.append(_check_info(name, shape, cursor.number("I"), cursor.number("Q")))
    return infos


def _check_info(name: str, shape: tuple[int, ...], number: int, offset: int) -> TensorInfo:
    try:
        kind = GgmlType(number)
    except ValueError:
        raise TensorInvalid(f"tensor {name!r:.100} has the unknown ggml type {number}; update gguf") from None
    if prod(extent for extent in shape if extent) > MAX_ELEMENTS:
        raise TensorInvalid(f"tensor {name!r:.100} has the shape {shape}: more elements than can be counted")
    block, size = gguf.GGML_QUANT_SIZES[kind]
    if kind not in NATIVE and (not shape or shape[-1] % block):
        raise TensorInvalid(f"tensor {name!r:.100} of shape {shape} has no whole number of {kind.name} blocks in a row")
    return TensorInfo(name, shape, kind, offset, prod(shape) // block * size)


def _alignment(metadata: Metadata) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise MetadataInvalid(f"general.alignment of the GGUF is {alignment!r:.50}; expected a power of two")
    return alignment


def _place(infos: list[TensorInfo], start: int, alignment: int, size: int) -> dict[str, TensorInfo]:
    """Offsets counted from the start of the file, in file order, and checked against each other and its `size`."""
    end = start
    for info in sorted(infos, key=lambda info: (info.offset, info.nbytes)):
        first, last = start + info.offset, start + info.offset + info.nbytes
        if info.offset % alignment:
            raise TensorInvalid(f"tensor {info.name!r:.100} starts at {info.offset}, no multiple of {alignment}")
        if first < end:
            raise TensorInvalid(f"tensor {info.name!r:.100} overlaps the tensor before it")
        if last > size:
            raise Truncated(f"tensor {info.name!r:.100} ends at byte {last}, the file at {size}; download it again")
        end = last
    placed = {i.name: TensorInfo(i.name, i.shape, i.type, start + i.offset, i.nbytes) for i in infos}
    if len(placed) < len(infos):
        raise TensorInvalid("the GGUF has two tensors of one name")
    return placed
