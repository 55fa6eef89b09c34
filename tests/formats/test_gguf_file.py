"""GGUF: against the gguf package's reader and writer, and against files made by hand."""

import struct
import time
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as GgmlType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hollama.errors import GgufError
from hollama.formats.gguf import (
    MAX_NESTING,
    GgufFile,
    MetadataInvalid,
    NotAGguf,
    TensorInvalid,
    TensorMissing,
    TensorUnreadable,
    Truncated,
    VersionUnsupported,
)
from tests.formats.format_damage import damaged, only

quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
REAL = ["derived/stories260k/stories260K.f32.gguf", "derived/aidreams/aidreams260K.f16.gguf"]
REAL += [f"derived/tinytalk/tinytalk-chat.{kind}.gguf" for kind in ("f16", "q8_0", "q4_0")]
REAL += ["weights/random/llama-2-tiny-random.gguf"]
QUANTS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4", "BF16", "F16", "F32"]


def parsed(data: bytes) -> GgufFile:
    return GgufFile.from_buffer(memoryview(data))


def string(text: str | bytes, order: str = "<") -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack(order + "Q", len(raw)) + raw


def key(name: str | bytes, kind: int, value: bytes) -> bytes:
    return string(name) + struct.pack("<I", kind) + value


def array(item: int, count: int, items: bytes = b"") -> bytes:
    return struct.pack("<IQ", item, count) + items


def info(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    """shape as in the file: innermost first."""
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def made(keys: list[bytes], infos: list[bytes] = [], data: bytes = b"", version: int = 3, align: int = 32) -> bytes:  # noqa: B006
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos), len(keys)) + b"".join(keys + infos)
    return head + bytes(-len(head) % align) + data


def written(path: Path, fill, endian=gguf.GGUFEndian.LITTLE) -> GgufFile:
    writer = gguf.GGUFWriter(str(path), "llama", endianess=endian)
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return GgufFile.open(path)


def plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("name", REAL)
def test_real_files_like_the_oracle(shared, name):
    path = shared / "data" / name
    found, oracle = GgufFile.open(path), gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in oracle.fields.items() if not name.startswith("GGUF.")}
    assert list(found.metadata) == list(keys)
    assert {name: plain(value) for name, value in found.metadata.items()} == keys
    assert list(found.tensors) == [tensor.name for tensor in oracle.tensors]
    for tensor in oracle.tensors:
        assert found.info(tensor.name).shape == tuple(tensor.shape.tolist()[::-1])
        assert found.info(tensor.name).offset == tensor.data_offset
        np.testing.assert_array_equal(found.array(tensor.name), tensor.data)
        expected = gguf.quants.dequantize(np.asarray(tensor.data), tensor.tensor_type)
        np.testing.assert_array_equal(found.float32(tensor.name), expected)


VALUES = {
    "uint8": 255, "int8": -128, "uint16": 65535, "int16": -32768, "uint32": 2**32 - 1, "int32": -(2**31),
    "uint64": 2**64 - 1, "int64": -(2**63), "float32": 0.5, "float64": 0.1, "bool": True, "string": "grüße",
}  # fmt: skip
ARRAYS = [[1, 2, 3], [0.5, -1.0], [True, False], ["a", "", "ß"]]


@pytest.mark.parametrize("endian", list(gguf.GGUFEndian))
def test_values_like_the_writer(tmp_path, endian):
    def fill(writer):
        for kind, value in VALUES.items():
            getattr(writer, f"add_{kind}")(kind, value)
        for i, values in enumerate(ARRAYS):
            writer.add_array(f"array{i}", values)
        writer.add_tensor("w", np.arange(6, dtype=np.float32).reshape(2, 3))

    found = written(tmp_path / "x.gguf", fill, endian)
    assert found.byte_order == ("<" if endian is gguf.GGUFEndian.LITTLE else ">")
    assert {name: found.metadata[name] for name in VALUES} == VALUES
    assert [plain(found.metadata[f"array{i}"]) for i in range(len(ARRAYS))] == ARRAYS
    assert found.float32("w").tolist() == [[0, 1, 2], [3, 4, 5]]


