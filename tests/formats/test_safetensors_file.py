"""safetensors: the reference package reads what we write and the reverse; lies are refused by name."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import load, load_file, save, save_file

from hollama.errors import SafetensorsError
from hollama.formats.safetensors import (
    HeaderInvalid,
    IndexInvalid,
    SafetensorsFile,
    Streamed,
    TensorInvalid,
    TensorMissing,
    TensorUnreadable,
    open_folder,
    safetensors_chunks,
    write_safetensors,
)
from tests.formats.format_damage import damaged, only

quick = settings(max_examples=200, deadline=None)
dtypes = st.sampled_from(["?", "u1", "i1", "<u2", "<i2", "<f2", "<u4", "<i4", "<f4", "<u8", "<i8", "<f8"])
arrays = dtypes.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
text = st.text(st.characters(codec="utf-8"), max_size=8)
named = st.dictionaries(text.filter(lambda name: name != "__metadata__"), arrays, max_size=5)


def packed(tensors, metadata=None) -> bytes:
    return b"".join(bytes(chunk) for chunk in safetensors_chunks(tensors, metadata))


def parsed(data: bytes) -> SafetensorsFile:
    return SafetensorsFile.from_buffer(memoryview(data))


def made(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="U8", shape=(4,), offsets=(0, 4)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()


@quick
@given(named, st.dictionaries(text, text, max_size=3))
def test_round_trip(tensors, metadata):
    file = parsed(packed(tensors, metadata))
    assert dict(file.metadata) == metadata
    assert set(file.names) == tensors.keys()
    assert all(same(file.array(name), tensor) for name, tensor in tensors.items())


@quick
@given(named)
def test_the_reference_reads_what_we_write(tensors):
    found = load(packed(tensors))
    assert all(same(found[name], tensor) for name, tensor in tensors.items())


@quick
@given(named)
def test_we_read_what_the_reference_writes(tensors):
    file = parsed(save(tensors))
    assert all(same(file.array(name), tensor) for name, tensor in tensors.items())


def test_a_file_on_disk_with_metadata(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"w": np.ones((2, 3), ">f4")[:, ::-1]}, {"format": "pt"})
    with safe_open(path, "np") as file:
        assert file.metadata() == {"format": "pt"}
    assert same(SafetensorsFile.open(path).array("w"), np.ones((2, 3), "<f4"))


def test_data_starts_at_a_multiple_of_64():
    for length in range(64):
        data = packed({"x" * length: np.zeros(1)})
        assert (8 + int.from_bytes(data[:8], "little")) % 64 == 0


def test_arrays_are_views():
    data = bytearray(packed({"w": np.zeros(3, np.float32)}))
    array = parsed(data).array("w")
    data[-12:] = np.ones(3, np.float32).tobytes()
    assert array.tolist() == [1, 1, 1]


def test_streamed_tensors_are_asked_for_piece_by_piece():
    target = io.BytesIO()
    pieces = (bytes([i]) * 2 for i in range(3))
    write_safetensors(target, {"w": Streamed("BF16", (3,), pieces)})
    assert bytes(parsed(target.getvalue()).raw("w")) == b"\0\0\1\1\2\2"


@pytest.mark.parametrize("chunks", [[b"ab"], [b"ab", b"cde"]])
def test_streamed_tensors_must_add_up(chunks):
    with pytest.raises(TensorInvalid, match="needs 4"):
        packed({"w": Streamed("U8", (4,), chunks)})


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(TensorInvalid):
        write_safetensors(tmp_path / "x.safetensors", {"w": Streamed("U8", (4,), [])})
    assert not list(tmp_path.iterdir())


def test_bf16():
    file = parsed(packed({"w": Streamed("BF16", (4,), [np.array([0x3F80, 0xC000, 0x7F80, 0x0001], "<u2").tobytes()])}))
    assert file.float32("w").tolist() == [1, -2, np.inf, 2.0**-133]
    with pytest.raises(TensorUnreadable, match="float32"):
        file.array("w")


F8 = {  # values of the OCP 8-bit floating point specification
    "F8_E4M3": {0x00: 0, 0x01: 2**-9, 0x07: 7 * 2**-9, 0x08: 2**-6, 0x38: 1, 0xC0: -2, 0x7E: 448, 0xFF: np.nan},
    "F8_E5M2": {0x00: 0, 0x01: 2**-16, 0x04: 2**-14, 0x3C: 1, 0xC0: -2, 0x7B: 57344, 0x7C: np.inf, 0x7F: np.nan},
}


@pytest.mark.parametrize("dtype", F8)
def test_float8(dtype):
    file = parsed(packed({"w": Streamed(dtype, (8,), [bytes(F8[dtype])])}))
    np.testing.assert_array_equal(file.float32("w"), np.array(list(F8[dtype].values()), np.float32))


@pytest.mark.parametrize(("dtype", "raw"), [("F32", b"\0\0\x80\x3f"), ("BF16", b"\x80\x3f"), ("F8_E4M3", b"\x38")])
def test_scalars(dtype, raw):
    found = parsed(packed({"w": Streamed(dtype, (), [raw])})).float32("w")
    assert (np.shape(found), float(found)) == ((), 1)


def test_rows():
    whole = np.arange(24, dtype=np.float16).reshape(6, 4)
    file = parsed(packed({"h": whole, "b": Streamed("BF16", (6, 4), [bytes(48)])}))
    assert same(file.float32("h", slice(2, 4)), whole[2:4].astype(np.float32))
    assert file.float32("b", slice(4, 9)).shape == (2, 4)


@quick
@given(st.data())
def test_damage_raises_only_safetensors_errors(data):
    whole = packed({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.int8)}, {"k": "v"})
    with only(SafetensorsError):
        file = parsed(data.draw(damaged(whole)))
        assert all(file.float32(name).shape == file.info(name).shape for name in file.names)


@quick
@given(st.integers(0, 300))
def test_truncation_is_always_noticed(size):
    whole = packed({"a": np.arange(6, dtype=np.float32), "b": np.zeros(3, np.int8)})
    with pytest.raises(SafetensorsError):
        parsed(whole[: min(size, len(whole) - 1)])


REFUSED = {
    "too small": (b"\0" * 7, HeaderInvalid),
    "header beyond the end": ((100).to_bytes(8, "little") + b"{}", HeaderInvalid),
    "header too large": ((2**63).to_bytes(8, "little") + b"{}", HeaderInvalid),
    "leading space": (made(b" {}"), HeaderInvalid),
    "no json": (made(b"{x}"), HeaderInvalid),
    "no utf-8": (made(b'{"\xff": 1}'), HeaderInvalid),
    "utf-16": (made("{}".encode("utf-16-le")), HeaderInvalid),
    "lone surrogate": (made(b'{"\\ud800": {}}'), HeaderInvalid),
    "deep": (made(b'{"a":' * 100_000), HeaderInvalid),
    "long number": (made(b'{"a":' + b"1" * 10_000 + b"}"), HeaderInvalid),
    "name twice": (
        made(b'{"a":%b,"a":%b}' % ((json.dumps(entry(shape=(0,), offsets=(0, 0))).encode(),) * 2)),
        HeaderInvalid,
    ),
    "metadata": (made({"__metadata__": {"k": 1}}), HeaderInvalid),
    "entry": (made({"a": 1}), HeaderInvalid),
    "no shape": (made({"a": {"dtype": "U8", "data_offsets": [0, 0]}}), HeaderInvalid),
    "dtype": (made({"a": entry("U7")}, b"1234"), TensorInvalid),
    "dtype of a wrong type": (made({"a": entry(["U8"])}, b"1234"), TensorInvalid),
    "negative": (made({"a": entry(shape=(-2, -2))}, b"1234"), TensorInvalid),
    "fraction": (made({"a": entry(shape=(4.0,))}, b"1234"), TensorInvalid),
    "true": (made({"a": entry(shape=(True, 4))}, b"1234"), TensorInvalid),
    "overflow": (made({"a": entry(shape=(2**32, 2**32))}), TensorInvalid),
    "overflow hidden by zero": (made({"a": entry(shape=(2**32, 2**32, 0), offsets=(0, 0))}), TensorInvalid),
    "too many axes": (made({"a": entry(shape=(1,) * 33, offsets=(0, 1))}, b"1"), TensorInvalid),
    "size": (made({"a": entry("U16")}, b"1234"), TensorInvalid),
    "half a byte": (made({"a": entry("F4", (3,), (0, 1))}, b"1"), TensorInvalid),
    "offsets": (made({"a": entry(offsets=(0, 4, 8))}, b"1234"), TensorInvalid),
    "backwards": (made({"a": entry(offsets=(4, 0))}, b"1234"), TensorInvalid),
    "hole": (made({"a": entry(), "b": entry(offsets=(5, 9))}, bytes(9)), TensorInvalid),
    "overlap": (made({"a": entry(), "b": entry(offsets=(3, 7))}, bytes(7)), TensorInvalid),
    "data missing": (made({"a": entry()}, b"123"), TensorInvalid),
    "data left over": (made({"a": entry()}, b"12345"), TensorInvalid),
}


@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=list(REFUSED))
def test_refused(data, error):
    with pytest.raises(error):
        parsed(data)


def test_missing_tensor():
    with pytest.raises(TensorMissing, match="'w'"):
        parsed(packed({})).array("w")


@pytest.mark.parametrize("dtype", ["O", "U3", "c16"])
def test_dtypes_that_the_format_does_not_have(dtype):
    with pytest.raises(TensorInvalid):
        packed({"w": np.zeros(2, dtype)})


def test_metadata_is_no_tensor():
    with pytest.raises(TensorInvalid):
        packed({"__metadata__": np.zeros(2)})


# Folders


def shard(folder: Path, name: str, *tensors: str) -> None:
    save_file({tensor: np.full(2, i, np.float32) for i, tensor in enumerate(tensors)}, folder / name)


def index(folder: Path, places: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_folder_with_an_index(tmp_path):
    shard(tmp_path, "a.safetensors", "x", "y")
    shard(tmp_path, "b.safetensors", "z", "not indexed")
    index(tmp_path, {"x": "a.safetensors", "y": "a.safetensors", "z": "b.safetensors"})
    folder = open_folder(tmp_path)
    assert folder.names == ("x", "y", "z")
    assert folder.float32("y").tolist() == folder.array("y").tolist() == [1, 1]
    assert folder.info("z").shape == (2,)


def test_folder_without_an_index(tmp_path):
    shard(tmp_path, "model-1.safetensors", "x")
    shard(tmp_path, "model-2.safetensors", "y")
    shard(tmp_path, "consolidated.safetensors", "x", "y")
    assert open_folder(tmp_path).names == ("x", "y")


def test_folder_with_other_names(tmp_path):
    shard(tmp_path, "adapters.safetensors", "x")
    assert open_folder(tmp_path).names == ("x",)


def test_folder_with_a_tensor_twice(tmp_path):
    shard(tmp_path, "model-1.safetensors", "x")
    shard(tmp_path, "model-2.safetensors", "x")
    with pytest.raises(IndexInvalid, match="'x'"):
        open_folder(tmp_path)


def test_folder_without_files(tmp_path):
    with pytest.raises(IndexInvalid):
        open_folder(tmp_path)


LEAVING = ["../a.safetensors", "/a.safetensors", "x/../../a.safetensors", "..\\a.safetensors", "C:a.safetensors"]


@pytest.mark.parametrize("file", [*LEAVING, "a\0.safetensors", "a.bin", "", 3, None])
def test_index_that_leaves_the_folder(tmp_path, file):
    shard(tmp_path, "a.safetensors", "x")
    (tmp_path / "inner").mkdir()
    index(tmp_path / "inner", {"x": file})
    with pytest.raises(IndexInvalid):
        open_folder(tmp_path / "inner")


@pytest.mark.parametrize("places", [{"x": "absent.safetensors"}, {"y": "a.safetensors"}, [], None])
def test_index_that_disagrees(tmp_path, places):
    shard(tmp_path, "a.safetensors", "x")
    index(tmp_path, places)
    with pytest.raises(IndexInvalid):
        open_folder(tmp_path)


def test_index_of_many_files_that_are_missing(tmp_path):
    index(tmp_path, {str(number): f"{number:04}.safetensors" for number in range(1000)})
    with pytest.raises(IndexInvalid, match=r"lacks 0000\.safetensors, .*0004\.safetensors and 995 more, which"):
        open_folder(tmp_path)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_index_that_is_none(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_bytes(text)
    with pytest.raises(IndexInvalid):
        open_folder(tmp_path)


@pytest.mark.parametrize("model", ["stories260k/stories260K-hf-llama", "tinytalk/tinytalk-chat-hf-gpt2"])
def test_real_checkpoints(shared, model):
    path = shared / "data" / "derived" / model
    expected, found = load_file(path / "model.safetensors"), open_folder(path)
    assert set(found.names) == expected.keys()
    assert all(same(found.array(name), tensor) for name, tensor in expected.items())
