"""`between` against sets, over random histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import MissingObject
from mvcd.ids import VersionId
from mvcd.objects.ancestry import between
from mvcd.objects.version import EMPTY, Version

History = dict[VersionId, Version]


def history(parents_of: list[list[int]]) -> History:
    """One version for each list of places of its parents."""
    made: list[Version] = []
    for n, places in enumerate(parents_of):
        parents = [made[place] for place in places]
        generation = 1 + max((p.generation for p in parents), default=0)
        made.append(
            Version(tuple(p.id for p in parents), generation, author="A <a@b>", message=str(n))
        )
    return {version.id: version for version in made}


@st.composite
def histories(draw: st.DrawFn) -> History:
    size = draw(st.integers(1, 20))
    lists = [
        draw(st.lists(st.integers(0, n - 1), max_size=2, unique=True)) if n else []
        for n in range(size)
    ]
    return history(lists)


def closure(history: History, roots: list[VersionId]) -> set[VersionId]:
    found: set[VersionId] = set()
    open_ = list(roots)
    while open_:
        id = open_.pop()
        if id not in found:
            found.add(id)
            open_.extend(history[id].parents)
    return found


@given(st.data())
def test_what_heads_reach_and_haves_do_not(data: st.DataObject) -> None:
    made = data.draw(histories())
    some = st.lists(st.sampled_from(list(made)), max_size=4)
    heads, haves = data.draw(some), data.draw(some)
    found = list(between(heads, haves, made.__getitem__))
    assert len(found) == len(set(found))
    assert set(found) == closure(made, heads) - closure(made, haves)
    place = {id: n for n, id in enumerate(found)}
    for id in found:
        assert all(place[id] < place.get(parent, len(found)) for parent in made[id].parents)


def reading(made: History, seen: list[VersionId]):
    def read(id: VersionId) -> Version:
        seen.append(id)
        if id not in made:
            raise MissingObject(f"no version {id.short()}")
        return made[id]

    return read


def test_the_cost_is_the_distance() -> None:
    made = history([[n - 1] if n else [] for n in range(300)])
    ids = list(made)
    seen: list[VersionId] = []
    assert list(between([ids[-1]], [ids[-4]], reading(made, seen))) == ids[-1:-4:-1]
    assert len(seen) < 10


def test_absent_haves_are_ignored_and_absent_heads_are_not() -> None:
    made = history([[], [0]])
    first, second = made
    absent = VersionId(bytes(32))
    assert list(between([second], [absent], reading(made, []))) == [second, first]
    with pytest.raises(MissingObject):
        list(between([absent], [second], reading(made, [])))


def test_the_empty_version_is_before_everything_and_never_told() -> None:
    made = history([[]])
    (first,) = made
    assert list(between([EMPTY.id, first], [], reading(made, []))) == [first]
    assert list(between([first], [EMPTY.id], reading(made, []))) == [first]
    assert list(between([EMPTY.id], [], reading(made, []))) == []
