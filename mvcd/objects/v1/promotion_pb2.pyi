from mvcd.objects.v1 import objects_pb2 as _objects_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Step(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMOTE: _ClassVar[Step]
    GO_BACK: _ClassVar[Step]
    WITHDRAW: _ClassVar[Step]
PROMOTE: Step
GO_BACK: Step
WITHDRAW: Step

class Promotion(_message.Message):
    __slots__ = ("stage", "number", "step", "author", "time_us", "utc_offset_minutes", "reason", "requirements", "signatures", "previous", "restores")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_MINUTES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    RESTORES_FIELD_NUMBER: _ClassVar[int]
    stage: str
    number: int
    step: Step
    author: str
    time_us: int
    utc_offset_minutes: int
    reason: str
    requirements: _containers.RepeatedCompositeFieldContainer[Requirement]
    signatures: _containers.RepeatedScalarFieldContainer[str]
    previous: bytes
    restores: int
    def __init__(self, stage: _Optional[str] = ..., number: _Optional[int] = ..., step: _Optional[_Union[Step, str]] = ..., author: _Optional[str] = ..., time_us: _Optional[int] = ..., utc_offset_minutes: _Optional[int] = ..., reason: _Optional[str] = ..., requirements: _Optional[_Iterable[_Union[Requirement, _Mapping]]] = ..., signatures: _Optional[_Iterable[str]] = ..., previous: _Optional[bytes] = ..., restores: _Optional[int] = ...) -> None: ...

class Requirement(_message.Message):
    __slots__ = ("expression", "found", "rule")
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    expression: str
    found: _containers.RepeatedCompositeFieldContainer[_objects_pb2.KeyValue]
    rule: bool
    def __init__(self, expression: _Optional[str] = ..., found: _Optional[_Iterable[_Union[_objects_pb2.KeyValue, _Mapping]]] = ..., rule: bool = ...) -> None: ...
