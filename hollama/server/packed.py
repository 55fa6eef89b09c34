"""Bodies that come compressed: gzip, deflate and zstd, never more than a bound of what they hold. Knows no route.

Source: facts about the API, 5.6; Ollama knows zstd only.
"""

from __future__ import annotations

import sys
import zlib
from typing import Protocol

from hollama.errors import RequestError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_OR_ZLIB = 47  # window bits, as zlib wants them
_RAW = -15
_MEMBERS = 16  # of a body: gzip's members and zstd's frames may follow each other, and each is a copy of the rest


class BodyTooLarge(RequestError):
    status = 413


class EncodingUnknown(RequestError):
    status = 415


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"http: request body too large; at most {most} bytes are taken")


def unpack(body: bytes, encoding: str, most: int) -> bytes:
    """What the body is when unpacked, `most` bytes of it; `encoding` is its Content-Encoding.

    Raises BodyTooLarge, EncodingUnknown, and RequestError for damaged bytes.
    """
    packed, unpacked = body, b""
    for _ in range(_MEMBERS):
        decompressor = _decompressor(encoding.strip().lower(), packed)
        try:
            unpacked += decompressor.decompress(packed, most + 1 - len(unpacked))
        except (zlib.error, zstd.ZstdError) as error:
            raise RequestError(f"invalid input: {error}; the body is not what its Content-Encoding says") from None
        if len(unpacked) > most:
            raise too_large(most)
        if not decompressor.eof:
            raise RequestError("invalid input: the compressed body ends too early")
        if not (packed := decompressor.unused_data):
            return unpacked
    raise RequestError(f"invalid input: the compressed body has more than {_MEMBERS} members; pack it as one")


def _decompressor(encoding: str, body: bytes) -> _Decompressor:
    match encoding:
        case "zstd":
            return zstd.ZstdDecompressor()
        case "gzip" | "x-gzip":
            return zlib.decompressobj(_GZIP_OR_ZLIB)
        case "deflate":  # by the standard in zlib's frame, by many clients without
            return zlib.decompressobj(_GZIP_OR_ZLIB if body[:1] == b"\x78" else _RAW)
    raise EncodingUnknown(f'Content-Encoding "{encoding[:40]}" is not known; send gzip, deflate, zstd or none')
