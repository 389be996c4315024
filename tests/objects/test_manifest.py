"""Manifests against a dict."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import CorruptObject
from mvcd.ids import Digest, NodeId
from mvcd.objects.manifest import (
    ComponentRoot,
    Entry,
    ManifestBuilder,
    diff_entries,
    edit_in_order,
    edit_manifest,
    entries,
    find,
    look_up,
    names_in,
)
from tests.objects.reference import data as field
from tests.objects.reference import manifest, number, packed, some_id
from tests.objects.stored import (
    Objects,
    build_manifest,
    numbered_entries,
    small_nodes,
    to_entry,
)

BASE = {entry.path: entry for entry in numbered_entries(3000)}
OBJECTS = Objects()
ROOT = build_manifest(OBJECTS, BASE.values())
assert ROOT.files == 3000


def changed(entry: Entry) -> Entry:
    return entry._replace(size=entry.size + 1)


def new(path: str) -> Entry:
    return to_entry((path, 0, 7, some_id(len(path))))


def rebuilt(after: dict[str, Entry]) -> ComponentRoot:
    return build_manifest(Objects(), [after[path] for path in sorted(after)])


def test_nothing_is_no_node() -> None:
    objects = Objects()
    assert build_manifest(objects, []) == ComponentRoot(None, 0, 0)
    assert edit_manifest(None, {}, objects.fetch, objects.sink) == ComponentRoot()
    assert list(entries(None, objects.fetch)) == [] and find(None, objects.fetch, "a") is None
    assert not objects


def test_builder_refuses_disorder_and_illegal_paths() -> None:
    builder = ManifestBuilder(Objects().sink)
    builder.add(new("b"))
    for path in ("b", "a", "../c"):
        with pytest.raises(ValueError, match=path):
            builder.add(new(path))
    builder.add(new("c"))
    assert builder.finish().files == 2


# ---------------------------------------------------------------- edits

numbers = st.integers(0, 2999)
changes = st.one_of(
    st.builds(lambda i: {f"data/{i:06}.bin": changed(BASE[f"data/{i:06}.bin"])}, numbers),
    st.builds(lambda i: {f"data/{i:06}.bin": None}, numbers),
    st.builds(
        lambda i, n: {f"data/{i:06}.bin": None for i in range(i, min(i + n, 3000))},
        numbers,
        st.integers(1, 3000),
    ),
    st.builds(
        lambda i, n: {f"data/{i:06}/{k}": new(f"data/{i:06}/{k}") for k in range(n)},
        numbers,
        st.integers(1, 300),
    ),
    st.sampled_from(["a", "a/b", "data", "data/000000.bin2", "zz", "zz/🙂"]).map(
        lambda p: {p: new(p)}
    ),
    st.sampled_from(["absent", "data/9", "zzz"]).map(lambda p: {p: None}),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(changes, min_size=1, max_size=4), min_size=1, max_size=3))
def test_edits_give_what_a_rebuild_gives(history: list[list[dict[str, Entry | None]]]) -> None:
    objects = Objects()
    objects.update(OBJECTS)
    root, after = ROOT, dict(BASE)
    for step in history:
        together: dict[str, Entry | None] = {}
        for change in step:
            together.update(change)
        streamed = edit_in_order(
            root.root, iter(sorted(together.items())), objects.fetch, objects.sink
        )
        root = edit_manifest(root.root, together, objects.fetch, objects.sink)
        assert streamed == root
        for path, entry in together.items():
            if entry is None:
                after.pop(path, None)
            else:
                after[path] = entry
        assert root == rebuilt(after)
        assert list(entries(root.root, objects.fetch)) == [after[path] for path in sorted(after)]


@settings(max_examples=40, deadline=None)
@given(st.sets(numbers), st.booleans())
def test_any_subset_by_removal_or_by_building(kept: set[int], invert: bool) -> None:
    keep = {f"data/{i:06}.bin" for i in kept}
    after = {path: entry for path, entry in BASE.items() if (path in keep) != invert}
    gone: dict[str, Entry | None] = {path: None for path in BASE if path not in after}
    objects = Objects()
    objects.update(OBJECTS)
    assert edit_manifest(ROOT.root, gone, objects.fetch, objects.sink) == rebuilt(after)
    assert edit_manifest(None, after, objects.fetch, objects.sink) == rebuilt(after)


def test_every_stretch_of_a_deep_tree() -> None:
    """Remove it, keep only it, change its ends: roots move down, last nodes stay behind, cuts meet again."""
    with small_nodes():
        base = {entry.path: entry for entry in numbered_entries(150)}
        paths = list(base)
        objects = Objects()
        root = build_manifest(objects, base.values())
        for start in range(0, 151, 3):
            for end in range(start, 151, 7):
                inside = set(paths[start:end])
                edits: list[dict[str, Entry | None]] = [
                    dict.fromkeys(inside),
                    {path: None for path in paths if path not in inside},
                    {paths[i] + "x": new(paths[i] + "x") for i in (start - 1, end - 1)},
                ]
                for edit in edits:
                    edited = edit_manifest(root.root, edit, objects.fetch, objects.sink)
                    after = {**base, **edit}
                    left = {path: entry for path, entry in after.items() if entry is not None}
                    assert edited == rebuilt(left)


def test_only_the_end_of_a_deep_tree_is_kept() -> None:
    """The last branch of a level may have one child; when it is all that is left, the root is below it."""
    with small_nodes():
        for count in range(2, 160):
            all_entries = numbered_entries(count)
            objects = Objects()
            root = build_manifest(objects, all_entries)
            for kept in range(1, min(count, 7)):
                gone = {entry.path: None for entry in all_entries[:-kept]}
                edited = edit_manifest(root.root, gone, objects.fetch, objects.sink)
                assert edited == build_manifest(Objects(), all_entries[-kept:])


@settings(max_examples=150, deadline=None)
@given(
    st.sets(st.integers(0, 400)),
    st.lists(st.dictionaries(st.integers(0, 400), st.sampled_from([None, 1, 2]), max_size=9)),
)
def test_edits_of_deep_trees(start: set[int], history: list[dict[int, int | None]]) -> None:
    with small_nodes():
        objects = Objects()
        after = {f"{i:03}": new(f"{i:03}") for i in start}
        root = build_manifest(objects, [after[path] for path in sorted(after)])
        for step in history:
            edit: dict[str, Entry | None] = {}
            for number, size in step.items():
                path = f"{number:03}"
                edit[path] = None if size is None else new(path)._replace(size=size)
            root = edit_manifest(root.root, edit, objects.fetch, objects.sink)
            whole = {**after, **edit}
            after = {path: entry for path, entry in whole.items() if entry is not None}
            assert root == rebuilt(after)


def test_edit_refuses_illegal_changes() -> None:
    with pytest.raises(ValueError, match="part"):
        edit_manifest(None, {"../a": None}, OBJECTS.fetch, OBJECTS.sink)
    with pytest.raises(ValueError, match="names 'b'"):
        edit_manifest(None, {"a": new("b")}, OBJECTS.fetch, OBJECTS.sink)


def test_edits_in_order_are_checked_as_they_come() -> None:
    def edit(*changes: tuple[str, Entry | None]) -> ComponentRoot:
        return edit_in_order(ROOT.root, changes, OBJECTS.fetch, OBJECTS.sink)

    with pytest.raises(ValueError, match="part"):
        edit(("a", None), ("b/../a", None))
    with pytest.raises(ValueError, match="names 'c'"):
        edit(("a", new("a")), ("b", new("c")))
    for second in ("a", "b"):
        with pytest.raises(ValueError, match=f"'{second}' does not follow 'b'"):
            edit(("b", new("b")), (second, new(second)))


# ---------------------------------------------------------------- costs


@pytest.fixture(scope="module")
def large() -> tuple[Objects, ComponentRoot]:
    objects = Objects()
    return objects, build_manifest(objects, numbered_entries(30_000))


LEVELS = 3


def test_one_change_costs_one_node_per_level(large: tuple[Objects, ComponentRoot]) -> None:
    objects, root = large
    entry = numbered_entries(15_001)[-1]
    written = len(objects.writes)
    reads = objects.reads_of(
        lambda: edit_manifest(root.root, {entry.path: changed(entry)}, objects.fetch, objects.sink)
    )
    assert reads == LEVELS and len(objects.writes) - written == LEVELS


@pytest.mark.parametrize("path", ["a", "data/015000.bin2", "zz"])
def test_one_insert_costs_few_nodes(large: tuple[Objects, ComponentRoot], path: str) -> None:
    objects, root = large
    written = len(objects.writes)
    reads = objects.reads_of(
        lambda: edit_manifest(root.root, {path: new(path)}, objects.fetch, objects.sink)
    )
    assert reads <= 2 * LEVELS and len(objects.writes) - written <= 2 * LEVELS


def test_a_change_of_nothing_writes_nothing(large: tuple[Objects, ComponentRoot]) -> None:
    objects, root = large
    entry = numbered_entries(10)[9]
    written = len(objects.writes)
    same: dict[str, Entry | None] = {entry.path: entry, "absent": None}
    assert edit_manifest(root.root, same, objects.fetch, objects.sink) == root
    assert len(objects.writes) == written
    assert objects.reads_of(lambda: edit_manifest(root.root, {}, objects.fetch, objects.sink)) == 1


def test_find_reads_one_node_per_level(large: tuple[Objects, ComponentRoot]) -> None:
    objects, root = large
    entry = numbered_entries(20_000)[-1]
    assert find(root.root, objects.fetch, entry.path) == entry
    for path in (entry.path, "a", "data/019999.bin2"):
        assert objects.reads_of(lambda p=path: find(root.root, objects.fetch, p)) <= LEVELS
    assert find(root.root, objects.fetch, "zzz") is None
    assert find(root.root, objects.fetch, "data") is None
    assert find(root.root, objects.fetch, "") is None


def test_listing_a_directory_reads_only_its_nodes(large: tuple[Objects, ComponentRoot]) -> None:
    objects, root = large
    extra = {f"m/{i}": new(f"m/{i}") for i in range(10)}
    root = edit_manifest(root.root, extra, objects.fetch, objects.sink)
    reads = objects.reads_of(lambda: list(entries(root.root, objects.fetch, "m")))
    assert reads <= 3 * LEVELS


# ---------------------------------------------------------------- reading

names = st.lists(
    st.lists(st.sampled_from(["a", "a-", "a.", "a0", "b", "é"]), min_size=1, max_size=3).map(
        "/".join
    ),
    unique=True,
    max_size=40,
)


@settings(deadline=None)
@given(names, st.sampled_from(["a", "a/a", "a-", "b/a-/a", "é", "c"]))
def test_prefix_is_a_path_or_a_directory(paths: list[str], prefix: str) -> None:
    objects = Objects()
    root = build_manifest(objects, [new(path) for path in sorted(paths)])
    found = [entry.path for entry in entries(root.root, objects.fetch, prefix)]
    assert found == sorted(p for p in paths if p == prefix or p.startswith(prefix + "/"))


@settings(deadline=None)
@given(names, st.sampled_from(["", "a", "a/a", "a-", "b/a-", "é", "c"]))
def test_what_lies_in_a_directory(paths: list[str], directory: str) -> None:
    """Also where a name is a file's and a directory's, which no file system has."""
    objects = Objects()
    with small_nodes():
        root = build_manifest(objects, [new(path) for path in sorted(paths)])
        found = list(names_in(root.root, objects.fetch, directory))
        looked = look_up(root.root, objects.fetch, directory)
    below = directory + "/" if directory else ""
    inside = [path.removeprefix(below) for path in sorted(paths) if path.startswith(below)]
    expected = dict.fromkeys((path.partition("/")[0], "/" in path) for path in inside)
    assert [(name, entry is None) for name, entry in found] == list(expected)
    assert all(entry == new(below + name) for name, entry in found if entry is not None)
    if directory:
        assert looked == (new(directory) if directory in paths else bool(inside))


def test_a_directory_is_listed_without_reading_those_below(
    large: tuple[Objects, ComponentRoot],
) -> None:
    objects, root = large
    extra = {f"m/{n}/{i:04}": new(f"m/{n}/{i:04}") for n in range(3) for i in range(2000)}
    root = edit_manifest(root.root, extra | {"m/x": new("m/x")}, objects.fetch, objects.sink)
    for directory, names in (("", ["data", "m"]), ("m", ["0", "1", "2", "x"])):
        found = list(names_in(root.root, objects.fetch, directory))
        assert [name for name, _ in found] == names
        reads = objects.reads_of(lambda d=directory: list(names_in(root.root, objects.fetch, d)))
        assert reads <= 2 * LEVELS * len(names)
    for path in ("data", "m", "m/1", "m/x", "data/015000.bin", "nothing"):
        assert objects.reads_of(lambda p=path: look_up(root.root, objects.fetch, p)) <= 2 * LEVELS


def test_a_parent_that_lies_about_its_child_is_refused() -> None:
    tree = manifest([("a", 0, 5, some_id(1)), ("b", 0, 6, some_id(2))])
    assert tree.root is not None
    store: dict[bytes, bytes] = dict(tree.nodes)

    def branch(last: str, size: int, count: int, level: int = 1) -> NodeId:
        assert tree.root is not None
        body = number(1, level) + field(2, tree.root.id) + field(3, last)
        raw = field(4, body + packed(4, [size]) + packed(5, [count]))
        store[NodeId.of(raw)] = raw
        return NodeId.of(raw)

    def fetch(id: Digest) -> bytes:
        return store[id]

    assert len(list(entries(branch("b", 11, 2), fetch))) == 2
    for lie in (("c", 11, 2), ("b", 12, 2), ("b", 11, 3), ("b", 11, 2, 2)):
        root = branch(*lie)
        with pytest.raises(CorruptObject):
            list(entries(root, fetch))
        with pytest.raises(CorruptObject):
            edit_manifest(root, {"b": None}, fetch, lambda id, data: None)


def test_nodes_that_do_not_continue_the_order_are_refused() -> None:
    """Each node is sound alone; only reading one after the other shows it."""
    store: dict[bytes, bytes] = {}

    def put(raw: bytes) -> bytes:
        store[NodeId.of(raw)] = raw
        return NodeId.of(raw)

    def leaf(*paths: str) -> bytes:
        tree = manifest([(path, 0, 1, some_id(1)) for path in paths])
        return put(next(iter(tree.nodes.values())))

    def branch(level: int, ids: list[bytes], lasts: list[str], counts: list[int]) -> NodeId:
        body = number(1, level) + field(2, b"".join(ids)) + b"".join(field(3, p) for p in lasts)
        return NodeId(put(field(4, body + packed(4, counts) + packed(5, counts))))

    def fetch(id: Digest) -> bytes:
        return store[id]

    sound = branch(1, [leaf("a", "c"), leaf("d", "e")], ["c", "e"], [2, 2])
    assert [entry.path for entry in entries(sound, fetch)] == ["a", "c", "d", "e"]
    overlap = branch(1, [leaf("a", "c"), leaf("b", "e")], ["c", "e"], [2, 2])
    again = branch(1, [leaf("a", "c"), leaf("c", "e")], ["c", "e"], [2, 2])
    below = branch(2, [sound, branch(1, [leaf("b", "f")], ["f"], [2])], ["e", "f"], [4, 2])
    for root in (overlap, again, below):
        with pytest.raises(CorruptObject) as caught:
            list(entries(root, fetch))
        assert "follow" in str(caught.value.cause)
        with pytest.raises(CorruptObject):
            list(diff_entries(sound, root, fetch))
        with pytest.raises(CorruptObject):
            edit_manifest(root, {"ee": None, "a": None}, fetch, lambda id, data: None)
