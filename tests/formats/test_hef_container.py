"""The bytes of a HEF: what is written, against a check by hand; what is read, against files made by hand."""

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hollama.errors import HefError
from hollama.formats import hef_pb2 as pb
from hollama.formats.hef import (
    CONFIG,
    EMBEDDINGS,
    GRAPH,
    Hef,
    HefExtensionUnknown,
    HefProtoInvalid,
    HefResourceInvalid,
    NetworkGroup,
    Tensor,
    write_hef,
)
from hollama.formats.hef_container import (
    HefHashMismatch,
    HefLengthMismatch,
    HefNotAHef,
    HefTruncated,
    HefVersionUnsupported,
)
from tests.formats.format_damage import damaged, only

GROUPS = [
    NetworkGroup(f"base_model__{phase}", (Tensor("in", (1, 96, 64), "uint16", 0.5, 3),), (Tensor("out", (1, 1, 512)),))
    for phase in ("prefill", "tbt")
]
RESOURCES = {CONFIG: b'{"eos_token_id": 2}', GRAPH: b"[]", EMBEDDINGS: bytes(range(256)) * 3, "empty": b""}
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hef") / "sample.hef"
    write_hef(path, network_groups=GROUPS, resources=RESOURCES, ccws=b"words of configuration")
    return path


def wire(data: bytes) -> list[tuple[int, int | bytes]]:
    """A protobuf message as (field, value), by hand: varints and length-delimited fields only."""

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    at, found = 0, []
    while at < len(data):
        key = varint()
        value: int | bytes = varint()
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        else:
            assert key & 7 == 0
        found.append((key >> 3, value))
    return found


def seal(proto: bytes, rest: bytes = b"", *, padding: int = 0, ccws: int = 0, whole: bool = False) -> bytes:
    """A version 3 file by hand; `rest` is everything behind the protobuf, `whole` asks for the hash of it all."""
    body = proto + rest
    header = b"\x01HEF" + struct.pack(">II", 3, len(proto)) + struct.pack(">Q", xxhash.xxh3_64_intdigest(body))
    header += struct.pack(">QI", ccws + padding, padding) + struct.pack(">Q", len(rest) - padding - ccws)
    return header + struct.pack(">QQ", 0 if whole else xxhash.xxh3_64_intdigest(proto), 0) + body


def opened(tmp_path: Path, data: bytes) -> Hef:
    path = tmp_path / "made.hef"
    path.write_bytes(data)
    return Hef.open(path)


def test_header_as_the_facts_have_it(sample):
    data = sample.read_bytes()
    assert data[:12] == b"\x01HEF\0\0\0\x03" + data[8:12]
    proto_size, whole, padded = struct.unpack(">IQQ", data[8:28])
    padding, extra, proto_hash, reserved = struct.unpack(">IQQQ", data[28:56])
    assert whole == xxhash.xxh3_64_intdigest(data[56:])
    assert proto_hash == xxhash.xxh3_64_intdigest(data[56 : 56 + proto_size])
    assert len(data) - 56 == proto_size + padded + extra
    assert (padded - padding, reserved) == (len(b"words of configuration"), 0)
    zero = 56 + proto_size + padding
    assert data[zero:].startswith(b"words of configuration")
    assert not any(data[56 + proto_size : zero])


def test_resources_as_the_facts_have_them(sample):
    data = sample.read_bytes()
    (proto_size,), (padding,) = struct.unpack(">I", data[8:12]), struct.unpack(">I", data[28:32])
    entries = [dict(wire(value)) for field, value in wire(data[56 : 56 + proto_size]) if field == 7]
    assert [entry[3].decode() for entry in entries] == list(RESOURCES)
    for entry, content in zip(entries, RESOURCES.values(), strict=True):
        start = 56 + proto_size + padding + entry[1]
        assert data[start : start + entry.get(2, 0)] == content
        assert start % 64 == 0
        assert entry[4] == xxhash.xxh3_64_intdigest(content)


def test_names_as_the_facts_have_them(sample):
    data = sample.read_bytes()
    (proto_size,) = struct.unpack(">I", data[8:12])
    fields = wire(data[56 : 56 + proto_size])
    groups = [dict(wire(value)) for field, value in fields if field == 2]
    assert [group[10].decode() for group in groups] == ["base_model__prefill", "base_model__tbt"]
    assert [dict(wire(group[1]))[1].decode() for group in groups] == ["base_model__prefill", "base_model__tbt"]
    assert dict(wire(dict(fields)[1]))[1] == 103  # header, hw_arch
    assert {dict(wire(value))[1] for field, value in fields if field == 5} == {13, 26, 31}


