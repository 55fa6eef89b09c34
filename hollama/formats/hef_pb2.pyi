# ruff: noqa
# mypy: ignore-errors
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HwArch(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HAILO8: _ClassVar[HwArch]
    HAILO8P: _ClassVar[HwArch]
    HAILO8R: _ClassVar[HwArch]
    HAILO8L: _ClassVar[HwArch]
    HAILO15M: _ClassVar[HwArch]
    HAILO10H_OLD: _ClassVar[HwArch]
    HAILO15L: _ClassVar[HwArch]
    SAGE_A0: _ClassVar[HwArch]
    SAGE_B0: _ClassVar[HwArch]
    PAPRIKA_B0: _ClassVar[HwArch]
    HAILO1XH: _ClassVar[HwArch]
    GINGER: _ClassVar[HwArch]
    LAVENDER: _ClassVar[HwArch]
    PLUTO: _ClassVar[HwArch]
    MARS: _ClassVar[HwArch]

class FormatOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_AUTO: _ClassVar[FormatOrder]
    ORDER_NHWC: _ClassVar[FormatOrder]
    ORDER_NHCW: _ClassVar[FormatOrder]
    ORDER_FCR: _ClassVar[FormatOrder]
    ORDER_NHW: _ClassVar[FormatOrder]
    ORDER_NC: _ClassVar[FormatOrder]

class FormatType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TYPE_AUTO: _ClassVar[FormatType]
    TYPE_UINT8: _ClassVar[FormatType]
    TYPE_UINT16: _ClassVar[FormatType]

class EdgeDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOST_TO_DEVICE: _ClassVar[EdgeDirection]
    DEVICE_TO_HOST: _ClassVar[EdgeDirection]

class EdgeConnection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BOUNDARY: _ClassVar[EdgeConnection]
    INTERMEDIATE: _ClassVar[EdgeConnection]
    DDR: _ClassVar[EdgeConnection]
    CACHE: _ClassVar[EdgeConnection]
HAILO8: HwArch
HAILO8P: HwArch
HAILO8R: HwArch
HAILO8L: HwArch
HAILO15M: HwArch
HAILO10H_OLD: HwArch
HAILO15L: HwArch
SAGE_A0: HwArch
SAGE_B0: HwArch
PAPRIKA_B0: HwArch
HAILO1XH: HwArch
GINGER: HwArch
LAVENDER: HwArch
PLUTO: HwArch
MARS: HwArch
ORDER_AUTO: FormatOrder
ORDER_NHWC: FormatOrder
ORDER_NHCW: FormatOrder
ORDER_FCR: FormatOrder
ORDER_NHW: FormatOrder
ORDER_NC: FormatOrder
TYPE_AUTO: FormatType
TYPE_UINT8: FormatType
TYPE_UINT16: FormatType
HOST_TO_DEVICE: EdgeDirection
DEVICE_TO_HOST: EdgeDirection
BOUNDARY: EdgeConnection
INTERMEDIATE: EdgeConnection
DDR: EdgeConnection
CACHE: EdgeConnection

class HefFile(_message.Message):
    __slots__ = ("header", "network_groups", "mapping", "included_features", "extensions", "optional_extensions", "external_resources")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    NETWORK_GROUPS_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_FEATURES_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    header: Header
    network_groups: _containers.RepeatedCompositeFieldContainer[NetworkGroup]
    mapping: bytes
    included_features: IncludedFeatures
    extensions: _containers.RepeatedCompositeFieldContainer[Extension]
    optional_extensions: _containers.RepeatedCompositeFieldContainer[Extension]
    external_resources: _containers.RepeatedCompositeFieldContainer[ExternalResource]
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., network_groups: _Optional[_Iterable[_Union[NetworkGroup, _Mapping]]] = ..., mapping: _Optional[bytes] = ..., included_features: _Optional[_Union[IncludedFeatures, _Mapping]] = ..., extensions: _Optional[_Iterable[_Union[Extension, _Mapping]]] = ..., optional_extensions: _Optional[_Iterable[_Union[Extension, _Mapping]]] = ..., external_resources: _Optional[_Iterable[_Union[ExternalResource, _Mapping]]] = ...) -> None: ...

class ExternalResource(_message.Message):
    __slots__ = ("offset", "size", "name", "xxhash")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    XXHASH_FIELD_NUMBER: _ClassVar[int]
    offset: int
    size: int
    name: str
    xxhash: int
    def __init__(self, offset: _Optional[int] = ..., size: _Optional[int] = ..., name: _Optional[str] = ..., xxhash: _Optional[int] = ...) -> None: ...

