"""HAR, the archive that the compiler's stages hand on. Knows nothing of what its members mean.

    with Har.open(path) as har:
        weights = SafetensorsFile.from_buffer(har.resources["weights.safetensors"])

A HAR is a tar archive, uncompressed, that any `tar` lists and unpacks. Hailo's archive of that name is closed; of its
kind this one shares the purpose and the ending, not the content. Its members are plain files:

    har.json         first: {"format": 1, "stage": "parsed" or "optimized", "groups": {...}, "history": [...]}
                     groups   an optimised model's prefill and token-by-token configurations, with their KV caches
                     history  what each stage read and was told: digests, versions, seeds, settings
    ...              what the stage made (see `hollama.compiler.stages`)
    checksums.json   last: {member: XXH3-64 as 16 hex digits}, of all others

Every member starts at a multiple of 512, so that a mapped one can be viewed as an array. Owner, mode and time are the
same in all archives: equal content gives equal bytes.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from hollama.errors import HarError
from hollama.formats.files import Content, append, atomic_write, hash_mapped, map_file
from hollama.formats.json_text import load_json

FORMAT = 1
DESCRIPTION, CHECKSUMS = "har.json", "checksums.json"
PARSED, OPTIMISED = "parsed", "optimized"

_BLOCK = tarfile.BLOCKSIZE  # 512 bytes
_END = bytes(2 * _BLOCK)
_MAGIC = slice(257, 262)
_MOST_MEMBERS = 1000
_LARGEST_JSON = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)  # no folders: nothing can lead out of one


class HarNotAHar(HarError):
    """No tar archive, or one of something else."""


class HarVersionUnsupported(HarError):
    """An archive of another version of this format."""


class HarTruncated(HarError):
    """The file ends before the archive does."""


class HarInvalid(HarError):
    """A member that is no plain file, has an impossible name or size, or contradicts the others."""


class HarHashMismatch(HarError):
    """A member differs from what its checksum was taken of."""


@dataclass(frozen=True, eq=False, repr=False)
class Members(Mapping[str, memoryview]):
    """Members by name, in file order: read-only views, hashed when first asked for.

    Indexing raises KeyError for an unknown name and HarHashMismatch for damaged content.
    """

    _data: memoryview
    _places: Mapping[str, slice]
    _sums: Mapping[str, int]
    _verified: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> memoryview:
        view = self.peek(name)
        if name not in self._verified:
            place = self._places[name]
            if hash_mapped(self._data, place.start, place.stop) != self._sums[name]:
                raise HarHashMismatch(f'"{name}" in the HAR was damaged; copy it again, or make it again')
            self._verified.add(name)
        return view

    def peek(self, name: str) -> memoryview:
        """A member of which little is read, without the hash. Raises KeyError."""
        return self._data[self._places[name]]

    def __contains__(self, name: object) -> bool:  # Mapping's own would hash the content
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, eq=False)
class Har:
    """An open archive. Mapped: opening costs its description and its table, members are read when used."""

    path: Path
    stage: str
    groups: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    resources: Members = field(repr=False)  # all members but the description and the checksums
    _data: memoryview = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Har:
        """Raises HarError, which names the file; OSError."""
        data = map_file(path)
        try:
            places = _places(data)
            described = _describe(_read(data, places, DESCRIPTION))
            sums = _sums(_read(data, places, CHECKSUMS))
            if list(sums) != list(places)[:-1]:
                raise HarInvalid(f"{CHECKSUMS} is not about the members that are there")
            inner = {name: place for name, place in places.items() if name not in (DESCRIPTION, CHECKSUMS)}
            if hash_mapped(data, places[DESCRIPTION].start, places[DESCRIPTION].stop) != sums[DESCRIPTION]:
                raise HarHashMismatch(f"{DESCRIPTION} was damaged; copy the HAR again, or make it again")
        except HarError as error:
            data.release()
            raise type(error)(f"{path}: {error}") from None
        stage, groups, history = described
        return cls(path, stage, groups, history, Members(data, inner, sums), data)

    def __enter__(self) -> Har:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Views handed out before stay valid, and keep it mapped."""
        self._data.release()

    @property
    def network_groups(self) -> tuple[str, ...]:
        """Names of the configurations, in order."""
        return tuple(self.groups)


def is_har(path: Path) -> bool:
    """Whether a file begins as a HAR does, of whatever version."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        block = file.read(_BLOCK)
    return block[_MAGIC] == b"ustar" and block.startswith(DESCRIPTION.encode() + b"\0")


def write_har(
    path: Path,
    *,
    stage: str,
    members: Mapping[str, Content],
    groups: Mapping[str, Any],
    history: list[Mapping[str, Any]],
) -> None:
    """Write an archive, atomically. Members are streamed: nothing is held as a whole that does not come as one.

    Raises HarInvalid for names that the format does not have, OSError.
    """
    described = {"format": FORMAT, "stage": stage, "groups": groups, "history": history}
    sums: dict[str, str] = {}
    if members.keys() & {DESCRIPTION, CHECKSUMS}:
        raise HarInvalid(f"{DESCRIPTION} and {CHECKSUMS} are the archive's own members")
    with atomic_write(path) as file:
        for name, content in {DESCRIPTION: to_json(described), **members}.items():
            sums[name] = _add(file, name, content)
        _add(file, CHECKSUMS, to_json(sums))
        file.write(_END)


def to_json(value: object) -> bytes:
    """As the members that are JSON have it."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"


