"""The hash-cut tree: one construction for long chunk lists and for manifests (TREE.md).

A sequence is cut into nodes at places that its own content chooses; the nodes' names form a shorter
sequence, cut by the same rule with another salt, until one node is left: the root. As every cut depends
only on what stands since the previous cut, equal sequences have equal roots however they came to be, an
edit changes a few nodes per level, and whoever compares two trees reads only where names differ.

A builder holds at most one open node per level: memory does not grow with the sequence. The module knows
neither chunks nor paths; a `Form` tells it what an item is and how nodes are written.

Correct readers never rely on where nodes were cut, only on order, sums and levels, which `open_node`
checks. A tree cut elsewhere by a foreign program is merely less well shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import Any, Generic, Protocol, TypeVar

from mvcd.errors import CorruptObject
from mvcd.ids import Digest, NodeId
from mvcd.lateclasses import dataclass
from mvcd.objects.canonical import U64_MAX, corrupt

Fetch = Callable[[Digest], bytes]
"""Canonical bytes of an object, digest checked. Raises MissingObject, CorruptObject."""

Sink = Callable[[Digest, bytes], None]
"""Receives each new object with its canonical bytes, children before parents. Equal ones may come again."""

MAX_LEVELS = 32
"""Every node but the last of its level has two entries or more, so this is enough for 2^32 items."""

MIN_ENTRIES = 2
MAX_MEAN_TIMES = 8
"""A node ends at this many times the mean, whatever the hashes say."""

MAX_KEY_BYTES = 512 << 10
"""A node ends when its keys have this many bytes together: 768 paths of 4096 bytes would exceed what one
object may have (MAX_OBJECT_BYTES)."""

_MASK = (1 << 64) - 1
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, made odd: Knuth's multiplicative hashing
_SALTS = tuple((level * 0xD1B54A32D192ED03) & _MASK for level in range(MAX_LEVELS + 1))

Item = TypeVar("Item")


def ends_node(point: int, level: int, mean: int) -> bool:
    """Whether an entry whose key has this 64-bit `point` ends its node by its hash: once in `mean` entries.

    The multiplication spreads what the salt changed to the upper bits, so levels decide independently.
    """
    return ((point ^ _SALTS[level]) * _MULTIPLIER & _MASK) < (1 << 64) // mean


@dataclass(frozen=True, slots=True)
class Child:
    """A node as its parent names it."""

    node: NodeId
    level: int  # 0 for a leaf
    size: int  # raw bytes below
    count: int  # items below
    last: str  # greatest path below; empty in chunk lists
    after: str = field(
        default="", compare=False
    )  # all paths below are greater; empty in chunk lists


@dataclass(frozen=True, slots=True)
class Node(Generic[Item]):
    """A decoded node: items if `level` is 0, else children."""

    level: int
    items: Sequence[Item]
    children: Sequence[Child]

    def described_as(self, node_id: NodeId, form: Form[Item]) -> Child:
        """What a parent would say of this node."""
        if not self.level:
            size, last = form.total(self.items)
            return Child(node_id, 0, size, len(self.items), last)
        children = self.children
        size, count = sum(c.size for c in children), sum(c.count for c in children)
        return Child(node_id, self.level, size, count, children[-1].last)


class Form(Protocol[Item]):
    """What tells chunk lists from manifests."""

    @property
    def mean(self) -> int:
        """Mean entries of a node."""

    def key(self, item: Item) -> bytes:
        """What decides whether a leaf ends after this item."""

    def child_key(self, child: Child) -> bytes:
        """What decides whether a branch ends after this child."""

    def point(self, key: bytes) -> int:
        """64 uniform bits of a key."""

    def points(self, keys: Sequence[bytes]) -> Sequence[int]:
        """`point` of each, in one call."""

    def total(self, items: Sequence[Item]) -> tuple[int, str]:
        """Raw bytes of the items, and the last one's path (empty in chunk lists)."""

    def encode_leaf(self, items: Sequence[Item]) -> bytes: ...

    def encode_branch(self, level: int, children: Sequence[Child]) -> bytes: ...

    def decode(self, data: bytes) -> Node[Item]:
        """Raises CorruptObject unless every rule that one node can break holds."""


class _OpenNode:
    """Entries of one level that no cut has ended yet."""

    __slots__ = ("entries", "key_bytes")

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.key_bytes = 0


