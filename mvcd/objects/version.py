"""Versions: immutable points of history.

A version names its parents, the manifests of its five components, who saved it when and why, and the
flattened settings and metrics of the moment, so that a log needs nothing but these records.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from enum import IntEnum, StrEnum
from itertools import pairwise

from mvcd.ids import NodeId, VersionId
from mvcd.lateclasses import dataclass
from mvcd.objects import _version
from mvcd.objects import messages as pb
from mvcd.objects.canonical import MAX_OBJECT_BYTES, corrupt, decode, encode
from mvcd.objects.entry import check_known_path
from mvcd.objects.manifest import ComponentRoot

__all__ = [
    "EMPTY",
    "Component",
    "ComponentRoot",
    "Provenance",
    "SubPart",
    "Trigger",
    "Value",
    "Version",
]

MAX_PARENTS = 2

Value = str | float | int | bool | None
"""A flattened setting or metric. Integers have 64 bits; larger ones are kept as text by whoever reads them."""

_NAN = struct.pack("<d", math.nan)


class Component(StrEnum):
    """The five parts of a version, in the order in which they are shown."""

    ARCHITECTURE = "architecture"
    WEIGHTS = "weights"
    HYPERPARAMETERS = "hyperparameters"
    DATA = "data"
    RESULTS = "results"

    __hash__ = (
        str.__hash__
    )  # that of enums is written in Python, and every version has dicts by component


_COMPONENTS = tuple((component, component.value) for component in Component)
_NO_FILES = ComponentRoot()


class SubPart(StrEnum):
    """What is told apart within a component, where people name components."""

    STATE = "state"  # of weights: training state (mvcd/inspect/trainingstate.py)


class Trigger(IntEnum):
    """Why a version was saved; the numbers are part of the format."""

    MANUAL = 0
    AUTO = 1
    IMPORT = 2
    ROLLBACK = 3
    MERGE = 4


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a version, as far as it was known; empty means unknown.

    `packages_digest`: hex SHA-256 over the sorted "name==version" lines.
    """

    git_commit: str = ""
    git_dirty: bool = False
    command: tuple[str, ...] = ()
    host: str = ""
    python: str = ""
    packages_digest: str = ""


_UNKNOWN = Provenance()


@dataclass(frozen=True, slots=True)
class Version:
    """`components` always has all five; `time_us` counts microseconds since 1970-01-01T00:00Z."""

    parents: tuple[VersionId, ...] = ()
    generation: int = 0
    components: Mapping[Component, ComponentRoot] = field(default_factory=dict)
    author: str = ""
    time_us: int = 0
    utc_offset_minutes: int = 0
    message: str = ""
    trigger: Trigger = Trigger.MANUAL
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, Value] = field(default_factory=dict)
    provenance: Provenance = Provenance()
    tracked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = self.components
        whole = {component: given.get(component, _NO_FILES) for component, _ in _COMPONENTS}
        object.__setattr__(self, "components", whole)

    def __hash__(self) -> int:
        return hash((self.parents, self.generation, self.author, self.time_us, self.message))

    @property
    def id(self) -> VersionId:
        """Encodes and hashes at every call. Raises ValueError as `encode`."""
        return VersionId.of(self.encode())

    def encode(self) -> bytes:
        """Canonical bytes. Raises ValueError if a rule of the schema is broken or they exceed 1 MiB."""
        self._check()
        message = pb.Version(
            parents=self.parents,
            generation=self.generation,
            author=self.author,
            time_us=self.time_us,
            utc_offset_minutes=self.utc_offset_minutes,
            message=self.message,
            trigger=int(self.trigger),  # type: ignore[arg-type]  # the stubs want their own enum
            tracked=self.tracked,
        )
        for component, root in self.components.items():
            if root.root is not None:
                field = getattr(message, component.value)
                field.root, field.files, field.size = root.root, root.files, root.size
        message.hyperparameter_values.extend(key_values(self.hyperparameters))
        message.metric_values.extend(key_values(self.metrics))
        if self.provenance != Provenance():
            _write_provenance(self.provenance, message.provenance)
        return encode(message)

    @classmethod
    def decode(cls, data: bytes) -> Version:
        """Raises CorruptObject unless `data` is the canonical form of a legal version."""
        version = _of_record(data)
        if version is not None:
            return version
        message = decode(pb.Version, data)
        try:
            version = _read_version(message)
            version._check()
        except ValueError as error:
            raise corrupt("a version", str(error)) from error
        return version

    def _check(self) -> None:
        """Raises ValueError unless every rule that one version can break holds."""
        if len(self.parents) > MAX_PARENTS or len(set(self.parents)) < len(self.parents):
            raise ValueError(
                f"{len(self.parents)} parents, where up to {MAX_PARENTS} different are legal"
            )
        if self.generation == 0:
            if not self._is_empty():
                raise ValueError("only the empty version has generation 0")
            return
        if (self.generation == 1) != (not self.parents):
            raise ValueError(f"generation {self.generation} with {len(self.parents)} parents")
        if _EMPTY_ID in self.parents:
            raise ValueError("the empty version is nobody's parent")
        if abs(self.utc_offset_minutes) >= 24 * 60:
            raise ValueError(f"a time zone {self.utc_offset_minutes} minutes from UTC")
        for component, root in self.components.items():
            if (root.root is None) != (root.files == 0) or (not root.files and root.size):
                raise ValueError(f"{component} has {root.files} files of {root.size} bytes")
        if any(a >= b for a, b in pairwise(self.tracked)):
            raise ValueError("tracked paths are not in strictly ascending order")
        for path in self.tracked:
            if path != ".":
                check_known_path(path)

    def _is_empty(self) -> bool:
        return self == Version()