@quick
@given(st.data())
def test_metadata_round_trips(tmp_path, data):
    text = st.text(st.characters(codec="utf-8"), max_size=10)
    lists = st.lists(st.integers(-100, 100), min_size=1) | st.lists(text, min_size=1)
    names = text.filter(lambda name: name and not name.startswith("general."))
    values = data.draw(st.dictionaries(names, text | st.booleans() | lists, max_size=6))

    def fill(writer):
        for name, value in values.items():
            add = {str: writer.add_string, bool: writer.add_bool, list: writer.add_array}[type(value)]
            add(name, value)

    # The writer leaves out empty strings.
    expected = {"general.architecture": "llama"} | {name: value for name, value in values.items() if value != ""}
    found = written(tmp_path / "x.gguf", fill).metadata
    assert {name: plain(value) for name, value in found.items()} == expected


@pytest.mark.parametrize("kind", QUANTS)
def test_dequantised_rows(tmp_path, kind):
    values = np.random.default_rng(1).normal(size=(5, 512)).astype(np.float32)
    raw = gguf.quants.quantize(values, GgmlType[kind])
    found = written(tmp_path / "x.gguf", lambda writer: writer.add_tensor("w", raw, raw_dtype=GgmlType[kind]))
    whole = gguf.quants.dequantize(raw, GgmlType[kind])
    assert found.info("w").shape == (5, 512)
    np.testing.assert_array_equal(found.float32("w"), whole)
    np.testing.assert_array_equal(found.float32("w", slice(1, 3)), whole[1:3])
    assert found.float32("w", slice(5, 9)).shape == (0, 512)


def test_part_of_a_quantised_row(tmp_path):
    raw = gguf.quants.quantize(np.linspace(-1, 1, 64, dtype=np.float32), GgmlType.Q8_0)
    found = written(tmp_path / "x.gguf", lambda writer: writer.add_tensor("w", raw, raw_dtype=GgmlType.Q8_0))
    np.testing.assert_array_equal(found.float32("w", slice(3, 7)), found.float32("w")[3:7])


def test_big_endian_blocks_are_refused(tmp_path):
    def fill(writer):
        writer.add_tensor("w", np.zeros((1, 34), np.uint8), raw_dtype=GgmlType.Q8_0)

    found = written(tmp_path / "x.gguf", fill, gguf.GGUFEndian.BIG)
    with pytest.raises(TensorUnreadable):
        found.float32("w")


def test_types_that_cannot_be_dequantised_are_refused():
    found = parsed(made([], [info("w", (256,), GgmlType.Q8_K)], bytes(292)))
    with pytest.raises(TensorUnreadable, match="Q8_K"):
        found.float32("w")


def test_version_2():
    assert parsed(made([key("a", 4, b"\7\0\0\0")], version=2)).metadata["a"] == 7


def test_alignment_of_its_own():
    keys = [key("general.alignment", 4, struct.pack("<I", 8))]
    infos = [info("a", (1,)), info("b", (1,), offset=8)]
    found = parsed(made(keys, infos, struct.pack("<f4xf", 1, 2), align=8))
    assert (found.float32("a")[0], found.float32("b")[0]) == (1, 2)


def test_nested_arrays():
    inner = array(0, 2, b"\1\2")
    found = parsed(made([key("a", 9, array(9, 2, inner * 2)), key("b", 7, b"\1")])).metadata
    assert [plain(values) for values in found["a"]] == [[1, 2], [1, 2]]
    assert found["b"] is True


def test_scalar_tensor():
    assert parsed(made([], [info("s", ())], struct.pack("<f", 3))).float32("s").shape == ()


def test_a_vocabulary_opens_quickly():
    tokens = b"".join(string(f"token{i}") for i in range(300_000))
    data = made([key("tokens", 9, array(8, 300_000, tokens))])
    start = time.process_time()
    found = parsed(data)
    assert time.process_time() - start < 1
    assert found.metadata["tokens"][299_999] == "token299999"


def nested(depth: int) -> bytes:
    return key("a", 9, array(9, 1) * depth + array(0, 0))


def powers(alignment: int) -> list[bytes]:
    return [key("general.alignment", 4, struct.pack("<I", alignment))]