class IncludedFeatures(_message.Message):
    __slots__ = ("abbale", "posted_writes", "ddr", "is_multi_context", "compressed_params", "transpose_component", "padded_ddr_buffers", "sequencer")
    ABBALE_FIELD_NUMBER: _ClassVar[int]
    POSTED_WRITES_FIELD_NUMBER: _ClassVar[int]
    DDR_FIELD_NUMBER: _ClassVar[int]
    IS_MULTI_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    COMPRESSED_PARAMS_FIELD_NUMBER: _ClassVar[int]
    TRANSPOSE_COMPONENT_FIELD_NUMBER: _ClassVar[int]
    PADDED_DDR_BUFFERS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCER_FIELD_NUMBER: _ClassVar[int]
    abbale: bool
    posted_writes: bool
    ddr: bool
    is_multi_context: bool
    compressed_params: bool
    transpose_component: bool
    padded_ddr_buffers: bool
    sequencer: bool
    def __init__(self, abbale: bool = ..., posted_writes: bool = ..., ddr: bool = ..., is_multi_context: bool = ..., compressed_params: bool = ..., transpose_component: bool = ..., padded_ddr_buffers: bool = ..., sequencer: bool = ...) -> None: ...

class Extension(_message.Message):
    __slots__ = ("type", "name")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    type: int
    name: str
    def __init__(self, type: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("hw_arch", "timestamp", "sdk_version_text", "version", "sdk_version")
    HW_ARCH_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    SDK_VERSION_TEXT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SDK_VERSION_FIELD_NUMBER: _ClassVar[int]
    hw_arch: HwArch
    timestamp: int
    sdk_version_text: str
    version: int
    sdk_version: SdkVersion
    def __init__(self, hw_arch: _Optional[_Union[HwArch, str]] = ..., timestamp: _Optional[int] = ..., sdk_version_text: _Optional[str] = ..., version: _Optional[int] = ..., sdk_version: _Optional[_Union[SdkVersion, _Mapping]] = ...) -> None: ...

class SdkVersion(_message.Message):
    __slots__ = ("major", "minor", "revision")
    MAJOR_FIELD_NUMBER: _ClassVar[int]
    MINOR_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    major: int
    minor: int
    revision: int
    def __init__(self, major: _Optional[int] = ..., minor: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class NetworkGroup(_message.Message):
    __slots__ = ("metadata", "contexts", "sorted_outputs", "networks", "partial_groups", "ops", "pad_edges", "name", "index")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    SORTED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_GROUPS_FIELD_NUMBER: _ClassVar[int]
    OPS_FIELD_NUMBER: _ClassVar[int]
    PAD_EDGES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    metadata: GroupMetadata
    contexts: _containers.RepeatedCompositeFieldContainer[Context]
    sorted_outputs: _containers.RepeatedScalarFieldContainer[str]
    networks: _containers.RepeatedScalarFieldContainer[str]
    partial_groups: _containers.RepeatedCompositeFieldContainer[PartialGroup]
    ops: _containers.RepeatedCompositeFieldContainer[Op]
    pad_edges: _containers.RepeatedCompositeFieldContainer[PadEdge]
    name: str
    index: int
    def __init__(self, metadata: _Optional[_Union[GroupMetadata, _Mapping]] = ..., contexts: _Optional[_Iterable[_Union[Context, _Mapping]]] = ..., sorted_outputs: _Optional[_Iterable[str]] = ..., networks: _Optional[_Iterable[str]] = ..., partial_groups: _Optional[_Iterable[_Union[PartialGroup, _Mapping]]] = ..., ops: _Optional[_Iterable[_Union[Op, _Mapping]]] = ..., pad_edges: _Optional[_Iterable[_Union[PadEdge, _Mapping]]] = ..., name: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class PartialGroup(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: NetworkGroup
    def __init__(self, group: _Optional[_Union[NetworkGroup, _Mapping]] = ...) -> None: ...

class GroupMetadata(_message.Message):
    __slots__ = ("name", "index")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    name: str
    index: int
    def __init__(self, name: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class Op(_message.Message):
    __slots__ = ("name", "inputs", "outputs", "core")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    CORE_FIELD_NUMBER: _ClassVar[int]
    name: str
    inputs: _containers.RepeatedCompositeFieldContainer[Pad]
    outputs: _containers.RepeatedCompositeFieldContainer[Pad]
    core: CoreOp
    def __init__(self, name: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Pad, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Pad, _Mapping]]] = ..., core: _Optional[_Union[CoreOp, _Mapping]] = ...) -> None: ...

class CoreOp(_message.Message):
    __slots__ = ("metadata", "contexts", "sorted_outputs", "networks")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    SORTED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    metadata: GroupMetadata
    contexts: _containers.RepeatedCompositeFieldContainer[Context]
    sorted_outputs: _containers.RepeatedScalarFieldContainer[str]
    networks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, metadata: _Optional[_Union[GroupMetadata, _Mapping]] = ..., contexts: _Optional[_Iterable[_Union[Context, _Mapping]]] = ..., sorted_outputs: _Optional[_Iterable[str]] = ..., networks: _Optional[_Iterable[str]] = ...) -> None: ...

class PadEdge(_message.Message):
    __slots__ = ("source", "destination")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    source: int
    destination: int
    def __init__(self, source: _Optional[int] = ..., destination: _Optional[int] = ...) -> None: ...

class Pad(_message.Message):
    __slots__ = ("index", "name", "order", "numeric", "shape", "type")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    NUMERIC_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    index: int
    name: str
    order: FormatOrder
    numeric: NumericInfo
    shape: TensorShape
    type: FormatType
    def __init__(self, index: _Optional[int] = ..., name: _Optional[str] = ..., order: _Optional[_Union[FormatOrder, str]] = ..., numeric: _Optional[_Union[NumericInfo, _Mapping]] = ..., shape: _Optional[_Union[TensorShape, _Mapping]] = ..., type: _Optional[_Union[FormatType, str]] = ...) -> None: ...

class TensorShape(_message.Message):
    __slots__ = ("height", "padded_height", "width", "padded_width", "features", "padded_features")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PADDED_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    PADDED_WIDTH_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    PADDED_FEATURES_FIELD_NUMBER: _ClassVar[int]
    height: int
    padded_height: int
    width: int
    padded_width: int
    features: int
    padded_features: int
    def __init__(self, height: _Optional[int] = ..., padded_height: _Optional[int] = ..., width: _Optional[int] = ..., padded_width: _Optional[int] = ..., features: _Optional[int] = ..., padded_features: _Optional[int] = ...) -> None: ...

class NumericInfo(_message.Message):
    __slots__ = ("zero_point", "scale", "minimum", "maximum", "zero_points", "scales")
    ZERO_POINT_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    ZERO_POINTS_FIELD_NUMBER: _ClassVar[int]
    SCALES_FIELD_NUMBER: _ClassVar[int]
    zero_point: float
    scale: float
    minimum: float
    maximum: float
    zero_points: _containers.RepeatedScalarFieldContainer[float]
    scales: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, zero_point: _Optional[float] = ..., scale: _Optional[float] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., zero_points: _Optional[_Iterable[float]] = ..., scales: _Optional[_Iterable[float]] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("index", "metadata")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    index: int
    metadata: ContextMetadata
    def __init__(self, index: _Optional[int] = ..., metadata: _Optional[_Union[ContextMetadata, _Mapping]] = ...) -> None: ...

class ContextMetadata(_message.Message):
    __slots__ = ("name", "edges", "sorted_outputs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    SORTED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    edges: _containers.RepeatedCompositeFieldContainer[EdgeLayer]
    sorted_outputs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., edges: _Optional[_Iterable[_Union[EdgeLayer, _Mapping]]] = ..., sorted_outputs: _Optional[_Iterable[str]] = ...) -> None: ...

class EdgeLayer(_message.Message):
    __slots__ = ("direction", "info", "context_switch", "pad_index")
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_SWITCH_FIELD_NUMBER: _ClassVar[int]
    PAD_INDEX_FIELD_NUMBER: _ClassVar[int]
    direction: EdgeDirection
    info: EdgeLayerInfo
    context_switch: ContextSwitch
    pad_index: int
    def __init__(self, direction: _Optional[_Union[EdgeDirection, str]] = ..., info: _Optional[_Union[EdgeLayerInfo, _Mapping]] = ..., context_switch: _Optional[_Union[ContextSwitch, _Mapping]] = ..., pad_index: _Optional[int] = ...) -> None: ...

class EdgeLayerInfo(_message.Message):
    __slots__ = ("name", "base", "numeric")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    NUMERIC_FIELD_NUMBER: _ClassVar[int]
    name: str
    base: EdgeLayerBase
    numeric: NumericInfo
    def __init__(self, name: _Optional[str] = ..., base: _Optional[_Union[EdgeLayerBase, _Mapping]] = ..., numeric: _Optional[_Union[NumericInfo, _Mapping]] = ...) -> None: ...

class EdgeLayerBase(_message.Message):
    __slots__ = ("height", "padded_height", "width", "padded_width", "features", "padded_features", "data_bytes")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PADDED_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    PADDED_WIDTH_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    PADDED_FEATURES_FIELD_NUMBER: _ClassVar[int]
    DATA_BYTES_FIELD_NUMBER: _ClassVar[int]
    height: int
    padded_height: int
    width: int
    padded_width: int
    features: int
    padded_features: int
    data_bytes: int
    def __init__(self, height: _Optional[int] = ..., padded_height: _Optional[int] = ..., width: _Optional[int] = ..., padded_width: _Optional[int] = ..., features: _Optional[int] = ..., padded_features: _Optional[int] = ..., data_bytes: _Optional[int] = ...) -> None: ...

class ContextSwitch(_message.Message):
    __slots__ = ("connection", "cache_id")
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    CACHE_ID_FIELD_NUMBER: _ClassVar[int]
    connection: EdgeConnection
    cache_id: int
    def __init__(self, connection: _Optional[_Union[EdgeConnection, str]] = ..., cache_id: _Optional[int] = ...) -> None: ...
