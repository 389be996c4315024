"""Which objects one set of roots reaches and another does not.

Both sides are walked level by level. What the known side was seen to reach cancels, for equal ids have equal
content below; what remains is opened, and its children are the next level. Hash-cut trees of nearly equal
content have nearly equal height and differ in one path of nodes, so the walk costs what the change costs, not
what the model weighs. Where trees differ in height more is opened than need be, never less: the answer may
hold objects that the known side reaches too, never miss one that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from mvcd.ids import Digest, Kind
from mvcd.objects.closure import children

Read = Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes]]]
"""Raw bytes of the objects that can be read; may leave out what is absent by choice."""

SLICE = 4096
"""Objects opened at a time: bounds what is held (a node or recipe has at most 1 MiB, usually below 10 KiB)."""


def difference(
    new: Iterable[Digest],
    known: Iterable[Digest],
    read_new: Read,
    read_known: Read,
    *,
    leave: frozenset[Digest] = frozenset(),
) -> Iterator[list[Digest]]:
    """Objects reachable from `new` and not seen below `known`, in groups, parents in earlier groups than
    children.

    Versions are opened into their components, never into their parents: whatever version counts is given as a
    root. `leave` are objects left out with all that only they reach. A chunk may come in two groups. Holds
    the ids of the known side and of one level of the new.
    """
    left = list(dict.fromkeys(new))
    level = list(dict.fromkeys(known))
    reached: set[Digest] = set(level)
    done: set[Digest] = set(leave)
    while left:
        fresh = [id for id in left if id not in reached and id not in done]
        done.update(id for id in fresh if id.kind is not Kind.CHUNK)
        if fresh:
            yield fresh
        common = reached.intersection(left)
        left = list(dict.fromkeys(_below(fresh, read_new)))
        if left:
            below = _below((id for id in level if id not in common), read_known)
            level = [id for id in dict.fromkeys(below) if id not in reached]
            reached.update(level)


def _below(ids: Iterable[Digest], read: Read) -> Iterator[Digest]:
    inner = [id for id in ids if id.kind is not Kind.CHUNK]
    for start in range(0, len(inner), SLICE):
        for id, data in read(inner[start : start + SLICE]):
            yield from children(id.kind, data)