class TreeBuilder(Generic[Item]):
    """Cuts a sequence as it is added, item by item or whole nodes of an older tree at a time."""

    def __init__(self, form: Form[Item], sink: Sink) -> None:
        self._form = form
        self._sink = sink
        self._levels = [_OpenNode()]
        self._max_entries = MAX_MEAN_TIMES * form.mean

    def add(self, item: Item) -> None:
        self._append(0, item, self._form.key(item))

    def extend(self, items: Sequence[Item]) -> None:
        """`add` for each, in order, with one call for all points."""
        form, most, limit = self._form, self._max_entries, (1 << 64) // self._form.mean
        keys = [form.key(item) for item in items]
        open_node = self._levels[0]
        for item, key, point in zip(items, keys, form.points(keys), strict=True):
            entries = open_node.entries
            entries.append(item)
            open_node.key_bytes += len(key)
            if len(entries) >= MIN_ENTRIES and (  # ends_node at level 0, whose salt is 0
                point * _MULTIPLIER & _MASK < limit
                or len(entries) >= most
                or open_node.key_bytes >= MAX_KEY_BYTES
            ):
                self._end_node(0)
                open_node = self._levels[0]

    def add_node(self, child: Child) -> None:
        """Appends all items below `child` without reading it. Only when `is_cut(child.level)`.

        The result is that of adding them one by one if `child` was ended by the rule (not merely by the
        end of its sequence) or if nothing follows.
        """
        self._append(child.level + 1, child, self._form.child_key(child))

    def is_cut(self, level: int) -> bool:
        """Whether a cut stands here on `level` and all levels below it."""
        return not any(open_node.entries for open_node in self._levels[: level + 1])

    def finish(self) -> Child | None:
        """The root: the only node of the lowest level that has just one. None for an empty sequence."""
        level = 0
        while level < len(self._levels) - 1:
            if self._levels[level].entries:
                self._end_node(level)
            level += 1
        top = self._levels[level].entries
        if not top:
            return None
        if level and len(top) == 1:
            only: Child = top[0]
            return only
        return self._write(level)

    def _append(self, level: int, entry: Any, key: bytes) -> None:
        while len(self._levels) <= level:
            self._levels.append(_OpenNode())
        open_node = self._levels[level]
        entries = open_node.entries
        entries.append(entry)
        open_node.key_bytes += len(key)
        if len(entries) >= MIN_ENTRIES and (
            ends_node(self._form.point(key), level, self._form.mean)
            or len(entries) >= self._max_entries
            or open_node.key_bytes >= MAX_KEY_BYTES
        ):
            self._end_node(level)

    def _end_node(self, level: int) -> None:
        child = self._write(level)
        self._levels[level] = _OpenNode()
        self._append(level + 1, child, self._form.child_key(child))

    def _write(self, level: int) -> Child:
        entries, form = self._levels[level].entries, self._form
        if level:
            data = form.encode_branch(level, entries)
            node: Node[Item] = Node(level, (), entries)
        else:
            data = form.encode_leaf(entries)
            node = Node(0, entries, ())
        node_id = NodeId.of(data)
        self._sink(node_id, data)
        return node.described_as(node_id, form)


def open_root(form: Form[Item], node_id: NodeId, fetch: Fetch) -> tuple[Child, Node[Item]]:
    """Reads a node of which only the name is known. Raises CorruptObject, and what `fetch` raises."""
    node = _read(form, node_id, fetch)
    return node.described_as(node_id, form), node


def open_node(form: Form[Item], child: Child, fetch: Fetch) -> Node[Item]:
    """Reads the node that its parent names so. Raises CorruptObject unless it is as the parent says and
    continues the order."""
    node = _read(form, child.node, fetch)
    if node.described_as(child.node, form) != child:
        raise corrupt(
            f"node {child.node.short()}",
            "its level, totals or last path are not what its parent says",
        )
    if not child.after:
        return node
    if node.level:
        first = replace(node.children[0], after=child.after)
        return Node(node.level, (), [first, *node.children[1:]])
    if form.key(node.items[0]) <= child.after.encode():
        raise corrupt(
            f"node {child.node.short()}", "its first path does not follow the node before"
        )
    return node


def check_branch(level: int, ids: int, mean: int, sizes: list[int], counts: list[int]) -> None:
    """The rules that branches of both forms share. Raises ValueError."""
    if not 1 <= level <= MAX_LEVELS:
        raise ValueError(f"a branch's level is {level}, not in 1..{MAX_LEVELS}")
    if not 1 <= ids <= mean * MAX_MEAN_TIMES or ids != len(sizes) or ids != len(counts):
        raise ValueError(f"{ids} children, {len(sizes)} sizes and {len(counts)} counts")
    if min(counts) < 1 or sum(counts) > U64_MAX or sum(sizes) > U64_MAX:
        raise ValueError("a count or a total is out of range")


def _read(form: Form[Item], node_id: NodeId, fetch: Fetch) -> Node[Item]:
    data = fetch(node_id)
    try:
        return form.decode(data)
    except CorruptObject as error:
        raise corrupt(f"node {node_id.short()}", error.cause or str(error)) from error
