"""Manifests: the sorted entries of one component, as a hash-cut tree (TREE.md).

    build    ManifestBuilder, from all entries in order
    change   edit_manifest, from an older manifest and what differs: writes O(changes * depth) nodes
    read     entries, find, diff_entries: each reads only the nodes it needs

A manifest without entries has no nodes: its root is None.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from mvcd.ids import Digest, NodeId
from mvcd.objects.difference import diff_entries
from mvcd.objects.entry import PATH_MAP, Entry, Mode, check_known_path, check_path
from mvcd.objects.tree import Child, Fetch, Node, Sink, TreeBuilder, open_node, open_root

__all__ = [
    "ComponentRoot",
    "Entry",
    "ManifestBuilder",
    "Mode",
    "check_path",
    "diff_entries",
    "edit_manifest",
    "entries",
    "find",
    "names_in",
]


_PASSED_ENTRIES = 256
"""Entries of one directory read in order before the way down from the root is shorter: about three nodes."""


@dataclass(frozen=True, slots=True)
class ComponentRoot:
    """A component's manifest, its number of files and their raw bytes."""

    root: NodeId | None = None
    files: int = 0
    size: int = 0


class ManifestBuilder:
    """Builds a manifest from entries in ascending order of path; memory does not grow with their number."""

    def __init__(self, sink: Sink) -> None:
        self._tree = TreeBuilder(PATH_MAP, sink)
        self._last = ""

    def add(self, entry: Entry) -> None:
        """Raises ValueError for an illegal path or one that does not follow the last."""
        check_path(entry.path)
        if entry.path <= self._last:
            raise ValueError(f"path {entry.path!r} does not follow {self._last!r}")
        self._last = entry.path
        self._tree.add(entry)

    def finish(self) -> ComponentRoot:
        return _component(self._tree.finish())


def edit_manifest(
    root: NodeId | None, changes: Mapping[str, Entry | None], fetch: Fetch, sink: Sink
) -> ComponentRoot:
    """The manifest after `changes`: path -> its new entry, or None to remove it if it is there.

    The same manifest as if built anew, but nodes without changes are reused unread. Raises ValueError
    for an illegal path, CorruptObject, and what `fetch` raises.
    """
    for path, entry in changes.items():
        (check_known_path if entry is None else check_path)(path)
        if entry is not None and entry.path != path:
            raise ValueError(f"the entry under {path!r} names {entry.path!r}")
    editor = _Editor(changes, fetch, sink)
    if root is not None:
        editor.merge_node(*open_root(PATH_MAP, root, fetch), is_last=True)
    return _component(editor.finish())


class _Editor:
    """Streams an old tree and sorted changes into a builder, whole nodes where nothing changes."""

    def __init__(self, changes: Mapping[str, Entry | None], fetch: Fetch, sink: Sink) -> None:
        self._changes = sorted(changes.items(), reverse=True)  # the next one last
        self._fetch = fetch
        self._sink = sink
        self._old: set[NodeId] = set()  # nodes that were read, so need not be written
        self._new: set[NodeId] = set()
        self._tree = TreeBuilder(PATH_MAP, self._emit)

    def merge(self, child: Child, is_last: bool) -> None:
        """Adds what is below `child` with its changes: those up to its last path, or all for the last."""
        pending = self._changes
        touched = bool(pending) and (is_last or pending[-1][0] <= child.last)
        if not touched and self._tree.is_cut(child.level):
            self._tree.add_node(child)
            return
        self.merge_node(child, open_node(PATH_MAP, child, self._fetch), is_last)

    def merge_node(self, child: Child, node: Node[Entry], is_last: bool) -> None:
        pending = self._changes
        self._old.add(child.node)
        for entry in node.items:
            while pending and pending[-1][0] < entry.path:
                self._add(pending.pop()[1])
            if pending and pending[-1][0] == entry.path:
                self._add(pending.pop()[1])
            else:
                self._tree.add(entry)
        for position, below in enumerate(node.children, 1):
            self.merge(below, is_last and position == len(node.children))

    def finish(self) -> Child | None:
        while self._changes:
            self._add(self._changes.pop()[1])
        root = self._tree.finish()
        # A reused last node may have only one child; as a root it would stand above the lowest level
        # that has just one node.
        while root is not None and root.level and root.node not in self._new:
            node = open_node(PATH_MAP, root, self._fetch)
            if len(node.children) > 1:
                break
            root = node.children[0]
        return root

    def _add(self, entry: Entry | None) -> None:
        if entry is not None:
            self._tree.add(entry)

    def _emit(self, node_id: Digest, data: bytes) -> None:
        assert isinstance(node_id, NodeId)
        self._new.add(node_id)
        if node_id not in self._old:
            self._sink(node_id, data)


def entries(root: NodeId | None, fetch: Fetch, prefix: str | None = None) -> Iterator[Entry]:
    """All entries in order of path, or only the one at `prefix` and those below it as a directory.

    Raises CorruptObject, and what `fetch` raises.
    """
    if root is None:
        return
    if prefix is None:
        yield from _entries_from(root, fetch, "")
        return
    entry = find(root, fetch, prefix)
    if entry is not None:
        yield entry
    below = prefix + "/"
    for entry in _entries_from(root, fetch, below):
        if not entry.path.startswith(below):
            return
        yield entry


def find(root: NodeId | None, fetch: Fetch, path: str) -> Entry | None:
    """The entry at `path`. Reads one node per level. Raises CorruptObject, and what `fetch` raises."""
    if root is None:
        return None
    first = next(_entries_from(root, fetch, path), None)
    return first if first is not None and first.path == path else None


def names_in(root: NodeId | None, fetch: Fetch, directory: str) -> Iterator[str]:
    """The names of what lies in a directory ("" is the root), in order, those of directories too. Large
    directories in it are passed over. Raises CorruptObject, and what `fetch` raises."""
    below = directory + "/" if directory else ""
    start: str | None = below
    while root is not None and start is not None:
        last, passed, begin, start = "", 0, start, None
        for entry in _entries_from(root, fetch, begin):
            if not entry.path.startswith(below):
                return
            name, slash, _ = entry.path[len(below) :].partition("/")
            if name != last:
                last, passed = name, 0
                yield name
            elif slash and (passed := passed + 1) > _PASSED_ENTRIES:
                start = below + name + "0"  # "0" follows "/"
                break


def _entries_from(root: NodeId, fetch: Fetch, start: str) -> Iterator[Entry]:
    """Entries with path >= start."""
    node = open_root(PATH_MAP, root, fetch)[1]
    ahead: list[Child] = []  # nodes still to read, the next one last
    while True:
        yield from node.items[bisect_left(node.items, start, key=_path) :]
        ahead.extend(reversed(node.children[bisect_left(node.children, start, key=_last_path) :]))
        if not ahead:
            return
        node = open_node(PATH_MAP, ahead.pop(), fetch)


_path: Callable[[Entry], str] = attrgetter("path")
_last_path: Callable[[Child], str] = attrgetter("last")


def _component(root: Child | None) -> ComponentRoot:
    return ComponentRoot() if root is None else ComponentRoot(root.node, root.count, root.size)
