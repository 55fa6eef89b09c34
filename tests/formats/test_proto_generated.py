"""The committed *_pb2.py say what the .proto files say, and the numbers that Hailo's files have."""

import re
from pathlib import Path

import pytest

from hollama.formats import hef_pb2, sentencepiece_pb2

SCALARS = {"double": 1, "float": 2, "uint64": 4, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}
FIELD = re.compile(r"^\s*(?:(repeated|optional)\s+)?(\w+)\s+(\w+)\s*=\s*(\d+)(?:\s*\[default = (.+)\])?;")


def declared(text: str) -> dict[str, dict[str, tuple]]:
    """Messages and enums of a .proto: {name: {field: (number, type, repeated, default)}}."""
    found: dict[str, dict[str, tuple]] = {}
    for line in text.splitlines():
        line = line.split("//")[0]
        if block := re.match(r"^(message|enum) (\w+) \{", line):
            found[block[2]] = fields = {}
        elif field := FIELD.match(line):
            label, kind, name, number, default = field.groups()
            fields[name] = (int(number), kind, label == "repeated", default)
        elif value := re.match(r"^\s*(\w+) = (\d+);", line):
            fields[value[1]] = (int(value[2]),)
    return found


def generated(module) -> dict[str, dict[str, tuple]]:
    """The same of a generated module."""
    kinds = {number: name for name, number in SCALARS.items()}
    found = {}
    for message in module.DESCRIPTOR.message_types_by_name.values():
        found[message.name] = {
            field.name: (
                field.number,
                kinds.get(field.type) or (field.message_type or field.enum_type).name,
                field.is_repeated,
                spelled(field.default_value) if module.DESCRIPTOR is not hef_pb2.DESCRIPTOR else None,
            )
            for field in message.fields
        }
    for enum in module.DESCRIPTOR.enum_types_by_name.values():
        found[enum.name] = {value.name: (value.number,) for value in enum.values}
    return found


def spelled(default: object) -> str | None:
    """A default as a .proto spells it, None for the type's own."""
    if isinstance(default, bool):
        return str(default).lower()
    return f'"{default}"' if isinstance(default, str) and default else str(default) if default == 1 else None


@pytest.mark.parametrize("module", [hef_pb2, sentencepiece_pb2])
def test_generated_from_the_committed_proto(module):
    source = Path(module.__file__).with_name(Path(module.DESCRIPTOR.name).name)
    written, compiled = declared(source.read_text()), generated(module)
    assert len(compiled) > 3
    assert compiled == written


HAILO = {
    "HefFile": "header network_groups mapping included_features extensions optional_extensions external_resources",
    "ExternalResource": "offset size name xxhash",
    "Header": "hw_arch timestamp sdk_version_text version sdk_version",
    "SdkVersion": "major minor revision",
    "NetworkGroup": "metadata - contexts sorted_outputs - networks partial_groups ops pad_edges name index",
    "Op": "name inputs outputs core",
    "Pad": "index name order - numeric shape - type",
    "NumericInfo": "zero_point scale minimum maximum zero_points scales",
    "ContextSwitch": "- - connection - - - - - cache_id",
}


@pytest.mark.parametrize("message", HAILO)
def test_field_numbers_of_hailo(message):
    fields = hef_pb2.DESCRIPTOR.message_types_by_name[message].fields
    names = {field.number: field.name for field in fields}
    assert [names.get(number, "-") for number in range(1, max(names) + 1)] == HAILO[message].split()
