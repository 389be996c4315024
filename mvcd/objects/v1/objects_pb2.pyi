from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE: _ClassVar[Mode]
    EXECUTABLE: _ClassVar[Mode]
    SYMLINK: _ClassVar[Mode]

class Trigger(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MANUAL: _ClassVar[Trigger]
    AUTO: _ClassVar[Trigger]
    IMPORT: _ClassVar[Trigger]
    ROLLBACK: _ClassVar[Trigger]
    MERGE: _ClassVar[Trigger]
FILE: Mode
EXECUTABLE: Mode
SYMLINK: Mode
MANUAL: Trigger
AUTO: Trigger
IMPORT: Trigger
ROLLBACK: Trigger
MERGE: Trigger

class Node(_message.Message):
    __slots__ = ("chunk_leaf", "chunk_branch", "entry_leaf", "entry_branch")
    CHUNK_LEAF_FIELD_NUMBER: _ClassVar[int]
    CHUNK_BRANCH_FIELD_NUMBER: _ClassVar[int]
    ENTRY_LEAF_FIELD_NUMBER: _ClassVar[int]
    ENTRY_BRANCH_FIELD_NUMBER: _ClassVar[int]
    chunk_leaf: ChunkLeaf
    chunk_branch: ChunkBranch
    entry_leaf: EntryLeaf
    entry_branch: EntryBranch
    def __init__(self, chunk_leaf: _Optional[_Union[ChunkLeaf, _Mapping]] = ..., chunk_branch: _Optional[_Union[ChunkBranch, _Mapping]] = ..., entry_leaf: _Optional[_Union[EntryLeaf, _Mapping]] = ..., entry_branch: _Optional[_Union[EntryBranch, _Mapping]] = ...) -> None: ...

class ChunkLeaf(_message.Message):
    __slots__ = ("ids", "sizes")
    IDS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    ids: bytes
    sizes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[bytes] = ..., sizes: _Optional[_Iterable[int]] = ...) -> None: ...

class ChunkBranch(_message.Message):
    __slots__ = ("level", "ids", "sizes", "counts")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    level: int
    ids: bytes
    sizes: _containers.RepeatedScalarFieldContainer[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, level: _Optional[int] = ..., ids: _Optional[bytes] = ..., sizes: _Optional[_Iterable[int]] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...

class EntryLeaf(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class EntryBranch(_message.Message):
    __slots__ = ("level", "ids", "last_paths", "sizes", "counts")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LAST_PATHS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    level: int
    ids: bytes
    last_paths: _containers.RepeatedScalarFieldContainer[str]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, level: _Optional[int] = ..., ids: _Optional[bytes] = ..., last_paths: _Optional[_Iterable[str]] = ..., sizes: _Optional[_Iterable[int]] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("path", "mode", "size", "recipe")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    path: str
    mode: Mode
    size: int
    recipe: bytes
    def __init__(self, path: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., size: _Optional[int] = ..., recipe: _Optional[bytes] = ...) -> None: ...

class Recipe(_message.Message):
    __slots__ = ("size", "format", "segments")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    size: int
    format: str
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    def __init__(self, size: _Optional[int] = ..., format: _Optional[str] = ..., segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("tensor", "literal", "chunks", "root")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    LITERAL_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    tensor: Tensor
    literal: bytes
    chunks: ChunkLeaf
    root: TreeRef
    def __init__(self, tensor: _Optional[_Union[Tensor, _Mapping]] = ..., literal: _Optional[bytes] = ..., chunks: _Optional[_Union[ChunkLeaf, _Mapping]] = ..., root: _Optional[_Union[TreeRef, _Mapping]] = ...) -> None: ...

class TreeRef(_message.Message):
    __slots__ = ("node", "size", "count")
    NODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    node: bytes
    size: int
    count: int
    def __init__(self, node: _Optional[bytes] = ..., size: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("name", "dtype", "shape")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("parents", "generation", "architecture", "weights", "hyperparameters", "data", "results", "author", "time_us", "utc_offset_minutes", "message", "trigger", "hyperparameter_values", "metric_values", "provenance", "tracked")
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_MINUTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETER_VALUES_FIELD_NUMBER: _ClassVar[int]
    METRIC_VALUES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    TRACKED_FIELD_NUMBER: _ClassVar[int]
    parents: _containers.RepeatedScalarFieldContainer[bytes]
    generation: int
    architecture: Component
    weights: Component
    hyperparameters: Component
    data: Component
    results: Component
    author: str
    time_us: int
    utc_offset_minutes: int
    message: str
    trigger: Trigger
    hyperparameter_values: _containers.RepeatedCompositeFieldContainer[KeyValue]
    metric_values: _containers.RepeatedCompositeFieldContainer[KeyValue]
    provenance: Provenance
    tracked: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, parents: _Optional[_Iterable[bytes]] = ..., generation: _Optional[int] = ..., architecture: _Optional[_Union[Component, _Mapping]] = ..., weights: _Optional[_Union[Component, _Mapping]] = ..., hyperparameters: _Optional[_Union[Component, _Mapping]] = ..., data: _Optional[_Union[Component, _Mapping]] = ..., results: _Optional[_Union[Component, _Mapping]] = ..., author: _Optional[str] = ..., time_us: _Optional[int] = ..., utc_offset_minutes: _Optional[int] = ..., message: _Optional[str] = ..., trigger: _Optional[_Union[Trigger, str]] = ..., hyperparameter_values: _Optional[_Iterable[_Union[KeyValue, _Mapping]]] = ..., metric_values: _Optional[_Iterable[_Union[KeyValue, _Mapping]]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ..., tracked: _Optional[_Iterable[str]] = ...) -> None: ...

class Component(_message.Message):
    __slots__ = ("root", "files", "size")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    root: bytes
    files: int
    size: int
    def __init__(self, root: _Optional[bytes] = ..., files: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class KeyValue(_message.Message):
    __slots__ = ("key", "text", "number", "integer", "flag")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    key: str
    text: str
    number: float
    integer: int
    flag: bool
    def __init__(self, key: _Optional[str] = ..., text: _Optional[str] = ..., number: _Optional[float] = ..., integer: _Optional[int] = ..., flag: bool = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("git_commit", "git_dirty", "command", "host", "python", "packages_digest")
    GIT_COMMIT_FIELD_NUMBER: _ClassVar[int]
    GIT_DIRTY_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_DIGEST_FIELD_NUMBER: _ClassVar[int]
    git_commit: str
    git_dirty: bool
    command: _containers.RepeatedScalarFieldContainer[str]
    host: str
    python: str
    packages_digest: str
    def __init__(self, git_commit: _Optional[str] = ..., git_dirty: bool = ..., command: _Optional[_Iterable[str]] = ..., host: _Optional[str] = ..., python: _Optional[str] = ..., packages_digest: _Optional[str] = ...) -> None: ...