REFUSED = {
    "empty": (b"", NotAGguf),
    "other file": (b"ggml" + bytes(40), NotAGguf),
    "version 1": (made([], version=1), VersionUnsupported),
    "version 4": (made([], version=4), VersionUnsupported),
    "big-endian version 2": (b"GGUF" + struct.pack(">IQQ", 2, 0, 0), VersionUnsupported),
    "header cut": (made([])[:23], Truncated),
    "key count": (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), Truncated),
    "tensor count": (b"GGUF" + struct.pack("<IQQ", 3, 2**64 - 1, 0), Truncated),
    "key length": (made([struct.pack("<Q", 2**63)]), Truncated),
    "key not UTF-8": (made([key(b"\xff", 0, b"\0")]), MetadataInvalid),
    "key twice": (made([key("a", 0, b"\0")] * 2), MetadataInvalid),
    "value type": (made([key("a", 13, b"\0")]), MetadataInvalid),
    "item type": (made([key("a", 9, array(13, 1))]), MetadataInvalid),
    "string length": (made([key("a", 8, struct.pack("<Q", 2**64 - 1))]), Truncated),
    "number count": (made([key("a", 9, array(12, 2**61))]), Truncated),
    "string count": (made([key("a", 9, array(8, 2**61))]), Truncated),
    "strings wrap around": (made([key("a", 9, array(8, 2, struct.pack("<Q", 2**64 - 8) * 2))]), Truncated),
    "nesting": (made([nested(MAX_NESTING + 1)]), MetadataInvalid),
    "deep nesting": (made([nested(100_000)]), MetadataInvalid),
    "alignment 0": (made(powers(0)), MetadataInvalid),
    "alignment 48": (made(powers(48)), MetadataInvalid),
    "alignment of a wrong type": (made([key("general.alignment", 8, string("32"))]), MetadataInvalid),
    "axes": (made([], [info("w", (1,) * 5)], bytes(4)), TensorInvalid),
    "many axes": (made([], [string("w") + struct.pack("<I", 2**32 - 1)]), TensorInvalid),
    "ggml type": (made([], [info("w", (1,), 999)], bytes(4)), TensorInvalid),
    "removed ggml type": (made([], [info("w", (32,), 4)], bytes(64)), TensorInvalid),
    "blocks": (made([], [info("w", (33,), GgmlType.Q8_0)], bytes(64)), TensorInvalid),
    "block of a scalar": (made([], [info("w", (), GgmlType.Q8_0)], bytes(64)), TensorInvalid),
    "scalar without a row": (made([], [info("w", (), GgmlType.BF16)], bytes(64)), TensorInvalid),
    "overflow": (made([], [info("w", (2**32, 2**32))]), TensorInvalid),
    "overflow hidden by zero": (made([], [info("w", (2**32, 2**32, 0))]), TensorInvalid),
    "name twice": (made([], [info("w", (8,)), info("w", (8,), offset=32)], bytes(64)), TensorInvalid),
    "overlap": (made([], [info("a", (9,)), info("b", (8,), offset=32)], bytes(64)), TensorInvalid),
    "misaligned": (made([], [info("a", (8,), offset=16)], bytes(64)), TensorInvalid),
    "behind the end": (made([], [info("a", (8,), offset=32)], bytes(63)), Truncated),
    "far offset": (made([], [info("a", (8,), offset=2**64 - 32)], bytes(64)), Truncated),
}


@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=list(REFUSED))
def test_refused(data, error):
    with only(GgufError), pytest.raises(error):
        parsed(data)


def test_text_is_checked_when_it_is_used():
    found = parsed(made([key("a", 8, string(b"\xff")), key("b", 9, array(8, 1, string(b"\xff")))]))
    for name in found.metadata:
        with pytest.raises(MetadataInvalid):
            found.metadata[name]


def test_missing_tensor():
    with pytest.raises(TensorMissing, match="'w'"):
        parsed(made([])).array("w")


KEYS = [
    key("general.alignment", 4, b"\x20\0\0\0"),
    key("list", 9, array(8, 3, string("ab") * 3)),
    key("f", 6, bytes(4)),
]
KEYS += [key("nested", 9, array(9, 2, array(4, 2, bytes(8)) * 2)), key("flags", 9, array(7, 3, b"\0\1\2"))]
SAMPLE = made(KEYS, [info("a", (32, 2), GgmlType.Q4_0), info("b", (3, 5), offset=64)], bytes(range(64 + 60)))


@quick
@given(damaged(SAMPLE))
def test_damage_raises_only_gguf_errors(data):
    with only(GgufError):
        found = parsed(data)
        assert all(found.float32(name).shape == found.info(name).shape for name in found.tensors)
        assert len(dict(found.metadata)) == len(found.metadata)


@quick
@given(st.integers(0, len(SAMPLE) - 1))
def test_truncation_is_always_noticed(size):
    with pytest.raises(GgufError):
        parsed(SAMPLE[:size])
