"""A version record read at a glance: the fields that are asked for, and no others.

Questions over history look at a few fields of ten thousand records. Decoding each whole, with the check of its
canonical form, takes 50 us; this takes 3 us and 1 us a value. So it is only for bytes whose digest was checked:
`Version.decode` refused what was no legal version before it was stored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from google.protobuf.message import DecodeError

from mvcd.ids import NodeId, VersionId
from mvcd.objects.canonical import corrupt
from mvcd.objects.v1 import objects_pb2 as pb
from mvcd.objects.version import Component, Trigger, Value

MISSING = object()
"""What `hyperparameter` and `metric` answer for a key that is not there; None is a value."""

_KEY = attrgetter("key")


class Glance:
    """One version's record. Empty bytes are the empty version v0."""

    __slots__ = ("_message", "id", "parents")

    def __init__(self, id: VersionId, data: bytes) -> None:
        """Raises CorruptObject for what is no message at all."""
        try:
            self._message = pb.Version.FromString(data)
        except DecodeError as error:
            raise corrupt("a version", str(error)) from error
        self.id = id
        self.parents = tuple(map(VersionId, self._message.parents))

    @property
    def generation(self) -> int:
        return self._message.generation

    @property
    def author(self) -> str:
        return self._message.author

    @property
    def message(self) -> str:
        return self._message.message

    @property
    def time_us(self) -> int:
        return self._message.time_us

    @property
    def utc_offset_minutes(self) -> int:
        return self._message.utc_offset_minutes

    @property
    def trigger(self) -> str:
        return Trigger(self._message.trigger).name.lower()

    def root(self, component: Component) -> NodeId | None:
        """The component's manifest."""
        if not self._message.HasField(component.value):
            return None
        return NodeId(getattr(self._message, component.value).root)

    def hyperparameter(self, key: str) -> Value | object:
        return _find(self._message.hyperparameter_values, key)

    def metric(self, key: str) -> Value | object:
        return _find(self._message.metric_values, key)

    def hyperparameters(self) -> Iterator[tuple[str, Value]]:
        return ((field.key, _value(field)) for field in self._message.hyperparameter_values)

    def metrics(self) -> Iterator[tuple[str, Value]]:
        return ((field.key, _value(field)) for field in self._message.metric_values)

    def keys(self) -> Iterator[str]:
        """Of hyperparameters, then of metrics."""
        yield from map(_KEY, self._message.hyperparameter_values)
        yield from map(_KEY, self._message.metric_values)


def _find(fields: Any, key: str) -> Value | object:
    """By halving: a record's keys ascend."""
    index = bisect_left(fields, key, key=_KEY)
    if index < len(fields) and fields[index].key == key:
        return _value(fields[index])
    return MISSING


def _value(field: Any) -> Value:
    which = field.WhichOneof("value")
    value: Value = getattr(field, which) if which else None
    return value
