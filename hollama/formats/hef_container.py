"""The outermost layer of a HEF: header, checks, and where the parts lie. Knows nothing of what the protobuf says.

All integers are big-endian. The first 12 bytes are magic 0x01484546, version u32, proto_size u32; then, by version:

    0  reserved u32, MD5[16]                                             32 bytes  MD5 of all after the header
    1  crc32 u32, ccws_size u64, reserved u32                            28        CRC-32 of all after the header
    2  xxh3 u64, ccws_size u64, reserved u64[2]                          44        XXH3-64 of all after the header
    3  xxh3 u64, ccws_size_with_padding u64, padding_size u32,           56        XXH3-64 of the proto, or, where
       extra_size u64, proto_xxh3 u64, reserved u64                                proto_xxh3 is 0, of all after it

Version 3 lays out  header | proto | padding | CCWs | extra (external resources), and the file's size is
56 + proto_size + ccws_size_with_padding + extra_size. The end of the padding is the zero point: CCWs start there
and resources count their offsets from it. The older versions have no padding and no extra; 0 has no CCWs either.

Source: HailoRT 5.2, libhailort/src/hef/hef_internal.hpp and hef.cpp.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import xxhash

from hollama.errors import HefError

MAGIC = 0x01484546
COMMON = struct.Struct(">3I")
DISTINCT = {0: struct.Struct(">I16s"), 1: struct.Struct(">IQI"), 2: struct.Struct(">4Q"), 3: struct.Struct(">QQIQQQ")}
HEADER_SIZE = COMMON.size + DISTINCT[3].size  # of version 3, the one that is written


class HefTruncated(HefError):
    """The file ends inside its header."""


class HefNotAHef(HefError):
    """The file does not start with the magic."""


class HefVersionUnsupported(HefError):
    """A header version that is unknown, or too old for what was asked."""


class HefLengthMismatch(HefError):
    """The sizes in the header do not add up to the file's size."""


class HefHashMismatch(HefError):
    """Bytes differ from what their checksum was taken of."""


@dataclass(frozen=True)
class Container:
    """Where the parts of a HEF lie, in bytes from its start, and what the header says of their content."""

    version: int
    proto: slice
    ccws: slice  # starts at the zero point
    extra: slice
    checksum: bytes | int  # of all after the header: MD5 digest, CRC-32 or XXH3-64
    proto_xxh3: int  # 0: not given

    @property
    def zero_point(self) -> int:
        """Where external resources count from."""
        return int(self.ccws.start)


def is_hef(path: Path) -> bool:
    """Whether a file begins as a HEF does, of whatever version."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == MAGIC.to_bytes(4, "big")


def read_container(data: memoryview) -> Container:
    """Parse the header and check the content as HailoRT does when it opens a file.

    Hashes the protobuf only where version 3 allows it, else the whole file.
    Raises HefTruncated, HefNotAHef, HefVersionUnsupported, HefLengthMismatch, HefHashMismatch.
    """
    magic, version, proto_size = COMMON.unpack(_take(data, 0, COMMON.size))
    if magic != MAGIC:
        raise HefNotAHef(f"not a HEF file: it starts with 0x{magic:08x} instead of 0x{MAGIC:08x}")
    if version not in DISTINCT:
        raise HefVersionUnsupported(f"HEF version {version} is unknown; versions 0 to 3 can be read")
    fields = DISTINCT[version].unpack(_take(data, COMMON.size, DISTINCT[version].size))
    container = _lay_out(version, proto_size, fields)
    if container.extra.stop != len(data):
        raise HefLengthMismatch(
            f"the HEF's header accounts for {container.extra.stop} bytes, the file has {len(data)}; "
            "copy or pull it again"
        )
    if container.proto_xxh3:
        _compare("protobuf", container.proto_xxh3, xxhash.xxh3_64_intdigest(data[container.proto]))
    else:
        _compare("content", container.checksum, content_checksum(data, version))
    return container


def _take(data: memoryview, start: int, size: int) -> memoryview:
    if len(data) < start + size:
        raise HefTruncated(f"a HEF header has {start + size} bytes or more, the file ends after {len(data)}")
    return data[start : start + size]


def _lay_out(version: int, proto_size: int, fields: tuple[int, ...]) -> Container:
    """`fields` are those after the common ones, in the order on disk."""
    checksum, proto_xxh3, ccws_size, padding, extra = (fields[0], 0, 0, 0, 0)
    match version:
        case 0:
            checksum = fields[1]
        case 1 | 2:
            ccws_size = fields[1]
        case 3:
            _, padded, padding, extra, proto_xxh3, _ = fields
            if padding > padded:
                raise HefLengthMismatch(f"the HEF's CCWs take {padded} bytes, less than their padding of {padding}")
            ccws_size = padded - padding
    start = COMMON.size + DISTINCT[version].size
    zero_point = start + proto_size + padding
    return Container(
        version=version,
        proto=slice(start, start + proto_size),
        ccws=slice(zero_point, zero_point + ccws_size),
        extra=slice(zero_point + ccws_size, zero_point + ccws_size + extra),
        checksum=checksum,
        proto_xxh3=proto_xxh3,
    )


def content_checksum(data: memoryview, version: int) -> bytes | int:
    """The version's own checksum of everything after the header."""
    body = data[COMMON.size + DISTINCT[version].size :]
    match version:
        case 0:
            return hashlib.md5(body, usedforsecurity=False).digest()
        case 1:
            return zlib.crc32(body)
        case _:
            return xxhash.xxh3_64_intdigest(body)


def _compare(what: str, expected: bytes | int, found: bytes | int) -> None:
    if expected != found:
        raise HefHashMismatch(f"the HEF's {what} does not match its checksum: it was damaged; copy or pull it again")


def pack_header(*, proto_size: int, padding: int, ccws_size: int, extra: int, xxh3: int, proto_xxh3: int) -> bytes:
    """The 56 bytes of a version 3 header; sizes in bytes."""
    distinct = DISTINCT[3].pack(xxh3, ccws_size + padding, padding, extra, proto_xxh3, 0)
    return COMMON.pack(MAGIC, 3, proto_size) + distinct
