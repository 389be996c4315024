"""Objects read at a glance: what is asked for, and nothing else.

Questions over history look at a few fields of ten thousand records, at one entry of each manifest, at one
tensor of each recipe. Decoding a version whole, with the check of its canonical form, takes 50 us, a
manifest of 60 files 200 us; a glance takes 3 us and 1 us a value. So it is only for bytes whose digest was
checked, and whose legality was checked when they were stored.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any

from google.protobuf.message import DecodeError, Message

from mvcd.ids import ChunkId, Digest, Kind, NodeId, RecipeId, VersionId
from mvcd.lateclasses import NamedTuple
from mvcd.objects import _version
from mvcd.objects import messages as pb
from mvcd.objects.canonical import corrupt, split_ids
from mvcd.objects.tree import Fetch
from mvcd.objects.version import Component, ComponentRoot, Trigger, Value, Version

MISSING = object()
"""What `hyperparameter` and `metric` answer for a key that is not there; None is a value."""

_KEY, _PATH = attrgetter("key"), attrgetter("path")


class Glance:
    """One version's record. Empty bytes are the empty version v0."""

    __slots__ = ("_data", "_read", "generation", "id", "parents", "time_us")
    id: VersionId
    parents: tuple[VersionId, ...]
    generation: int
    time_us: int

    def __init__(self, id: VersionId, data: bytes) -> None:
        """Raises CorruptObject for what is no message at all."""
        self.id = id
        self._data = data
        self._read: pb.Version | None = None
        front = _version.read_front(data)
        if front is None:
            message = self._message
            parents: Iterable[bytes] = message.parents
            self.generation, self.time_us = message.generation, message.time_us
        else:
            parents, self.generation, self.time_us = front
        self.parents = tuple(map(VersionId, parents))

    @property
    def _message(self) -> pb.Version:
        if self._read is None:
            self._read = _parsed(pb.Version, self._data, "a version")
        return self._read

    def whole(self) -> Version:
        """All of it. Raises CorruptObject."""
        return Version.decode(self._data)

    @property
    def author(self) -> str:
        return self._message.author

    @property
    def message(self) -> str:
        return self._message.message

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

    def component(self, component: Component) -> ComponentRoot:
        """The component's manifest, with its files and bytes."""
        if not self._message.HasField(component.value):
            return ComponentRoot()
        field = getattr(self._message, component.value)
        return ComponentRoot(NodeId(field.root), field.files, field.size)

    def mentions(self, words: bytes) -> bool:
        """Whether the record has these bytes anywhere; without them it has no such key, which is told at a
        tenth of what looking for it costs."""
        return words in self._data

    def hyperparameter(self, key: str) -> Value | object:
        return _find(self._message.hyperparameter_values, key)

    def metric(self, key: str) -> Value | object:
        return _find(self._message.metric_values, key)

    def hyperparameters(self) -> Iterator[tuple[str, Value]]:
        return ((field.key, _value(field)) for field in self._message.hyperparameter_values)

    def metrics(self) -> Iterator[tuple[str, Value]]:
        return ((field.key, _value(field)) for field in self._message.metric_values)

    def keys(self) -> Iterator[str]:
        """Returns the keys of hyperparameters, then of metrics."""
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


Placed = tuple[str, RecipeId, int, int]
"""Path, recipe, mode and size of a file."""


def entries_at(root: NodeId, path: str, fetch: Fetch) -> list[Placed]:
    """The file at `path`, or all files below it; "." is everything. Raises CorruptObject, and as `fetch`."""
    if path == ".":
        return list(_entries(root, "", None, fetch, set()))
    found = list(_entries(root, path, path + "\0", fetch, set()))
    below = path + "/", path + "0"  # "0" follows "/"
    return found or list(_entries(root, *below, fetch, set()))


def _entries(
    root: NodeId, low: str, high: str | None, fetch: Fetch, seen: set[NodeId]
) -> Iterator[Placed]:
    """Those with low <= path < high. Paths differ, so no legal manifest has a node twice."""
    if root in seen:
        raise corrupt(f"node {root.short()}", "a manifest has it twice")
    seen.add(root)
    node = _parsed(pb.Node, fetch(root), f"node {root.short()}")
    entries = node.entry_leaf.entries
    for index in range(bisect_left(entries, low, key=_PATH), len(entries)):
        entry = entries[index]
        if high is not None and entry.path >= high:
            return
        yield entry.path, RecipeId(entry.recipe), entry.mode, entry.size
    lasts = node.entry_branch.last_paths
    for index in range(bisect_left(lasts, low), len(lasts)):
        child = NodeId(node.entry_branch.ids[32 * index : 32 * index + 32])
        yield from _entries(child, low, high, fetch, seen)
        if high is not None and lasts[index] >= high:
            return


