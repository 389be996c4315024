"""Differences against two dicts, and what finding them costs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.objects.manifest import ComponentRoot, Entry, diff_entries, edit_manifest
from tests.objects.reference import some_id
from tests.objects.stored import (
    Objects,
    build_manifest,
    numbered_entries,
    small_nodes,
    to_entry,
)

Pairs = list[tuple[Entry | None, Entry | None]]

BASE = {entry.path: entry for entry in numbered_entries(2500)}
OBJECTS = Objects()
ROOT = build_manifest(OBJECTS, BASE.values())


def plain_diff(a: dict[str, Entry], b: dict[str, Entry]) -> Pairs:
    return [(a.get(p), b.get(p)) for p in sorted(a.keys() | b.keys()) if a.get(p) != b.get(p)]


def new(path: str) -> Entry:
    return to_entry((path, 0, 7, some_id(len(path))))


stretches = st.lists(
    st.tuples(st.integers(0, 2499), st.integers(1, 400), st.sampled_from("xgic")), max_size=4
)


def edited(stretches: list[tuple[int, int, str]]) -> dict[str, Entry]:
    """x: changed in place; g: gone; i: as many new ones before each; c: keep only these."""
    after = dict(BASE)
    for start, length, kind in stretches:
        paths = list(BASE)[start : start + length]
        for path in paths:
            if kind == "x":
                after[path] = BASE[path]._replace(size=1)
            elif kind == "g":
                after.pop(path, None)
            elif kind == "i":
                after[path + "0"] = new(path + "0")
        if kind == "c":
            after = {path: after[path] for path in paths if path in after}
    return after


@settings(max_examples=50, deadline=None)
@given(stretches, stretches)
def test_difference_is_that_of_two_dicts(
    one: list[tuple[int, int, str]], other: list[tuple[int, int, str]]
) -> None:
    objects = Objects()
    a, b = edited(one), edited(other)
    root_a = build_manifest(objects, [a[path] for path in sorted(a)]).root
    root_b = build_manifest(objects, [b[path] for path in sorted(b)]).root
    assert list(diff_entries(root_a, root_b, objects.fetch)) == plain_diff(a, b)


def test_against_nothing() -> None:
    objects = OBJECTS
    assert list(diff_entries(None, None, objects.fetch)) == []
    assert list(diff_entries(ROOT.root, None, objects.fetch)) == [(e, None) for e in BASE.values()]
    assert list(diff_entries(None, ROOT.root, objects.fetch)) == [(None, e) for e in BASE.values()]


# ---------------------------------------------------------------- costs

LEVELS = 3


@pytest.fixture(scope="module")
def large() -> tuple[Objects, ComponentRoot]:
    objects = Objects()
    return objects, build_manifest(objects, numbered_entries(30_000))


def reads(objects: Objects, a: ComponentRoot, b: ComponentRoot, expected: int) -> int:
    found: Pairs = []
    count = objects.reads_of(lambda: found.extend(diff_entries(a.root, b.root, objects.fetch)))
    assert len(found) == expected
    return count


def test_equal_roots_read_nothing(large: tuple[Objects, ComponentRoot]) -> None:
    objects, root = large
    assert reads(objects, root, root, 0) == 0


def test_one_changed_file_reads_two_nodes_per_level(large: tuple[Objects, ComponentRoot]) -> None:
    objects, root = large
    entry = numbered_entries(20_000)[-1]._replace(size=1)
    other = edit_manifest(root.root, {entry.path: entry}, objects.fetch, objects.sink)
    assert reads(objects, root, other, 1) == 2 * LEVELS
    assert reads(objects, other, root, 1) == 2 * LEVELS


@pytest.mark.parametrize("path", ["a", "data/010000.bin2", "zz"])
def test_one_new_file_reads_few_nodes(large: tuple[Objects, ComponentRoot], path: str) -> None:
    objects, root = large
    other = edit_manifest(root.root, {path: new(path)}, objects.fetch, objects.sink)
    assert reads(objects, root, other, 1) <= 4 * LEVELS
    assert reads(objects, other, root, 1) <= 4 * LEVELS


def test_a_new_directory_reads_its_own_nodes(large: tuple[Objects, ComponentRoot]) -> None:
    objects, root = large
    fresh = {f"data/015000/{i:05}": new(f"data/015000/{i:05}") for i in range(5000)}
    before = len(objects)
    other = edit_manifest(root.root, fresh, objects.fetch, objects.sink)
    own = len(objects) - before
    assert own > 30
    assert reads(objects, root, other, 5000) <= own + 6 * LEVELS
    assert reads(objects, other, root, 5000) <= own + 6 * LEVELS


def test_changes_all_over_read_each_differing_node_once(
    large: tuple[Objects, ComponentRoot],
) -> None:
    objects, root = large
    fresh = {e.path: e._replace(size=1) for e in numbered_entries(30_000)[5::1000]}
    before = len(objects)
    other = edit_manifest(root.root, fresh, objects.fetch, objects.sink)
    assert reads(objects, root, other, len(fresh)) == 2 * (len(objects) - before)


numbers = st.sets(st.integers(0, 300), max_size=150)


@settings(max_examples=150, deadline=None)
@given(numbers, numbers, numbers)
def test_deep_trees(common: set[int], one: set[int], other: set[int]) -> None:
    with small_nodes():
        objects = Objects()
        a = {f"{i:03}": new(f"{i:03}") for i in common | one}
        b = {f"{i:03}": new(f"{i:03}") for i in common | other}
        root_a = build_manifest(objects, [a[path] for path in sorted(a)])
        root_b = build_manifest(objects, [b[path] for path in sorted(b)])
        assert list(diff_entries(root_a.root, root_b.root, objects.fetch)) == plain_diff(a, b)


def test_reads_hardly_more_than_what_differs() -> None:
    """Stretches of every place and length in a deep tree; the nodes that only one tree has must be read."""
    with small_nodes():
        base = {entry.path: entry for entry in numbered_entries(200)}
        objects = Objects()
        root = build_manifest(objects, base.values())
        nodes = set(objects)
        needless = 0
        for start in range(0, 200, 3):
            for length in (1, 2, 5, 30):
                gone = dict.fromkeys(list(base)[start : start + length])
                after = Objects()
                left = [entry for path, entry in base.items() if path not in gone]
                other = build_manifest(after, left)
                objects.update(after)
                least = len(nodes ^ set(after))
                for pair in ((root, other), (other, root)):
                    needless += reads(objects, *pair, 200 - len(left)) - least
        assert needless <= 0.02 * len(objects.reads)