def read_json(name: str, data: memoryview) -> Any:
    """A member that is JSON. Raises HarInvalid."""
    if len(data) > _LARGEST_JSON:
        raise HarInvalid(f'"{name}" has {len(data)} bytes; more than {_LARGEST_JSON} cannot be right')
    try:
        return load_json(bytes(data))
    except (ValueError, RecursionError) as error:
        raise HarInvalid(f'"{name}" is no JSON: {error}') from None


def _add(file: BinaryIO, name: str, content: Content) -> str:
    """Append a member; its checksum. The size is only known when all of it is written."""
    if not _NAME.fullmatch(name):
        raise HarInvalid(f'"{name:.120}" cannot be a member; expected up to 100 letters, digits and ".-_"')
    start = file.tell()
    file.write(bytes(_BLOCK))
    size, digest = append(content, file)
    file.write(bytes(-size % _BLOCK))
    end = file.tell()
    file.seek(start)
    file.write(_header(name, size))
    file.seek(end)
    return f"{digest:016x}"


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)  # no owner, no time
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)  # has sizes of more than 8 GiB in one block


def _places(data: memoryview) -> dict[str, slice]:
    """Where the members lie, in bytes from the start."""
    if bytes(data[_MAGIC]) != b"ustar":
        raise HarNotAHar("no HAR: it is no tar archive, or a compressed one")
    places: dict[str, slice] = {}
    at = 0
    while any(block := bytes(data[at : at + _BLOCK])):
        name, size = _member(block)
        if not places and name != DESCRIPTION:
            raise HarNotAHar(f'no HAR of hollama: it begins with "{name:.100}" instead of {DESCRIPTION}')
        if name in places or len(places) == _MOST_MEMBERS:
            raise HarInvalid(f'"{name}" is there twice, or there are more than {_MOST_MEMBERS} members')
        places[name] = slice(at + _BLOCK, at + _BLOCK + size)
        at += _BLOCK + size + -size % _BLOCK
        if at > len(data):
            raise HarTruncated(f'"{name}" should end at byte {at}, the file ends at {len(data)}; copy it again')
    if bytes(data[at : at + len(_END)]) != _END:
        raise HarTruncated(f"the file ends at byte {len(data)} without the end of an archive; copy it again")
    if len(data) - at > tarfile.RECORDSIZE or any(bytes(data[at:])) or list(places)[-1] != CHECKSUMS:
        raise HarInvalid(f"there is something behind the archive's end, or its last member is not {CHECKSUMS}")
    return places


def _member(block: bytes) -> tuple[str, int]:
    """Name and size."""
    if len(block) < _BLOCK:
        raise HarTruncated("the file ends within the header of a member; copy it again")
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.TarError, ValueError) as error:
        raise HarInvalid(f"the header of a member is damaged: {error}") from None
    if info.type != tarfile.REGTYPE or not _NAME.fullmatch(info.name) or not 0 <= info.size < 1 << 60:
        raise HarInvalid(f'"{info.name:.100}" is no plain file at the top of the archive')
    return info.name, info.size


def _read(data: memoryview, places: Mapping[str, slice], name: str) -> Any:
    return read_json(name, data[places[name]])


def _describe(plain: Any) -> tuple[str, Mapping[str, Any], tuple[Mapping[str, Any], ...]]:
    found = plain.get("format") if isinstance(plain, dict) else None
    if type(found) is not int:
        raise HarNotAHar(f"{DESCRIPTION} names no format; no HAR of hollama")
    if found != FORMAT:
        advice = "an older hollama made it: make it again" if found < FORMAT else "a newer one made it: update hollama"
        raise HarVersionUnsupported(f"a HAR of format {found}, expected {FORMAT}; {advice}")
    stage, groups, history = plain.get("stage"), plain.get("groups"), plain.get("history")
    sound = isinstance(groups, dict) and isinstance(history, list) and all(map(_is_step, history))
    if stage not in (PARSED, OPTIMISED) or not sound:
        raise HarInvalid(f"{DESCRIPTION}: expected a stage ({PARSED} or {OPTIMISED}), groups and a history")
    return stage, groups, tuple(history)


def _is_step(plain: Any) -> bool:
    return isinstance(plain, dict) and isinstance(plain.get("stage"), str)


def _sums(plain: Any) -> dict[str, int]:
    if not isinstance(plain, dict) or not all(
        isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value) for value in plain.values()
    ):
        raise HarInvalid(f"{CHECKSUMS} holds no checksums")
    return {name: int(value, 16) for name, value in plain.items()}
