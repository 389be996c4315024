from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HelloRequest(_message.Message):
    __slots__ = ("repo", "protocol_min", "protocol_max", "features", "client", "create")
    REPO_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CREATE_FIELD_NUMBER: _ClassVar[int]
    repo: str
    protocol_min: int
    protocol_max: int
    features: _containers.RepeatedScalarFieldContainer[str]
    client: str
    create: bool
    def __init__(self, repo: _Optional[str] = ..., protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., client: _Optional[str] = ..., create: bool = ...) -> None: ...

class HelloReply(_message.Message):
    __slots__ = ("protocol", "features", "limits", "repo_id", "complete", "server", "time_us", "principal", "role", "damaged")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    REPO_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    features: _containers.RepeatedScalarFieldContainer[str]
    limits: Limits
    repo_id: str
    complete: bool
    server: str
    time_us: int
    principal: str
    role: str
    damaged: int
    def __init__(self, protocol: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., repo_id: _Optional[str] = ..., complete: bool = ..., server: _Optional[str] = ..., time_us: _Optional[int] = ..., principal: _Optional[str] = ..., role: _Optional[str] = ..., damaged: _Optional[int] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("frame_bytes", "has_ids", "get_ids", "log_versions", "ref_updates")
    FRAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    HAS_IDS_FIELD_NUMBER: _ClassVar[int]
    GET_IDS_FIELD_NUMBER: _ClassVar[int]
    LOG_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    REF_UPDATES_FIELD_NUMBER: _ClassVar[int]
    frame_bytes: int
    has_ids: int
    get_ids: int
    log_versions: int
    ref_updates: int
    def __init__(self, frame_bytes: _Optional[int] = ..., has_ids: _Optional[int] = ..., get_ids: _Optional[int] = ..., log_versions: _Optional[int] = ..., ref_updates: _Optional[int] = ...) -> None: ...

class Ref(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: bytes
    def __init__(self, name: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class ListRefsRequest(_message.Message):
    __slots__ = ("repo", "prefix", "page_token")
    REPO_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    repo: str
    prefix: str
    page_token: str
    def __init__(self, repo: _Optional[str] = ..., prefix: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRefsReply(_message.Message):
    __slots__ = ("refs", "changes", "next_page_token")
    REFS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    refs: _containers.RepeatedCompositeFieldContainer[Ref]
    changes: int
    next_page_token: str
    def __init__(self, refs: _Optional[_Iterable[_Union[Ref, _Mapping]]] = ..., changes: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchRefsRequest(_message.Message):
    __slots__ = ("repo", "prefix", "repo_id", "since")
    REPO_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    REPO_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    repo: str
    prefix: str
    repo_id: str
    since: int
    def __init__(self, repo: _Optional[str] = ..., prefix: _Optional[str] = ..., repo_id: _Optional[str] = ..., since: _Optional[int] = ...) -> None: ...

class RefEvent(_message.Message):
    __slots__ = ("changes", "fresh", "refs")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    changes: int
    fresh: bool
    refs: _containers.RepeatedCompositeFieldContainer[Ref]
    def __init__(self, changes: _Optional[int] = ..., fresh: bool = ..., refs: _Optional[_Iterable[_Union[Ref, _Mapping]]] = ...) -> None: ...

class LogRequest(_message.Message):
    __slots__ = ("repo", "heads", "haves")
    REPO_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    HAVES_FIELD_NUMBER: _ClassVar[int]
    repo: str
    heads: bytes
    haves: bytes
    def __init__(self, repo: _Optional[str] = ..., heads: _Optional[bytes] = ..., haves: _Optional[bytes] = ...) -> None: ...

class LogReply(_message.Message):
    __slots__ = ("versions", "frontier")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    FRONTIER_FIELD_NUMBER: _ClassVar[int]
    versions: bytes
    frontier: bytes
    def __init__(self, versions: _Optional[bytes] = ..., frontier: _Optional[bytes] = ...) -> None: ...

class HasRequest(_message.Message):
    __slots__ = ("repo", "session", "ids")
    REPO_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    repo: str
    session: bytes
    ids: bytes
    def __init__(self, repo: _Optional[str] = ..., session: _Optional[bytes] = ..., ids: _Optional[bytes] = ...) -> None: ...

class HasReply(_message.Message):
    __slots__ = ("missing", "frames")
    MISSING_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    missing: bytes
    frames: int
    def __init__(self, missing: _Optional[bytes] = ..., frames: _Optional[int] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("repo", "ids", "below", "features")
    REPO_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    repo: str
    ids: bytes
    below: bool
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, repo: _Optional[str] = ..., ids: _Optional[bytes] = ..., below: bool = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class GetReply(_message.Message):
    __slots__ = ("records", "missing")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    records: bytes
    missing: bytes
    def __init__(self, records: _Optional[bytes] = ..., missing: _Optional[bytes] = ...) -> None: ...

class PutRequest(_message.Message):
    __slots__ = ("repo", "session", "records")
    REPO_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    repo: str
    session: bytes
    records: bytes
    def __init__(self, repo: _Optional[str] = ..., session: _Optional[bytes] = ..., records: _Optional[bytes] = ...) -> None: ...

class PutReply(_message.Message):
    __slots__ = ("stored", "known", "frames")
    STORED_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    stored: int
    known: int
    frames: int
    def __init__(self, stored: _Optional[int] = ..., known: _Optional[int] = ..., frames: _Optional[int] = ...) -> None: ...

class RefUpdate(_message.Message):
    __slots__ = ("name", "expect", "target", "force")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    expect: bytes
    target: bytes
    force: bool
    def __init__(self, name: _Optional[str] = ..., expect: _Optional[bytes] = ..., target: _Optional[bytes] = ..., force: bool = ...) -> None: ...

class UpdateRefsRequest(_message.Message):
    __slots__ = ("repo", "session", "request_id", "updates", "author", "detail")
    REPO_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    repo: str
    session: bytes
    request_id: bytes
    updates: _containers.RepeatedCompositeFieldContainer[RefUpdate]
    author: str
    detail: str
    def __init__(self, repo: _Optional[str] = ..., session: _Optional[bytes] = ..., request_id: _Optional[bytes] = ..., updates: _Optional[_Iterable[_Union[RefUpdate, _Mapping]]] = ..., author: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class UpdateRefsReply(_message.Message):
    __slots__ = ("changes", "objects", "verified_bytes")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_BYTES_FIELD_NUMBER: _ClassVar[int]
    changes: int
    objects: int
    verified_bytes: int
    def __init__(self, changes: _Optional[int] = ..., objects: _Optional[int] = ..., verified_bytes: _Optional[int] = ...) -> None: ...
