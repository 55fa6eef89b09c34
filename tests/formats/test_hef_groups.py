"""Network groups: what goes in comes out, and what Hailo's field numbers say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import HefError
from hollama.formats import hef_pb2 as pb
from hollama.formats.hef_groups import (
    Cache,
    HefGroupInvalid,
    NetworkGroup,
    Tensor,
    build_group,
    group_name,
    read_group,
)

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
extents = st.integers(1, 2**31 - 1)
tensors = st.builds(
    Tensor,
    names,
    st.tuples(extents, extents, extents),
    st.sampled_from(["uint8", "uint16", "auto"]),
    st.floats(width=32, allow_nan=False),
    st.floats(width=32, allow_nan=False),
)
ends = st.tuples(st.none() | tensors, st.none() | tensors).filter(any)
caches = st.dictionaries(st.integers(0, 2**31 - 1), ends, max_size=3).map(
    lambda found: tuple(Cache(identity, *pair) for identity, pair in found.items())
)
several = st.lists(tensors, max_size=3).map(tuple)


@settings(max_examples=100, deadline=None)
@given(st.builds(NetworkGroup, names, several, several, caches))
def test_round_trip(group):
    assert read_group(pb.NetworkGroup.FromString(build_group(group, 3).SerializeToString())) == group


def test_scales_are_float32():
    assert Tensor("t", (1, 1, 1), scale=0.1).scale == 0.10000000149011612


def test_edges_of_a_cache():
    rows = Tensor("k", (1, 2048, 256))
    group = build_group(NetworkGroup("g", (), (), (Cache(7, rows, Tensor("k_new", (1, 96, 256))),)), 0)
    read, write = group.ops[0].core.contexts[0].metadata.edges
    assert [(e.direction, e.context_switch.connection, e.context_switch.cache_id) for e in (read, write)] == [
        (pb.HOST_TO_DEVICE, 3, 7),
        (pb.DEVICE_TO_HOST, 3, 7),
    ]


def test_name_of_each_generation():
    metadata = pb.GroupMetadata(name="metadata")
    assert group_name(pb.NetworkGroup(name="field 10", ops=[pb.Op()], metadata=metadata)) == "field 10"
    assert group_name(pb.NetworkGroup(name="field 10", metadata=metadata)) == "metadata"
    partial = pb.PartialGroup(group=pb.NetworkGroup(metadata=metadata))
    assert group_name(pb.NetworkGroup(partial_groups=[partial])) == "metadata"


def test_pads_inside_the_graph_are_no_edges_of_it():
    core = pb.Op(inputs=[pb.Pad(index=0, name="in")], outputs=[pb.Pad(index=1, name="inner")])
    after = pb.Op(inputs=[pb.Pad(index=2, name="inner")], outputs=[pb.Pad(index=3, name="out")])
    group = read_group(pb.NetworkGroup(name="g", ops=[core, after], pad_edges=[pb.PadEdge(source=1, destination=2)]))
    assert ([t.name for t in group.inputs], [t.name for t in group.outputs]) == (["in"], ["out"])


def test_a_group_without_ops_has_the_edges_of_its_contexts():
    built = build_group(NetworkGroup("g", (Tensor("in", (1, 2, 3)),), (Tensor("out", (4, 5, 6), "uint16"),)), 0)
    old = pb.NetworkGroup(metadata=built.metadata, contexts=built.ops[0].core.contexts)
    assert read_group(old) == read_group(built)


def group_of(tensor: Tensor, *caches: Cache) -> NetworkGroup:
    return NetworkGroup("g", (tensor,), (), caches)


GOOD = Tensor("t", (1, 1, 1))
INVALID = {
    "no name": group_of(Tensor("", (1, 1, 1))),
    "long name": group_of(Tensor("x" * 128, (1, 1, 1))),
    "dtype": group_of(Tensor("t", (1, 1, 1), "int4")),
    "two axes": group_of(Tensor("t", (1, 1))),  # type: ignore[arg-type]
    "nothing": group_of(Tensor("t", (1, 0, 1))),
    "cache twice": group_of(GOOD, Cache(0, GOOD, GOOD), Cache(0, GOOD, GOOD)),
    "negative cache": group_of(GOOD, Cache(-1, GOOD, GOOD)),
    "cache without ends": group_of(GOOD, Cache(0, None, None)),
    "name": NetworkGroup("", (), ()),
}


@pytest.mark.parametrize("group", INVALID.values(), ids=list(INVALID))
def test_invalid_groups_are_not_written(group):
    with pytest.raises(HefGroupInvalid):
        build_group(group, 0)


def test_scale_out_of_range():
    with pytest.raises(HefError):
        Tensor("t", (1, 1, 1), scale=1e39)


@pytest.mark.parametrize("identities", [(-1,), (2, 2)])
def test_lying_caches_are_refused(identities):
    edges = [
        pb.EdgeLayer(context_switch=pb.ContextSwitch(connection=pb.CACHE, cache_id=identity)) for identity in identities
    ]
    contexts = [pb.Context(metadata=pb.ContextMetadata(edges=edges))]
    with pytest.raises(HefGroupInvalid):
        read_group(pb.NetworkGroup(contexts=contexts))
