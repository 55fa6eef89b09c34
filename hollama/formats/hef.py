"""HEF, Hailo's model container, version 3 written and 0 to 3 read. Knows nothing of what a model computes.

    with Hef.open(path) as hef:
        config = json.loads(bytes(hef.resources[CONFIG]))

`hef_container` describes the bytes around the protobuf, `hef.proto` the protobuf, `hef_groups` the network groups in
it. External resources are whole files inside the HEF, each with a name and an XXH3-64 hash: a GenAI model keeps its
tokenizer, embeddings and configuration there under Hailo's names, and hollama its graph and weights under its own.

What `write_hef` adds to the format's rules: the zero point is a multiple of 4096 and every resource starts at a
multiple of 64 in the file, so that a mapped resource can be viewed as an array; the same input gives the same bytes;
the optional extension HOLLAMA says that all of this, and the checksum of the whole, can be relied on.

Source: HailoRT 5.2, libhailort/src/hef/hef.cpp.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

import xxhash
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from hollama.errors import HefError
from hollama.formats import hef_pb2 as pb
from hollama.formats.files import Content, append, atomic_write, hash_mapped, map_file, read_here_and_there
from hollama.formats.hef_container import (
    HEADER_SIZE,
    Container,
    HefHashMismatch,
    HefVersionUnsupported,
    pack_header,
    read_container,
)
from hollama.formats.hef_groups import Cache, NetworkGroup, Tensor, build_group, group_name, read_group

__all__ = [
    "CONFIG",
    "EMBEDDINGS",
    "GRAPH",
    "ROPE_THETA",
    "TOKENIZER",
    "WEIGHTS",
    "Cache",
    "Hef",
    "NetworkGroup",
    "Tensor",
    "write_hef",
]

# Names of external resources: Hailo's (common/genai/constants.hpp) ...
EMBEDDINGS = "embeddings.bin"
TOKENIZER = "tokenizer.json"
ROPE_THETA = "rope_theta_data.bin"
CONFIG = "hailo-config.json"
# ... and ours.
GRAPH = "hollama-graph.json"
WEIGHTS = "hollama-weights.safetensors"

PAGE = 4096
ALIGNMENT = 64
MAX_UINT64 = 2**64 - 1

NET_FLOW, PERIPH_CALCULATION, EXTERNAL_RESOURCES, SHARED_CONFIG = 13, 26, 31, 32
# HailoRT 5.2 knows 0 to 35 but takes 7 (a test) and 8 (only ever optional) for unsupported.
KNOWN_EXTENSIONS = frozenset(range(36)) - {7, 8}
OUR_EXTENSION = pb.Extension(type=0x484F, name="HOLLAMA")


class HefProtoInvalid(HefError):
    """The protobuf does not parse, or contradicts itself."""


class HefExtensionUnknown(HefError):
    """The file demands something of its reader that this one does not know."""


class HefResourceInvalid(HefError):
    """An external resource that lies outside the file's resource area, or twice under one name."""


