"""The bytes of a HAR: what is written, against tarfile; what is read, against files made by hand or damaged."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hollama.errors import HarError
from hollama.formats.gguf import GgufFile
from hollama.formats.har import (
    Har,
    HarHashMismatch,
    HarInvalid,
    HarNotAHar,
    HarTruncated,
    HarVersionUnsupported,
    is_har,
    to_json,
    write_har,
)
from hollama.formats.hef import Hef
from hollama.formats.safetensors import SafetensorsFile
from tests.formats.format_damage import damaged, only

MEMBERS = {"a.bin": bytes(range(256)) * 5, "empty": b"", "b.json": b'{"b": 1}'}
DESCRIBED = {"format": 1, "stage": "parsed", "groups": {"tbt": {}}, "history": [{"stage": "parse"}]}
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, members=MEMBERS) -> Path:
    write_har(path, stage="parsed", members=members, groups={"tbt": {}}, history=[{"stage": "parse"}])
    return path


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("har") / "sample.har")


def archive(path: Path, members: dict[str, bytes], described: object = DESCRIBED, sums=None, edit=None) -> Path:
    """By hand, with tarfile."""
    whole = {"har.json": to_json(described), **members}
    found = {name: f"{xxhash.xxh3_64_intdigest(data):016x}" for name, data in whole.items()}
    whole["checksums.json"] = to_json(found if sums is None else sums)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in whole.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if edit:
                edit(info)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_what_is_written_is_read_back(sample):
    with Har.open(sample) as har:
        assert (har.stage, har.network_groups, har.history) == ("parsed", ("tbt",), ({"stage": "parse"},))
        assert {name: bytes(har.resources[name]) for name in har.resources} == MEMBERS
        assert "a.bin" in har.resources and "har.json" not in har.resources and len(har.resources) == 3
    assert is_har(sample)


def test_tar_reads_it_and_finds_neither_owner_nor_time(sample):
    with tarfile.open(sample) as tar:
        assert tar.getnames() == ["har.json", *MEMBERS, "checksums.json"]
        assert {(info.mtime, info.uid, info.gid, info.uname, info.mode) for info in tar} == {(0, 0, 0, "", 0o644)}
        assert all(tar.extractfile(name).read() == data for name, data in MEMBERS.items())


def test_what_tar_packs_is_read(tmp_path):
    with Har.open(archive(tmp_path / "x.har", MEMBERS)) as har:
        assert bytes(har.resources["a.bin"]) == MEMBERS["a.bin"]


def test_equal_content_gives_equal_bytes_however_it_comes(tmp_path, sample):
    def pieces() -> Iterator[bytes]:
        yield MEMBERS["a.bin"][:7]
        yield MEMBERS["a.bin"][7:]

    (tmp_path / "file").write_bytes(MEMBERS["b.json"])
    streamed = {"a.bin": pieces(), "empty": iter(()), "b.json": tmp_path / "file"}
    assert write(tmp_path / "x.har", streamed).read_bytes() == sample.read_bytes()


def test_members_are_mapped_as_arrays(tmp_path):
    values = np.arange(300, dtype=np.float32)
    path = write(tmp_path / "x.har", {"odd": b"x", "array": values.tobytes()})
    with Har.open(path) as har:
        found = np.frombuffer(har.resources["array"], np.float32)
    assert found.ctypes.data % 512 == 0 and not found.flags.owndata
    np.testing.assert_array_equal(found, values)  # the map outlives the archive


def test_a_failed_write_leaves_what_was_there(tmp_path, sample):
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError

    path = write(tmp_path / "x.har")
    with pytest.raises(RuntimeError):
        write(path, {"a": broken()})
    assert path.read_bytes() == sample.read_bytes() and list(tmp_path.iterdir()) == [path]


@quick
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9._-]{0,99}", fullmatch=True), st.binary(max_size=1500), max_size=5))
def test_any_members_come_back(tmp_path, members):
    members = {name: data for name, data in members.items() if name not in ("har.json", "checksums.json")}
    with Har.open(write(tmp_path / "x.har", members)) as har:
        assert {name: bytes(view) for name, view in har.resources.items()} == members


@quick
@given(data=st.data())
def test_a_damaged_archive_is_sound_or_refused(tmp_path, sample, data):
    path = tmp_path / "x.har"
    path.write_bytes(data.draw(damaged(sample.read_bytes())))
    with only(HarError), Har.open(path) as har:
        assert {name: bytes(har.resources[name]) for name in har.resources} == MEMBERS


@quick
@given(data=st.data())
def test_an_archive_cut_short_is_called_so(tmp_path, sample, data):
    whole = sample.read_bytes()
    path = tmp_path / "x.har"
    path.write_bytes(whole[: data.draw(st.integers(262, len(whole) - 1))])
    with pytest.raises(HarTruncated, match=r"x\.har: .*copy it again"):
        Har.open(path)


def describe(**changes):
    return lambda path: archive(path, MEMBERS, {**DESCRIBED, **changes})


def rename(name: str):
    return lambda path: archive(path, {name: b"evil"})


def patch(old: bytes, new: bytes):
    return lambda path: path.write_bytes(new.join(write(path).read_bytes().rsplit(old, 1)))


def size(value: int):
    def make(path: Path) -> None:
        block = tarfile.TarInfo("a.bin")
        block.size = len(MEMBERS["a.bin"])
        lie = tarfile.TarInfo("a.bin")
        lie.size = value
        old, new = (info.tobuf(tarfile.GNU_FORMAT) for info in (block, lie))
        path.write_bytes(write(path).read_bytes().replace(old, new))

    return make


def kind(code: bytes):
    def edit(info: tarfile.TarInfo) -> None:
        if info.name == "a.bin":
            info.type, info.linkname, info.size = code, "/etc/passwd", 0

    return lambda path: archive(path, MEMBERS, edit=edit)


LIES = {
    "of another version": (HarVersionUnsupported, "expected 1; a newer one made it: update", describe(format=2)),
    "of an older version": (HarVersionUnsupported, "an older hollama made it: make it again", describe(format=0)),
    "no format": (HarNotAHar, "names no format", describe(format=None)),
    "another stage": (HarInvalid, "expected a stage", describe(stage="dreamt")),
    "no history": (HarInvalid, "expected a stage", describe(history=3)),
    "a step of no stage": (HarInvalid, "expected a stage", describe(history=[{"stage": 5}])),
    "half a character": (HarInvalid, "no JSON", patch(b'"stage": "parse"', b'"stage":"\\ud800"')),
    "no archive": (HarNotAHar, "no tar archive", lambda path: path.write_bytes(b"x" * 2000)),
    "empty": (HarNotAHar, "no tar archive", lambda path: path.write_bytes(b"")),
    "a foreign archive": (HarNotAHar, 'begins with "model.hn"', lambda path: foreign(path)),
    "a path upwards": (HarInvalid, "no plain file", rename("../evil")),
    "an absolute path": (HarInvalid, "no plain file", rename("/evil")),
    "a folder": (HarInvalid, "no plain file", rename("a/b")),
    "a hidden name": (HarInvalid, "no plain file", rename(".evil")),
    "a link": (HarInvalid, "no plain file", kind(tarfile.SYMTYPE)),
    "a hard link": (HarInvalid, "no plain file", kind(tarfile.LNKTYPE)),
    "a device": (HarInvalid, "no plain file", kind(tarfile.CHRTYPE)),
    "a size beyond the end": (HarTruncated, "should end at byte", size(1 << 40)),
    "a size too small": (HarInvalid, "header of a member is damaged", size(600)),
    "a negative size": (HarInvalid, "no plain file", size(-512)),
    "a wrong checksum": (HarHashMismatch, '"b.json" in the HAR was damaged', patch(b'{"b": 1}', b'{"b": 2}')),
    "a changed description": (HarHashMismatch, "har.json was damaged", patch(b'"tbt"', b'"TBT"')),
    "missing checksums": (HarInvalid, "not about the members", lambda path: archive(path, MEMBERS, sums={})),
    "checksums of nothing": (HarInvalid, "no checksums", lambda path: archive(path, MEMBERS, sums={"a": 1})),
    "more behind the end": (HarInvalid, "behind the archive's end", patch(bytes(1024), bytes(1024) + b"x")),
    "a description of nonsense": (HarInvalid, "no JSON", patch(b'"format": 1', b'"format":@1')),
}  # fmt: skip


def foreign(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("model.hn"))


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_named(tmp_path, lie):
    error, message, make = LIES[lie]
    make(tmp_path / "x.har")
    with pytest.raises(error, match=message), Har.open(tmp_path / "x.har") as har:
        for name in har.resources:
            har.resources[name]


@pytest.mark.parametrize("read", [Har.open, GgufFile.open, SafetensorsFile.open, Hef.open])
def test_a_pipe_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError, match="no regular file"):
        read(tmp_path / "x")


def test_a_member_is_there_once(tmp_path):
    path = archive(tmp_path / "x.har", MEMBERS)
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("a.bin"))
    with pytest.raises(HarInvalid, match="there twice"):
        Har.open(path)


@pytest.mark.parametrize("name", ["", "../a", "a/b", "x" * 101, "ä", ".a", "a\n", "checksums.json"])
def test_names_that_no_member_can_have(tmp_path, name):
    with pytest.raises(HarInvalid, match=r"cannot be a member|own members"):
        write(tmp_path / "x.har", {name: b""})
    assert not list(tmp_path.iterdir())
