"""Bodies that come compressed, as Codex sends them."""

from __future__ import annotations

import gzip
import json
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import RequestError
from hollama.server.answers import LARGEST_UNPACKED
from hollama.server.packed import unpack
from tests.server.server_desk import Desk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}


async def send(desk: Desk, path: str, body: bytes, encoding: str) -> tuple[int, bytes]:
    headers = {"Content-Encoding": encoding}
    async with desk.http.post(desk.url + path, data=body, headers=headers) as response:
        assert "Content-Encoding" not in response.headers
        return response.status, await response.read()


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/generate", {"model": "noise", "prompt": "x", "stream": False, "options": {"num_predict": 2}}),
        ("/v1/responses", {"model": "noise", "input": "x", "max_output_tokens": 2}),
        ("/v1/messages", {"model": "noise", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2}),
    ],
)
async def test_a_packed_body_is_taken(desk: Desk, encoding: str, path: str, body: object) -> None:
    status, answer = await send(desk, path, PACK[encoding](json.dumps(body).encode()), encoding)
    assert status == 200, answer


@pytest.mark.parametrize("encoding", PACK)
async def test_what_is_damaged_is_refused(desk: Desk, encoding: str) -> None:
    packed = PACK[encoding](json.dumps({"model": "noise", "prompt": "x" * 999}).encode())
    for damaged in (b"{}", packed[: len(packed) // 2], packed[:12] + b"\xff\xff\xff" + packed[15:]):
        status, answer = await send(desk, "/v1/responses", damaged, encoding)
        assert status == 400
        assert json.loads(answer)["error"]["type"] == "invalid_request_error"
    assert (await desk.http.get(desk.url)).status == 200


@pytest.mark.parametrize("encoding", PACK)
def test_what_follows_is_unpacked_too_or_refused(encoding: str) -> None:
    pack = PACK[encoding]
    assert unpack(pack(b"ab") + pack(b"") + pack(b"cd"), encoding, 4) == b"abcd"
    for body in (pack(b"ab") + b"junk", pack(b"ab") + pack(b"cd")[:-1], pack(b"") * 17, pack(b"ab") + pack(b"cde")):
        with pytest.raises(RequestError):
            unpack(body, encoding, 4)


@pytest.mark.parametrize("encoding", ["", "Identity", " identity "])
async def test_a_body_that_is_not_packed_may_say_so(desk: Desk, encoding: str) -> None:
    status, _ = await send(desk, "/api/show", b'{"model": "noise"}', encoding)
    assert status == 200


async def test_an_encoding_nobody_knows_is_refused(desk: Desk) -> None:
    status, answer = await send(desk, "/api/generate", b"{}", "br, gzip")
    assert status == 415
    assert "br, gzip" in json.loads(answer)["error"]


@pytest.mark.parametrize("encoding", PACK)
@given(body=st.binary(max_size=300), places=st.lists(st.integers(0, 400), max_size=3), cut=st.integers(0, 400))
def test_damage_never_escapes(encoding: str, body: bytes, places: list[int], cut: int) -> None:
    packed = bytearray(PACK[encoding](body))
    assert unpack(bytes(packed), encoding, 300) == body
    for place in places:
        packed[place % len(packed)] ^= 0x41
    with suppress(RequestError):
        assert len(unpack(bytes(packed[:cut]), encoding, 300)) <= 300


@pytest.mark.parametrize("encoding", PACK)
async def test_a_bomb_is_not_unpacked(desk: Desk, encoding: str) -> None:
    bomb = PACK[encoding](b" " * (20 * LARGEST_UNPACKED))
    began = time.monotonic()
    status, answer = await send(desk, "/api/generate", bomb, encoding)
    assert status == 413
    assert "too large" in json.loads(answer)["error"]
    assert time.monotonic() - began < 5