@dataclass(frozen=True, eq=False, repr=False)
class Resources(Mapping[str, memoryview]):
    """External resources by name, in file order: read-only views, hashed when first asked for.

    Indexing raises KeyError for an unknown name and HefHashMismatch for damaged content.
    """

    _data: memoryview
    _zero_point: int
    _entries: Mapping[str, pb.ExternalResource]
    _verified: set[str]

    def __getitem__(self, name: str) -> memoryview:
        view = self.peek(name)
        self._check(name, keep=True)
        return view

    def check(self, name: str) -> None:
        """Raises HefHashMismatch if a resource is damaged. What is read does not stay in the process's memory."""
        self._check(name, keep=False)

    def _check(self, name: str, keep: bool) -> None:
        if name not in self._verified:
            entry = self._entries[name]
            start = self._zero_point + entry.offset
            if entry.xxhash and entry.xxhash != hash_mapped(self._data, start, start + entry.size, keep=keep):
                raise HefHashMismatch(f"resource {name!r} of the HEF was damaged; copy or pull the file again")
            self._verified.add(name)

    def trust(self, names: Iterable[str]) -> None:
        """Take these for whole."""
        self._verified.update(names)

    def peek(self, name: str) -> memoryview:
        """A resource of which little is read, without the hash. Raises KeyError."""
        entry = self._entries[name]
        start = self._zero_point + entry.offset
        return self._data[start : start + entry.size]

    def entry(self, name: str) -> pb.ExternalResource:
        """Where a resource lies. Raises KeyError."""
        return self._entries[name]

    def __contains__(self, name: object) -> bool:  # Mapping's own would hash the content
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(frozen=True, eq=False)
class Hef:
    """An open HEF file. Mapped: opening costs a hash of the protobuf, and resources are read when used."""

    path: Path
    size: int  # bytes
    container: Container
    proto: pb.HefFile = field(repr=False)
    resources: Resources = field(repr=False)
    _data: memoryview = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Hef:
        """Check header and protobuf as HailoRT does, and where resources lie. Raises HefError, OSError."""
        data = map_file(path)
        container = read_container(data)
        proto = _parse(data[container.proto])
        resources = Resources(data, container.zero_point, _entries(proto, container), set())
        return cls(path, len(data), container, proto, resources, data)

    def __enter__(self) -> Hef:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Views handed out before stay valid, and keep it mapped."""
        self._data.release()

    @property
    def version(self) -> int:
        return self.container.version

    @property
    def architecture(self) -> str:
        """Name of the device family the file was compiled for, such as HAILO1XH for Hailo-10H and Hailo-15H."""
        number = self.proto.header.hw_arch
        names: dict[int, str] = dict(zip(pb.HwArch.values(), pb.HwArch.keys(), strict=True))
        return names.get(number, f"unknown ({number})")

    @property
    def network_groups(self) -> tuple[str, ...]:
        """Names of the network groups, in file order."""
        return tuple(group_name(group) for group in self.proto.network_groups)

    def network_group(self, name: str) -> NetworkGroup:
        """One group, by its full name. Raises KeyError, HefError."""
        for group in self.proto.network_groups:
            if group_name(group) == name:
                return read_group(group)
        raise KeyError(name)

    @property
    def ccws(self) -> memoryview:
        """The device's configuration words."""
        return self._data[self.container.ccws]

    @property
    def model_hash(self) -> str:
        """16 hex digits as HailoRT prints them: the header's XXH3-64 in little-endian order of bytes.

        Raises HefVersionUnsupported for files older than version 3, as HailoRT does.
        """
        checksum = self.container.checksum
        if self.version < 3 or not isinstance(checksum, int):
            raise HefVersionUnsupported(f"HEF version {self.version} has no model hash; compile for version 3")
        return struct.pack("<Q", checksum).hex()

    def read_here_and_there(self, name: str) -> None:
        """Say that of this resource single rows are read, now and then: the rest shall not be in memory."""
        entry = self.resources.entry(name)
        start = self.container.zero_point + entry.offset
        read_here_and_there(self._data, start, start + entry.size)

    def verify(self) -> None:
        """Check every single byte of a file that hollama wrote, of others the resources. Reads the whole file once.

        HailoRT does not say whether other writers' checksum of the whole can be relied on. What was read does not stay
        in the process's memory. Raises HefError.
        """
        ours = OUR_EXTENSION in self.proto.optional_extensions
        proto_size = self.container.proto.stop - HEADER_SIZE
        if ours and self._data[:HEADER_SIZE] == _header(self._data, self.proto, proto_size, len(self.ccws)):
            self.resources.trust(self.resources)
            return
        for name in self.resources:
            self.resources.check(name)
        if ours:
            raise HefHashMismatch("the HEF differs from what hollama wrote: it was damaged; copy or pull it again")


def _parse(data: memoryview) -> pb.HefFile:
    try:
        proto: pb.HefFile = pb.HefFile.FromString(data)
    except DecodeError as error:
        raise HefProtoInvalid(f"the HEF's protobuf does not parse: {error}") from None
    unknown = [e.name or str(e.type) for e in proto.extensions if e.type not in KNOWN_EXTENSIONS]
    if unknown:
        raise HefExtensionUnknown(
            f"the HEF demands {', '.join(unknown)}, which this version does not know; use a newer hollama, "
            "or compile with an older Dataflow Compiler"
        )
    names = [group_name(group) for group in proto.network_groups]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise HefProtoInvalid(f'the HEF has {len(names)} network groups, of which some are named "{twice:.100}"')
    return proto


def _entries(proto: pb.HefFile, container: Container) -> dict[str, pb.ExternalResource]:
    entries: dict[str, pb.ExternalResource] = {}
    first = container.extra.start - container.zero_point
    last = container.extra.stop - container.zero_point
    for entry in proto.external_resources:
        if entry.name in entries:
            raise HefResourceInvalid(f"the HEF has two resources named {entry.name[:100]!r}")
        if entry.offset + entry.size > last or entry.offset < first:
            span = f"{entry.offset} to {entry.offset + entry.size}"
            raise HefResourceInvalid(
                f"the HEF says resource {entry.name[:100]!r} is bytes {span}, but resources lie from {first} to {last}"
            )
        entries[entry.name] = entry
    return entries


