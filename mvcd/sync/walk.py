"""Which objects one set of roots reaches and another does not.

Both sides are walked level by level. What the known side was seen to reach cancels, for equal ids have equal
content below; what remains is opened, and its children are the next level. Hash-cut trees of nearly equal
content have nearly equal height and differ in one path of nodes, so the walk costs what the change costs, not
what the model weighs. Where trees differ in height more is opened than need be, never less: the answer may
hold objects that the known side reaches too, never miss one that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from mvcd.ids import Digest, Kind
from mvcd.objects.closure import Opened, named, open_objects

Read = Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes]]]
"""Raw bytes of the objects that can be read; may leave out what is absent by choice."""

Look = Callable[[Digest, Opened], None]
"""Is shown an object that was opened, before what it names is answered."""

PassesOver = Callable[[Opened], frozenset[Digest]]
"""Tells what of the names in an object that was opened is not followed from there."""

SLICE_OBJECTS = 4096
"""Objects opened at a time: bounds what is held (a node or recipe has at most 1 MiB, usually below 10 KiB)."""


def difference(
    new: Iterable[Digest],
    known: Iterable[Digest],
    read_new: Read,
    read_known: Read,
    *,
    leave: frozenset[Digest] = frozenset(),
    look: Look | None = None,
    passes_over: PassesOver | None = None,
) -> Iterator[list[Digest]]:
    """Objects reachable from `new` and not seen below `known`, in groups, parents in earlier groups than
    children.

    Versions are opened into their components, never into their parents: whatever version counts is given as a
    root. `leave` are objects left out with all that only they reach. `look` sees what is opened of the new
    side; what `passes_over` answers of that is not followed. Chunks come as soon as what names them was opened,
    and not when their level is reached, so that they can be fetched meanwhile; one may come in two groups.
    Holds the ids of the known side and of one level of the new.
    """
    left = list(dict.fromkeys(new))
    level = list(dict.fromkeys(known))
    reached: set[Digest] = set(level)
    done: set[Digest] = set(leave)
    while left:
        fresh = [id for id in left if id not in reached and id not in done]
        done.update(fresh)
        if fresh:
            yield fresh
        if any(id.kind is not Kind.CHUNK for id in fresh):
            common = reached.intersection(left)
            opening = [id for id in level if id not in common]
            below = chain.from_iterable(_below(opening, read_known, None))
            level = [id for id in dict.fromkeys(below) if id not in reached]
            reached.update(level)
        left = []
        for part in _below(fresh, read_new, look, passes_over):
            chunks = [id for id in part if id.kind is Kind.CHUNK]
            if new_ones := [id for id in dict.fromkeys(chunks) if id not in reached]:
                yield new_ones
            left.extend(id for id in part if id.kind is not Kind.CHUNK)
        left = list(dict.fromkeys(left))


def _below(
    ids: Iterable[Digest], read: Read, look: Look | None, passes_over: PassesOver | None = None
) -> Iterator[list[Digest]]:
    """What they name, of SLICE_OBJECTS of them at a time."""
    inner = [id for id in ids if id.kind is not Kind.CHUNK]
    for start in range(0, len(inner), SLICE_OBJECTS):
        found: list[Digest] = []
        for id, opened in open_objects(read(inner[start : start + SLICE_OBJECTS])):
            if look is not None:
                look(id, opened)
            below = named(opened)
            if passes_over is not None:
                out = passes_over(opened)
                below = (id for id in below if id not in out)
            found.extend(below)
        yield found
