"""Adapters in a package: what is written is read back, and what lies is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import FormatError, HefError
from hollama.formats.hef import Hef, NetworkGroup, write_hef
from hollama.formats.package import adapter_names, check_adapter_name
from hollama.formats.package_adapters import adapter_resource, read_adapters
from hollama.formats.package_weights import network_groups
from hollama.formats.safetensors import SafetensorsFile, safetensors_chunks
from hollama.ir.quantised import QuantisedPair
from hollama.kernels.golden import PackedLinear, Quantisation, pack, pack_bytes
from tests.formats.format_damage import damaged, only
from tests.kernels.models import random_model

GRAPH, WEIGHTS = random_model(1, hidden=64, head_dim=8)
WIDTHS = {node.name: node.width for node in GRAPH.nodes}


def linear(rng: np.random.Generator, inputs: int, outputs: int) -> PackedLinear:
    w = rng.integers(-7, 8, (outputs, inputs), np.int8)
    scales = rng.integers(1, 19, (outputs, -(-inputs // 32)), np.uint8)
    return pack(w, scales, 32, rng.random(outputs, np.float32), None)


def byte_linear(rng: np.random.Generator, inputs: int, outputs: int) -> PackedLinear:
    return pack_bytes(rng.integers(-127, 128, (outputs, inputs), np.int8), rng.random(outputs, np.float32), None)


def made(seed: int = 0, nodes: int = 3) -> dict[str, QuantisedPair]:
    rng = np.random.default_rng(seed)
    pairs = {}
    for node in GRAPH.linears()[:nodes]:
        down, up = byte_linear(rng, WIDTHS[node.inputs[0]], 16), linear(rng, 16, node.width)
        pairs[node.name] = QuantisedPair(down, up, Quantisation(0.25, 100))
    return pairs


def read(data: bytes) -> dict[str, QuantisedPair]:
    resources = {"hollama-adapter-a.safetensors": memoryview(data)}
    hef = SimpleNamespace(resources=resources, network_groups=("base_model__prefill", "a__prefill"))
    return read_adapters(hef, GRAPH)["a"]


def arrays() -> dict[str, np.ndarray]:
    """The tensors of an adapter of one layer, writable."""
    file = SafetensorsFile.from_buffer(memoryview(adapter_resource("a", made(nodes=1))[1]))
    return {name: file.array(name).copy() for name in file.names}


def test_what_is_written_is_read_back(tmp_path):
    groups = network_groups(GRAPH, WEIGHTS.ranges, 64, 16, ("one", "two"))
    adapters = {"one": made(1), "two": made(2, nodes=1)}
    resources = dict(adapter_resource(name, pairs) for name, pairs in adapters.items())
    write_hef(tmp_path / "m.hef", network_groups=groups, resources=resources)
    with Hef.open(tmp_path / "m.hef") as hef:
        assert adapter_names(hef) == ("one", "two")
        assert "SHARED_CONFIG" in [extension.name for extension in hef.proto.extensions]
        found = read_adapters(hef, GRAPH)
    for name, pairs in adapters.items():
        assert found[name].keys() == pairs.keys()
        for node, pair in pairs.items():
            assert found[name][node].between == pair.between
            for mine, theirs in ((pair.down, found[name][node].down), (pair.up, found[name][node].up)):
                assert (mine.inputs, mine.outputs) == (theirs.inputs, theirs.outputs)
                assert all(getattr(mine, part).tobytes() == getattr(theirs, part).tobytes() for part in
                           ("packed", "group_scale", "row_scale"))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(damaged(adapter_resource("a", made(nodes=2))[1]))
def test_a_damaged_adapter_is_sound_or_refused(data):
    with only(FormatError):
        for node, pair in read(data).items():
            for layer, inputs, outputs in ((pair.down, WIDTHS[GRAPH.by_name[node].inputs[0]], pair.up.inputs),
                                           (pair.up, pair.down.outputs, WIDTHS[node])):  # fmt: skip
                assert (layer.inputs, layer.outputs) == (inputs, outputs)
                scales = layer.group_scale.shape[2]
                shapes = PackedLinear.shapes(inputs, outputs, scales)
                assert all(
                    getattr(layer, part).shape == shapes[part] for part in ("packed", "group_scale", "row_scale")
                )
            assert 0 <= pair.between.zero_point <= 255 and pair.between.scale > 0


NODE = GRAPH.linears()[0].name
LIES = {
    "which the graph does not have": {f"{NODE}.between": None, "elsewhere.between": np.ones(2, np.float32)},
    "it is damaged": {f"{NODE}.between": np.array([0.1, 256], np.float32)},
    "is 0.0, 3.0": {f"{NODE}.between": np.array([0, 3], np.float32)},
    "is nan, 3.0": {f"{NODE}.between": np.array([np.nan, 3], np.float32)},
    r"0.5\d*, 3.5": {f"{NODE}.between": np.array([0.5, 3.5], np.float32)},
    "rank 15": {f"{NODE}.down.row_scale": np.ones(15, np.float32)},
    "rank 0": {f"{NODE}.down.row_scale": np.ones((2, 16), np.float32)},
    "the graph needs": {f"{NODE}.up.packed": np.ones((1, 1, 8, 16, 4), np.uint8)},
    "not finite": {f"{NODE}.up.row_scale": np.full(-(-WIDTHS[NODE] // 16) * 16, np.inf, np.float32)},
    "0 layers, and has 6 tensors": {f"{NODE}.between": None, "more": np.ones(1, np.float32)},
    "1 layers, and has 1 tensors": {"more": np.ones(1, np.float32)},
}  # fmt: skip


@pytest.mark.parametrize("message", LIES)
def test_lies_are_named(message):
    changed = {name: array for name, array in {**arrays(), **LIES[message]}.items() if array is not None}
    with pytest.raises(HefError, match=message):
        read(b"".join(safetensors_chunks(changed)))


def test_a_group_without_its_resource_is_refused(tmp_path):
    write_hef(tmp_path / "m.hef", network_groups=[NetworkGroup("a__prefill", (), ())], resources={"x": b""})
    with Hef.open(tmp_path / "m.hef") as hef, pytest.raises(HefError, match='no resource "hollama-adapter-a'):
        read_adapters(hef, GRAPH)


@pytest.mark.parametrize("name", ["", "a__b", "_a", "a_", "a/b", "a b", "ä", "base_model", "x" * 81, "../x", "a\n"])
def test_names_that_no_group_can_have(name):
    with pytest.raises(HefError, match="cannot name an adapter"):
        check_adapter_name(name)


@given(st.text(max_size=12))
def test_any_name_is_plain_or_refused(name):
    with only(HefError):
        assert check_adapter_name(name).isascii()
