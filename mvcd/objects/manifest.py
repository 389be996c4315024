"""Manifests: the sorted entries of one component, as a hash-cut tree (TREE.md).

    build    ManifestBuilder, from all entries in order
    change   edit_manifest, from an older manifest and what differs: writes O(changes * depth) nodes;
             edit_in_order, where what differs comes one after the other
    read     entries, find, look_up, names_in, diff_entries: each reads only the nodes it needs

A manifest without entries has no nodes: its root is None.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter

from mvcd.ids import Digest, NodeId
from mvcd.lateclasses import NamedTuple
from mvcd.objects.difference import diff_entries
from mvcd.objects.entry import PATH_MAP, Entry, Mode, check_known_path, check_path
from mvcd.objects.tree import Child, Fetch, Node, Sink, TreeBuilder, open_node, open_root

_BATCH_ENTRIES = 1024
"""Entries added at once where nothing else comes in between."""

__all__ = [
    "ComponentRoot",
    "Entry",
    "ManifestBuilder",
    "Mode",
    "check_path",
    "diff_entries",
    "edit_in_order",
    "edit_manifest",
    "entries",
    "find",
    "look_up",
    "names_in",
]


class ComponentRoot(NamedTuple):
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
        _check_change(path, entry)
    return _edited(root, sorted(changes.items()), fetch, sink)


def edit_in_order(
    root: NodeId | None, changes: Iterable[tuple[str, Entry | None]], fetch: Fetch, sink: Sink
) -> ComponentRoot:
    """The same of changes that come in ascending order of path; memory does not grow with their number.

    Raises ValueError also for one that does not follow the last; nodes may have gone to `sink` by then.
    """
    return _edited(root, _checked(changes), fetch, sink)


def _edited(
    root: NodeId | None, changes: Iterable[tuple[str, Entry | None]], fetch: Fetch, sink: Sink
) -> ComponentRoot:
    editor = _Editor(changes, fetch, sink)
    if root is not None:
        editor.merge_node(*open_root(PATH_MAP, root, fetch), is_last=True)
    return _component(editor.finish())


def _checked(changes: Iterable[tuple[str, Entry | None]]) -> Iterator[tuple[str, Entry | None]]:
    last = ""
    for path, entry in changes:
        _check_change(path, entry)
        if path <= last:
            raise ValueError(f"path {path!r} does not follow {last!r}")
        last = path
        yield path, entry


def _check_change(path: str, entry: Entry | None) -> None:
    (check_known_path if entry is None else check_path)(path)
    if entry is not None and entry.path != path:
        raise ValueError(f"the entry under {path!r} names {entry.path!r}")


class _Editor:
    """Streams an old tree and sorted changes into a builder, whole nodes where nothing changes."""

    def __init__(
        self, changes: Iterable[tuple[str, Entry | None]], fetch: Fetch, sink: Sink
    ) -> None:
        self._changes = iter(changes)
        self._path: str | None = None  # of the next change, if there is one
        self._entry: Entry | None = None
        self._fetch = fetch
        self._sink = sink
        self._old: set[NodeId] = set()  # nodes that were read, so need not be written
        self._new: set[NodeId] = set()
        self._tree = TreeBuilder(PATH_MAP, self._emit)
        self._advance()

    def merge(self, child: Child, is_last: bool) -> None:
        """Adds what is below `child` with its changes: those up to its last path, or all for the last."""
        touched = self._path is not None and (is_last or self._path <= child.last)
        if not touched and self._tree.is_cut(child.level):
            self._tree.add_node(child)
            return
        self.merge_node(child, open_node(PATH_MAP, child, self._fetch), is_last)

    def merge_node(self, child: Child, node: Node[Entry], is_last: bool) -> None:
        self._old.add(child.node)
        for entry in node.items:
            while self._path is not None and self._path < entry.path:
                self._take()
            if self._path == entry.path:
                self._take()
            else:
                self._tree.add(entry)
        for position, below in enumerate(node.children, 1):
            self.merge(below, is_last and position == len(node.children))

    def finish(self) -> Child | None:
        while self._path is not None:  # all that was there before lies before what is left
            batch = [self._entry, *(entry for _, entry in islice(self._changes, _BATCH_ENTRIES))]
            self._tree.extend([entry for entry in batch if entry is not None])
            self._advance()
        root = self._tree.finish()
        # A reused last node may have only one child; as a root it would stand above the lowest level
        # that has just one node.
        while root is not None and root.level and root.node not in self._new:
            node = open_node(PATH_MAP, root, self._fetch)
            if len(node.children) > 1:
                break
            root = node.children[0]
        return root

    def _take(self) -> None:
        """Adds what the next change brings."""
        if self._entry is not None:
            self._tree.add(self._entry)
        self._advance()

    def _advance(self) -> None:
        self._path, self._entry = next(self._changes, (None, None))

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


def names_in(
    root: NodeId | None, fetch: Fetch, directory: str
) -> Iterator[tuple[str, Entry | None]]:
    """The names of what lies in a directory ("" is the root), in order of paths: each with its entry, or with
    None if it is a directory. Reads the nodes in which something lies directly, and those on the way to them.
    Raises CorruptObject, and what `fetch` raises."""
    if root is None:
        return
    below = directory + "/" if directory else ""
    cursor = EntryCursor(root, fetch)
    cursor.seek(below)
    while (entry := cursor.entry()) is not None and entry.path.startswith(below):
        name, slash, _ = entry.path[len(below) :].partition("/")
        if slash:
            yield name, None
            cursor.seek(below + name + "0")  # "0" follows "/"
        else:
            yield name, entry
            cursor.advance()


def look_up(root: NodeId | None, fetch: Fetch, path: str) -> Entry | bool:
    """The entry at `path`, else whether there is one below, so that it is a directory. Raises CorruptObject,
    and what `fetch` raises."""
    if root is None:
        return False
    cursor = EntryCursor(root, fetch)
    cursor.seek(path)
    entry = cursor.entry()
    if entry is not None and entry.path == path:
        return entry
    cursor.seek(path + "/")
    entry = cursor.entry()
    return entry is not None and entry.path.startswith(path + "/")


class EntryCursor:
    """A place in a manifest, which moves forward. A node that it moves over is not read."""

    def __init__(self, root: NodeId, fetch: Fetch) -> None:
        """Raises CorruptObject, and what `fetch` raises; so do `seek` and `entry`."""
        self._fetch = fetch
        node = open_root(PATH_MAP, root, fetch)[1]
        self._items: Sequence[Entry] = node.items
        self._at = 0
        self._ahead = list(reversed(node.children))  # nodes still to read, the next one last

    def seek(self, path: str) -> None:
        """Moves to the first entry whose path is `path` or greater; stays where it is that already."""
        self._at = bisect_left(self._items, path, self._at, key=_path)
        while self._at == len(self._items) and self._ahead:
            child = self._ahead.pop()
            if child.last >= path:
                self._open(child)
                self._at = bisect_left(self._items, path, key=_path)

    def entry(self) -> Entry | None:
        """The entry here; None at the end."""
        while self._at == len(self._items) and self._ahead:
            self._open(self._ahead.pop())
        return self._items[self._at] if self._at < len(self._items) else None

    def advance(self) -> None:
        self._at += 1

    def _open(self, child: Child) -> None:
        node = open_node(PATH_MAP, child, self._fetch)
        self._items, self._at = node.items, 0
        self._ahead.extend(reversed(node.children))


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