_EMPTY_ID = VersionId.of(b"")

EMPTY = Version()
"""v0: what is before every first version. Its bytes are none, and it is never stored."""


def _write_provenance(provenance: Provenance, message: pb.Provenance) -> None:
    message.git_commit, message.git_dirty = provenance.git_commit, provenance.git_dirty
    message.command.extend(provenance.command)
    message.host, message.python = provenance.host, provenance.python
    message.packages_digest = provenance.packages_digest


def key_values(values: Mapping[str, Value]) -> Iterator[pb.KeyValue]:
    """Canonical messages, in the order of their keys."""
    for key in sorted(values):
        message, value = pb.KeyValue(key=key), values[key]
        if isinstance(value, bool):
            message.flag = value
        elif isinstance(value, int):
            message.integer = value
        elif isinstance(value, float):
            message.number = math.nan if math.isnan(value) else value  # NaNs have many bit patterns
        elif value is not None:
            message.text = value
        yield message


def read_values(field: Iterable[pb.KeyValue]) -> dict[str, Value]:
    """The reverse of `key_values`. Raises ValueError when its order or a value is not canonical."""
    values: dict[str, Value] = {}
    for message in field:
        which = message.WhichOneof("value")
        value: Value = getattr(message, which) if which else None
        if which == "number" and math.isnan(message.number) and struct.pack("<d", value) != _NAN:
            raise ValueError("a NaN is not the canonical one")
        values[message.key] = value
    keys = [message.key for message in field]
    if any(a >= b for a, b in pairwise(keys)):
        raise ValueError("keys are not in strictly ascending order")
    return values


def _of_record(data: bytes) -> Version | None:
    """A version whose bytes are as they have to be, without protobuf, which takes ten times as long and a sixth
    of the time of `mvc status` to load; None if that has to judge them."""
    found = None if len(data) > MAX_OBJECT_BYTES else _version.read(data)
    if found is None:
        return None
    parents, generation, parts, author, time_us, offset, message, trigger = found[:8]
    settings, metrics, made, tracked = found[8:]
    try:
        version = Version(
            parents=tuple([VersionId(parent) for parent in parents]),
            generation=generation,
            components={
                _COMPONENTS[at][0]: ComponentRoot(NodeId(part[0]), part[1], part[2])
                for at, part in enumerate(parts)
                if part is not None
            },
            author=author,
            time_us=time_us,
            utc_offset_minutes=offset,
            message=message,
            trigger=Trigger(trigger),
            hyperparameters=settings,
            metrics=metrics,
            provenance=_UNKNOWN if made is None else Provenance(*made),
            tracked=tracked,
        )
        version._check()
    except ValueError:
        return None
    return version


def _read_version(message: pb.Version) -> Version:
    """Raises ValueError for what a Version could not express; `_check` has the other rules."""
    components = {}
    for component, name in _COMPONENTS:
        if message.HasField(name):
            field = getattr(message, name)
            components[component] = ComponentRoot(NodeId(field.root), field.files, field.size)
    provenance = _UNKNOWN
    if message.HasField("provenance"):
        p = message.provenance
        provenance = Provenance(
            p.git_commit, p.git_dirty, tuple(p.command), p.host, p.python, p.packages_digest
        )
        if provenance == _UNKNOWN:
            raise ValueError("an empty provenance is written out")
    return Version(
        parents=tuple([VersionId(parent) for parent in message.parents]),
        generation=message.generation,
        components=components,
        author=message.author,
        time_us=message.time_us,
        utc_offset_minutes=message.utc_offset_minutes,
        message=message.message,
        trigger=Trigger(message.trigger),
        hyperparameters=read_values(message.hyperparameter_values),
        metrics=read_values(message.metric_values),
        provenance=provenance,
        tracked=tuple(message.tracked),
    )