def test_round_trip(sample):
    with Hef.open(sample) as hef:
        assert (hef.version, hef.architecture, hef.size) == (3, "HAILO1XH", sample.stat().st_size)
        assert hef.network_groups == ("base_model__prefill", "base_model__tbt")
        assert [hef.network_group(name) for name in hef.network_groups] == GROUPS
        assert {name: bytes(view) for name, view in hef.resources.items()} == RESOURCES
        assert bytes(hef.ccws) == b"words of configuration"
        hef.verify()


@quick
@given(
    resources=st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.binary(max_size=300), max_size=5),
    ccws=st.binary(max_size=100),
    timestamp=st.integers(0, 2**64 - 1),
)
def test_any_resources_round_trip(tmp_path, resources, ccws, timestamp):
    path = tmp_path / "any.hef"
    write_hef(path, network_groups=[], resources=resources, ccws=ccws, timestamp=timestamp)
    with Hef.open(path) as hef:
        hef.verify()
        assert {name: bytes(view) for name, view in hef.resources.items()} == resources
        assert (bytes(hef.ccws), hef.proto.header.timestamp) == (ccws, timestamp)


def test_sources_of_every_kind_give_the_same_bytes(tmp_path):
    content = bytes(range(256)) * 50
    (tmp_path / "content").write_bytes(content)
    sources = [content, memoryview(content), tmp_path / "content", (content[i : i + 99] for i in range(0, 12800, 99))]
    for i, source in enumerate(sources):
        write_hef(tmp_path / f"{i}", network_groups=GROUPS, resources={"r": source})
    assert len({(tmp_path / f"{i}").read_bytes() for i in range(len(sources))}) == 1


def test_resources_are_streamed(tmp_path):
    piece = bytes(1 << 20)
    with only(HefError, megabytes=4):
        write_hef(tmp_path / "big.hef", network_groups=[], resources={"big": (piece for _ in range(32))})
        with Hef.open(tmp_path / "big.hef") as hef:
            assert len(hef.resources["big"]) == 32 << 20
    assert hef.size > 32 << 20


def test_a_failed_write_leaves_the_old_file(tmp_path, sample):
    path = tmp_path / "kept.hef"
    path.write_bytes(sample.read_bytes())
    with pytest.raises(FileNotFoundError):
        write_hef(path, network_groups=GROUPS, resources={"r": tmp_path / "absent"})
    assert path.read_bytes() == sample.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


@quick
@given(data=st.data())
def test_every_flipped_bit_is_noticed(tmp_path, sample, data):
    whole = bytearray(sample.read_bytes())
    proto_end = 56 + int.from_bytes(whole[8:12], "big")
    where = data.draw(st.one_of(st.integers(0, 55), st.integers(56, proto_end), st.integers(0, len(whole) - 1)))
    whole[where] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(HefError):
        opened(tmp_path, bytes(whole)).verify()


