"""Network groups of a HEF: typed values <-> protobuf. Knows nothing of files, hashes or resources.

A group is one graph the device can run: a GenAI file has `prefill` and `tbt` (token by token), and one such pair for
every LoRA. Its inputs and outputs are the pads of its ops that no pad edge connects; KV caches are edge layers of the
core op whose connection is CACHE: one the device reads its history from, one it writes new entries to, joined by
`cache_id`. Old files, without ops, have only edge layers.

Source: HailoRT 5.2, libhailort/hef.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hollama.errors import HefError
from hollama.formats import hef_pb2 as pb

NAME_LIMIT = 127  # bytes: HAILO_MAX_NAME_SIZE without its NUL
DTYPES = {"auto": pb.TYPE_AUTO, "uint8": pb.TYPE_UINT8, "uint16": pb.TYPE_UINT16}
DTYPE_BYTES = {"auto": 4, "uint8": 1, "uint16": 2}  # "auto": HailoRT hands out float32


class HefGroupInvalid(HefError):
    """A network group that says something no device could mean."""


@dataclass(frozen=True)
class Tensor:
    """One input or output: real = scale * (stored - zero_point).

    shape is (height, width, features); dtype is "uint8", "uint16" or "auto" (not fixed by the file).
    scale and zero_point are rounded to float32, as the file has them.
    """

    name: str
    shape: tuple[int, int, int]
    dtype: str = "uint8"
    scale: float = 1.0
    zero_point: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _float32(self.scale))
        object.__setattr__(self, "zero_point", _float32(self.zero_point))


@dataclass(frozen=True)
class Cache:
    """A KV cache on the device: `read` holds the history rows of one pass, `write` the rows it adds."""

    cache_id: int
    read: Tensor | None
    write: Tensor | None


@dataclass(frozen=True)
class NetworkGroup:
    """A graph the device can run, by its edges."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    caches: tuple[Cache, ...] = ()


def group_name(group: pb.NetworkGroup) -> str:
    """A group's name, from where its generation of the format keeps it."""
    if group.ops and group.name:
        return str(group.name)
    holder = group.partial_groups[0].group if group.partial_groups else group
    return str(holder.metadata.name)


def read_group(group: pb.NetworkGroup) -> NetworkGroup:
    """The typed form of a parsed group. Raises HefGroupInvalid."""
    edges = [edge for context in _contexts(group) for edge in context.metadata.edges]
    if group.ops:
        inputs, outputs = _open_pads(group)
    else:
        inputs = [_edge_tensor(e) for e in edges if _is(e, pb.BOUNDARY, pb.HOST_TO_DEVICE)]
        outputs = [_edge_tensor(e) for e in edges if _is(e, pb.BOUNDARY, pb.DEVICE_TO_HOST)]
    return NetworkGroup(group_name(group), tuple(inputs), tuple(outputs), _read_caches(edges))


def build_group(group: NetworkGroup, index: int) -> pb.NetworkGroup:
    """The protobuf form; `index` is the group's place in the file. Raises HefGroupInvalid."""
    _check(group)
    metadata = pb.GroupMetadata(name=group.name, index=index)
    names = [tensor.name for tensor in group.outputs]
    inputs = [_pad(tensor, i) for i, tensor in enumerate(group.inputs)]
    outputs = [_pad(tensor, len(inputs) + i) for i, tensor in enumerate(group.outputs)]
    context = pb.Context(metadata=pb.ContextMetadata(name=group.name, edges=_edges(group), sorted_outputs=names))
    core = pb.CoreOp(metadata=metadata, contexts=[context], sorted_outputs=names, networks=[group.name])
    return pb.NetworkGroup(
        metadata=metadata,
        sorted_outputs=names,
        networks=[group.name],
        ops=[pb.Op(name=group.name, inputs=inputs, outputs=outputs, core=core)],
        name=group.name,
        index=index,
    )