def write_hef(
    path: Path,
    *,
    network_groups: Sequence[NetworkGroup],
    resources: Mapping[str, Content],
    hw_arch: str = "HAILO1XH",
    sdk_version: tuple[int, int, int] = (5, 2, 0),
    ccws: bytes = b"",
    timestamp: int = 0,
) -> None:
    """Write a HEF of version 3, atomically. Resources are streamed: a Path's file is never held as a whole.

    sdk_version: that of the Dataflow Compiler whose format this is; timestamp: seconds since 1970.
    Raises HefError for what the format cannot say, OSError.
    """
    proto = _describe(network_groups, resources, hw_arch, sdk_version, timestamp)
    with atomic_write(path) as file:
        zero_point = _zero_point(proto)
        file.seek(zero_point)
        file.write(ccws)
        for entry, content in zip(proto.external_resources, resources.values(), strict=True):
            file.write(bytes(-file.tell() % ALIGNMENT))
            entry.offset = file.tell() - zero_point
            entry.size, entry.xxhash = append(content, file)
        packed = proto.SerializeToString(deterministic=True)
        file.seek(HEADER_SIZE)
        file.write(packed)
        file.write(bytes(zero_point - file.tell()))
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped, memoryview(mapped) as data:
            header = _header(data, proto, len(packed), len(ccws))
        file.seek(0)
        file.write(header)


def _describe(
    groups: Sequence[NetworkGroup],
    resources: Iterable[str],
    hw_arch: str,
    sdk_version: tuple[int, int, int],
    timestamp: int,
) -> pb.HefFile:
    """The protobuf, except for where the resources lie."""
    if hw_arch not in pb.HwArch.keys():  # noqa: SIM118 - not a dict
        raise HefError(
            f"{hw_arch!r} is no hardware architecture of HEFs; expected one of {', '.join(pb.HwArch.keys())}"
        )
    if len({group.name for group in groups}) < len(groups):
        raise HefError(f"network groups need different names, not {', '.join(group.name for group in groups)}")
    major, minor, revision = sdk_version
    version = pb.SdkVersion(major=major, minor=minor, revision=revision)
    text = f"{major}.{minor}.{revision}"
    entries = [pb.ExternalResource(name=name) for name in resources]
    shared = [pb.Extension(type=SHARED_CONFIG, name="SHARED_CONFIG")] if len(groups) > 2 else []
    extensions = [
        pb.Extension(type=NET_FLOW, name="HAILO_NET_FLOW"),
        pb.Extension(type=PERIPH_CALCULATION, name="PERIPH_CALCULATION_IN_HAILORT"),
        pb.Extension(type=EXTERNAL_RESOURCES, name="EXTERNAL_RESOURCES"),
    ]
    return pb.HefFile(
        header=pb.Header(hw_arch=hw_arch, timestamp=timestamp, sdk_version_text=text, sdk_version=version, version=3),
        network_groups=[build_group(group, i) for i, group in enumerate(groups)],
        extensions=[*(extensions if entries else extensions[:2]), *shared],
        optional_extensions=[OUR_EXTENSION],
        external_resources=entries,
    )


def _zero_point(proto: pb.HefFile) -> int:
    """A page boundary behind the largest the protobuf can become when its resources' places are filled in."""
    bound = pb.HefFile()
    bound.CopyFrom(proto)
    for entry in bound.external_resources:
        entry.offset = entry.size = entry.xxhash = MAX_UINT64
    return -(-(HEADER_SIZE + int(bound.ByteSize())) // PAGE) * PAGE


def _header(data: memoryview, proto: pb.HefFile, proto_size: int, ccws_size: int) -> bytes:
    """The header that belongs to a file laid out by `write_hef`; `data` is the whole file, its header may be blank."""
    zero_point = _zero_point(proto)
    return pack_header(
        proto_size=proto_size,
        padding=zero_point - HEADER_SIZE - proto_size,
        ccws_size=ccws_size,
        extra=len(data) - zero_point - ccws_size,
        xxh3=hash_mapped(data, HEADER_SIZE, len(data)),
        proto_xxh3=xxhash.xxh3_64_intdigest(data[HEADER_SIZE : HEADER_SIZE + proto_size]),
    )