_LEAF = b"\x1a"  # a Node's field 3, an EntryLeaf
_RECIPES = re.compile(rb"(?=\x22\x20(.{32}))", re.DOTALL)
"""An Entry's field 4 of 32 bytes, wherever one may begin: more than there are, never fewer."""


_FEW_IDS = 32
"""Up to so many are looked for in a node's bytes one by one: each takes a fortieth of what it takes to look at
all that lie there."""


def entries_with(root: NodeId, recipes: Collection[RecipeId], fetch: Fetch) -> Iterator[Placed]:
    """The files with one of these contents, in order of path. A leaf without any is not parsed: a manifest of a
    million files takes a fifth of the time that listing it does. Raises CorruptObject, and as `fetch`."""
    wanted = set(recipes)
    ahead: list[NodeId] = [root]
    while ahead:
        data = fetch(id := ahead.pop())
        if data.startswith(_LEAF) and not _may_hold(data, wanted):
            continue
        node = _parsed(pb.Node, data, f"node {id.short()}")
        for entry in node.entry_leaf.entries:
            if entry.recipe in wanted:
                yield entry.path, RecipeId(entry.recipe), entry.mode, entry.size
        ahead.extend(reversed([NodeId(id) for id in _ids(NodeId, node.entry_branch.ids)]))


def _may_hold(leaf: bytes, recipes: set[RecipeId]) -> bool:
    if len(recipes) <= _FEW_IDS:
        return any(leaf.find(recipe) >= 0 for recipe in recipes)
    return not recipes.isdisjoint(_RECIPES.findall(leaf))


class TensorGlance(NamedTuple):
    """`content` is equal for equal data cut alike, and only for that; `place` is where it was found."""

    dtype: str
    shape: tuple[int, ...]
    content: bytes
    place: int


def tensor_in(data: bytes, name: str, hint: int = 0) -> TensorGlance | None:
    """The tensor `name` of a recipe, looked for at place `hint` first. Raises CorruptObject."""
    if name.encode() not in data:
        return None
    segments = _parsed(pb.Recipe, data, "a recipe").segments
    places = range(len(segments))
    for index in (*places[hint : hint + 1], *places):
        segment = segments[index]
        if segment.tensor.name == name and segment.HasField("tensor"):
            which = segment.WhichOneof("content")
            held: bytes | Message = getattr(segment, which) if which else b""
            content = (
                held if isinstance(held, bytes) else held.SerializeToString(deterministic=True)
            )
            tensor = segment.tensor
            return TensorGlance(tensor.dtype, tuple(tensor.shape), content, index)
    return None


def names(kind: Kind, data: bytes) -> list[Digest]:
    """What a recipe or a node refers to, in its order, as `closure.children` has it at three times the cost.
    Raises CorruptObject for what is no message at all."""
    if kind is Kind.NODE:
        return _names_of_node(_parsed(pb.Node, data, "a node"))
    found: list[Digest] = []
    for segment in _parsed(pb.Recipe, data, "a recipe").segments:
        which = segment.WhichOneof("content")
        if which == "chunks":
            found += _ids(ChunkId, segment.chunks.ids)
        elif which == "root":
            found.append(NodeId(segment.root.node))
    return found


def _names_of_node(node: Any) -> list[Digest]:
    which = node.WhichOneof("body")
    if which == "entry_leaf":
        return [RecipeId(entry.recipe) for entry in node.entry_leaf.entries]
    if which == "chunk_leaf":
        return _ids(ChunkId, node.chunk_leaf.ids)
    return _ids(NodeId, getattr(node, which).ids) if which else []


def _ids(id_type: type[Digest], packed: bytes) -> list[Digest]:
    try:
        return [*split_ids(id_type, packed)]
    except ValueError as error:
        raise corrupt("a list of digests", str(error)) from error


def _parsed(kind: Any, data: bytes, what: str) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise corrupt(what, str(error)) from error