def _float32(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        raise HefGroupInvalid(f"{value} does not fit a float32, in which a HEF keeps scales and zero points") from None


def _contexts(group: pb.NetworkGroup) -> Iterable[pb.Context]:
    holders = [op.core for op in group.ops if op.HasField("core")] or [
        group.partial_groups[0].group if group.partial_groups else group
    ]
    return (context for holder in holders for context in holder.contexts)


def _open_pads(group: pb.NetworkGroup) -> tuple[list[Tensor], list[Tensor]]:
    """Input pads nothing in the graph feeds, output pads nothing in it consumes."""
    fed = {edge.destination for edge in group.pad_edges}
    consumed = {edge.source for edge in group.pad_edges}
    inputs = [_pad_tensor(pad) for op in group.ops for pad in op.inputs if pad.index not in fed]
    outputs = [_pad_tensor(pad) for op in group.ops for pad in op.outputs if pad.index not in consumed]
    return inputs, outputs


def _pad_tensor(pad: pb.Pad) -> Tensor:
    dtype = next((name for name, number in DTYPES.items() if number == pad.type), "auto")
    shape = (pad.shape.height, pad.shape.width, pad.shape.features)
    return Tensor(pad.name, shape, dtype, pad.numeric.scale, pad.numeric.zero_point)


def _edge_tensor(edge: pb.EdgeLayer) -> Tensor:
    base, numeric = edge.info.base, edge.info.numeric
    dtype = next((name for name, size in DTYPE_BYTES.items() if size == base.data_bytes), "auto")
    return Tensor(edge.info.name, (base.height, base.width, base.features), dtype, numeric.scale, numeric.zero_point)


def _is(edge: pb.EdgeLayer, connection: int, direction: int) -> bool:
    return bool(edge.context_switch.connection == connection and edge.direction == direction)


def _read_caches(edges: Sequence[pb.EdgeLayer]) -> tuple[Cache, ...]:
    ends: dict[int, dict[int, Tensor]] = {}
    for edge in edges:
        if edge.context_switch.connection != pb.CACHE:
            continue
        identity = edge.context_switch.cache_id
        if identity < 0:
            raise HefGroupInvalid(f"cache edge {edge.info.name!r} has the cache_id {identity}; expected 0 or more")
        if edge.direction in ends.setdefault(identity, {}):
            raise HefGroupInvalid(f"cache {identity} has two edges in one direction, the second is {edge.info.name!r}")
        ends[identity][edge.direction] = _edge_tensor(edge)
    return tuple(Cache(i, end.get(pb.HOST_TO_DEVICE), end.get(pb.DEVICE_TO_HOST)) for i, end in ends.items())


def _check(group: NetworkGroup) -> None:
    sides = [tensor for cache in group.caches for tensor in (cache.read, cache.write) if tensor]
    for tensor in (*group.inputs, *group.outputs, *sides):
        _check_name(tensor.name)
        if len(tensor.shape) != 3 or not all(0 < extent < 2**31 for extent in tensor.shape):
            raise HefGroupInvalid(f"{tensor.name!r} has the shape {tensor.shape}; expected (height, width, features)")
        if tensor.dtype not in DTYPES:
            raise HefGroupInvalid(
                f"{tensor.name!r} has the dtype {tensor.dtype!r}; expected one of {', '.join(DTYPES)}"
            )
    _check_name(group.name)
    identities = [cache.cache_id for cache in group.caches]
    if len(set(identities)) < len(identities) or not all(0 <= identity < 2**31 for identity in identities):
        raise HefGroupInvalid(f"group {group.name!r} has the cache_ids {identities}; expected different ones from 0 up")
    if not all(cache.read or cache.write for cache in group.caches):
        raise HefGroupInvalid(f"group {group.name!r} has a cache that is neither read nor written")


def _check_name(name: str) -> None:
    if not 0 < len(name.encode("utf-8", "replace")) <= NAME_LIMIT:
        raise HefGroupInvalid(f"{name!r} does not fit a HEF; names have 1 to {NAME_LIMIT} bytes")


def _pad(tensor: Tensor, index: int) -> pb.Pad:
    return pb.Pad(
        index=index,
        name=tensor.name,
        order=pb.ORDER_NHWC,
        type=DTYPES[tensor.dtype],
        numeric=_numeric(tensor),
        shape=pb.TensorShape(**_extents(tensor)),
    )


def _edges(group: NetworkGroup) -> list[pb.EdgeLayer]:
    directed = [(tensor, pb.HOST_TO_DEVICE) for tensor in group.inputs]
    directed += [(tensor, pb.DEVICE_TO_HOST) for tensor in group.outputs]
    boundary = [_edge(tensor, direction, pad_index=i) for i, (tensor, direction) in enumerate(directed)]
    return boundary + [edge for cache in group.caches for edge in _cache_edges(cache)]


def _cache_edges(cache: Cache) -> Iterable[pb.EdgeLayer]:
    switch = pb.ContextSwitch(connection=pb.CACHE, cache_id=cache.cache_id)
    for tensor, direction in ((cache.read, pb.HOST_TO_DEVICE), (cache.write, pb.DEVICE_TO_HOST)):
        if tensor:
            yield _edge(tensor, direction, context_switch=switch)


def _edge(
    tensor: Tensor,
    direction: pb.EdgeDirection,
    *,
    pad_index: int | None = None,
    context_switch: pb.ContextSwitch | None = None,
) -> pb.EdgeLayer:
    base = pb.EdgeLayerBase(**_extents(tensor), data_bytes=DTYPE_BYTES[tensor.dtype])
    info = pb.EdgeLayerInfo(name=tensor.name, base=base, numeric=_numeric(tensor))
    return pb.EdgeLayer(
        direction=direction,
        info=info,
        pad_index=pad_index,
        context_switch=context_switch or pb.ContextSwitch(connection=pb.BOUNDARY),
    )


def _extents(tensor: Tensor) -> dict[str, int]:
    height, width, features = tensor.shape
    return {
        "height": height,
        "padded_height": height,
        "width": width,
        "padded_width": width,
        "features": features,
        "padded_features": features,
    }


def _numeric(tensor: Tensor) -> pb.NumericInfo:
    return pb.NumericInfo(zero_point=tensor.zero_point, scale=tensor.scale)