def test_every_bit_of_the_header_counts(tmp_path, sample):
    whole = sample.read_bytes()
    for bit in range(56 * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(HefError):
            opened(tmp_path, bytes(flipped)).verify()


def test_a_damaged_resource_is_noticed_when_it_is_used(tmp_path, sample):
    whole = bytearray(sample.read_bytes())
    whole[whole.index(RESOURCES[CONFIG])] ^= 1
    with opened(tmp_path, bytes(whole)) as hef:
        assert bytes(hef.resources[GRAPH]) == b"[]"
        with pytest.raises(HefHashMismatch, match=CONFIG):
            hef.resources[CONFIG]


def test_views_outlive_the_file(sample):
    with Hef.open(sample) as hef:
        view = hef.resources[CONFIG]
    assert bytes(view) == RESOURCES[CONFIG]


@quick
@given(data=st.data())
def test_damage_raises_only_hef_errors(tmp_path, sample, data):
    broken = data.draw(damaged(sample.read_bytes()))
    with only(HefError):
        opened(tmp_path, broken).verify()


@quick
@given(data=st.data())
def test_a_lying_protobuf_raises_only_hef_errors(tmp_path, sample, data):
    whole = sample.read_bytes()
    end = 56 + int.from_bytes(whole[8:12], "big")
    broken = data.draw(damaged(whole[56:end]))
    with only(HefError):
        hef = opened(tmp_path, seal(broken, whole[end:], padding=64, ccws=5))
        assert hef.architecture
        assert len(hef.model_hash) == 16
        assert len([hef.network_group(name) for name in hef.network_groups]) == len(hef.network_groups)
        hef.verify()


def test_model_hash_is_the_header_field_backwards(sample):
    with Hef.open(sample) as hef:
        assert hef.model_hash == sample.read_bytes()[12:20][::-1].hex()


PROTO = pb.HefFile(network_groups=[pb.NetworkGroup(metadata=pb.GroupMetadata(name="old"))]).SerializeToString()


@pytest.mark.parametrize("whole", [False, True])
def test_version_3_by_hand(tmp_path, whole):
    proto = pb.HefFile(external_resources=[pb.ExternalResource(name="r", offset=4, size=2)]).SerializeToString()
    hef = opened(tmp_path, seal(proto, b"\0\0\0ccwsrr", padding=3, ccws=4, whole=whole))
    assert (bytes(hef.ccws), bytes(hef.resources["r"])) == (b"ccws", b"rr")


def test_hash_of_the_whole_is_checked_where_the_protobuf_has_none(tmp_path):
    data = bytearray(seal(PROTO, b"tail", ccws=4, whole=True))
    data[-1] ^= 1
    with pytest.raises(HefHashMismatch):
        opened(tmp_path, bytes(data))


OLD = {
    0: b"\x01HEF" + struct.pack(">III", 0, len(PROTO), 0) + hashlib.md5(PROTO).digest() + PROTO,
    1: b"\x01HEF" + struct.pack(">IIIQI", 1, len(PROTO), zlib.crc32(PROTO + b"ccw"), 3, 0) + PROTO + b"ccw",
    2: b"\x01HEF"
    + struct.pack(">IIQQQQ", 2, len(PROTO), xxhash.xxh3_64_intdigest(PROTO + b"ccw"), 3, 0, 0)
    + PROTO
    + b"ccw",
}


@pytest.mark.parametrize("version", OLD)
def test_old_versions(tmp_path, version):
    hef = opened(tmp_path, OLD[version])
    assert (hef.version, hef.network_groups, bytes(hef.ccws)) == (version, ("old",), b"ccw" if version else b"")
    with pytest.raises(HefVersionUnsupported):
        assert hef.model_hash


@pytest.mark.parametrize("version", OLD)
def test_old_versions_are_checked(tmp_path, version):
    with pytest.raises(HefHashMismatch):
        opened(tmp_path, OLD[version][:-1] + b"!")


REFUSED = {
    "empty": (b"", HefTruncated),
    "header cut": (b"\x01HEF\0\0\0\x03" + bytes(20), HefTruncated),
    "other file": (b"GGUF" + bytes(60), HefNotAHef),
    "version": (b"\x01HEF\0\0\0\x04" + bytes(60), HefVersionUnsupported),
    "short": (seal(PROTO, b"tail", ccws=4)[:-1], HefLengthMismatch),
    "long": (seal(PROTO) + b"!", HefLengthMismatch),
    "padding exceeds ccws": (
        seal(PROTO, b"pad", padding=3)[:31] + b"\x04" + seal(PROTO, b"pad")[32:],
        HefLengthMismatch,
    ),
    "no protobuf": (seal(b"\x0a\xff"), HefProtoInvalid),
    "same names": (seal(PROTO + PROTO), HefProtoInvalid),
    "extension": (
        seal(pb.HefFile(extensions=[pb.Extension(type=36, name="NEW")]).SerializeToString()),
        HefExtensionUnknown,
    ),
    "test extension": (seal(pb.HefFile(extensions=[pb.Extension(type=7)]).SerializeToString()), HefExtensionUnknown),
}


def resource_file(*places: tuple[int, int]) -> bytes:
    entries = [pb.ExternalResource(name="r", offset=offset, size=size) for offset, size in places]
    return seal(pb.HefFile(external_resources=entries).SerializeToString(), b"ccws" + b"resource", ccws=4)


REFUSED |= {
    "resource behind the end": (resource_file((5, 8)), HefResourceInvalid),
    "resource in the ccws": (resource_file((3, 8)), HefResourceInvalid),
    "resource wraps around": (resource_file((2**64 - 1, 2)), HefResourceInvalid),
    "resource twice": (resource_file((4, 1), (5, 1)), HefResourceInvalid),
}


@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=list(REFUSED))
def test_refused(tmp_path, data, error):
    with pytest.raises(error):
        opened(tmp_path, data)


def test_unknown_architecture_is_named_by_number(tmp_path):
    hef = opened(tmp_path, seal(pb.HefFile(header=pb.Header(hw_arch=77)).SerializeToString()))
    assert hef.architecture == "unknown (77)"


def test_only_known_architectures_are_written(tmp_path):
    with pytest.raises(HefError, match="HAILO1XH"):
        write_hef(tmp_path / "x", network_groups=[], resources={}, hw_arch="H100")
