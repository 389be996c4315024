"""Verbs that rewrite files: what they put where, what they refuse, and that undo brings everything back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pytest

from mvcd.disk.sync import sync_files
from mvcd.errors import Conflict, CorruptObject, Failure
from mvcd.ids import Digest
from mvcd.objects.version import Component, Trigger
from mvcd.repo.joining.threeway import Choices
from tests.support.workspace import Bench, File, Link, Tree

SHAPES: dict[str, Tree] = {
    "file": {"x": "a file", "same": "s"},
    "directory": {"x/one": "1", "x/deep/two": "2", "same": "s"},
    "deeper": {"x/one/inner": "once a file", "same": "s"},
    "executable": {"x": File("a file", executable=True), "same": "s"},
    "link to a file": {"x": Link("same"), "same": "s"},
    "link to a directory": {"x": Link("there"), "there/one": "not x/one", "same": "s"},
    "nothing": {"same": "s"},
}


def numbers(bench: Bench) -> list[int]:
    return [h.version.generation for h in bench.repo.history()]


def save(bench: Bench, tree: Tree) -> str:
    """Makes the workspace exactly this tree and commits it; the version's full id."""
    bench.make(tree)
    bench.add()
    return bench.commit(allow_empty=True).version.hex()


# -------------------------------------------------------------------- what a path is may change


@pytest.mark.parametrize(("before", "after"), list(permutations(SHAPES, 2)))
def test_any_shape_becomes_any_other_and_comes_back(bench: Bench, before: str, after: str) -> None:
    old = save(bench, SHAPES[before])
    save(bench, SHAPES[after])
    bench.checkout(old)
    assert bench.tree() == SHAPES[before]
    assert bench.repo.status().clean
    bench.checkout("main")
    assert bench.tree() == SHAPES[after]
    assert bench.repo.status().clean
    bench.repo.undo(context=bench.context())
    assert bench.tree() == SHAPES[before]
    assert bench.repo.head.branch is None


@pytest.mark.parametrize(("before", "after"), list(permutations(SHAPES, 2)))
def test_unsaved_shapes_are_refused_then_kept_for_undo(
    bench: Bench, before: str, after: str
) -> None:
    """The person turned `x` from one shape into another and did not commit."""
    old = save(bench, {**SHAPES[before], "x2": "old"})
    save(bench, {**SHAPES[before], "x2": "new"})
    unsaved = {**SHAPES[after], "x2": "unsaved"}
    bench.make(unsaved)
    with pytest.raises(Conflict) as caught:
        bench.checkout(old)
    assert caught.value.kind == "would-overwrite"
    assert bench.tree() == unsaved
    bench.checkout(old, force=True)
    assert bench.tree() == {**SHAPES[before], "x2": "old"}
    bench.repo.undo(context=bench.context())
    assert bench.tree() == unsaved
    assert bench.repo.head.number == 2


# -------------------------------------------------------------------- what is in the way


def test_an_untracked_file_in_the_way_is_never_overwritten(bench: Bench) -> None:
    bench.write({"kept/a": "1", "dir/b": "b of v1"})
    bench.add("kept", "dir")
    bench.commit()
    bench.repo.untrack([bench.path("dir")], context=bench.context())
    bench.commit()
    bench.write({"dir/b": "precious"})
    before = bench.tree()
    for verb in (
        lambda: bench.checkout("v1"),
        lambda: bench.checkout("v1", force=True),
        lambda: bench.repo.rollback("v1", context=bench.context(), force=True),
        lambda: bench.repo.restore("v1", context=bench.context()),
    ):
        with pytest.raises(Conflict) as caught:
            verb()
        assert caught.value.kind == "would-overwrite"
        assert "dir/b" in str(caught.value)
        assert bench.tree() == before
        assert bench.repo.head.number == 2


def test_an_untracked_file_that_equals_what_would_be_written_is_no_obstacle(bench: Bench) -> None:
    """As after `untrack`, or after a checkout that was interrupted."""
    bench.write({"kept": "1", "dir/b": "b of v1"})
    bench.add("kept", "dir")
    bench.commit()
    bench.repo.untrack([bench.path("dir")], context=bench.context())
    bench.commit()
    assert bench.tree() == {"kept": "1", "dir/b": "b of v1"}
    bench.checkout("v1")
    assert bench.repo.status().clean
    assert bench.repo.status().head.number == 1


def test_ignored_files_keep_their_directory_and_stop_a_file_of_its_name(bench: Bench) -> None:
    save(bench, {"x": "file", "y": "1"})
    save(bench, {"x/inner": "1", "y": "2"})
    bench.write({"x/cache.tmp": "ignored, stored nowhere"})
    before = bench.tree()
    with pytest.raises(Conflict) as caught:
        bench.checkout("v1", force=True)
    assert caught.value.kind == "would-overwrite"
    assert bench.tree() == before, "nothing may change before all is known to be possible"
    assert bench.repo.head.number == 2
    bench.remove("x/cache.tmp")
    bench.checkout("v1")
    assert bench.tree() == {"x": "file", "y": "1"}


def test_a_link_where_a_directory_must_be_is_unsaved_work(bench: Bench, tmp_path: Path) -> None:
    """Nothing is ever written or removed through a link that leads out of the workspace."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"outside")
    save(bench, {"a": "1", "d/f": "1"})
    save(bench, {"a": "2", "d/f": "2"})
    shutil.rmtree(bench.path("d"))
    os.symlink(outside, bench.path("d"))
    with pytest.raises(Conflict):
        bench.checkout("v1")
    assert os.readlink(bench.path("d")) == str(outside)
    assert Path(bench.path("a")).read_bytes() == b"2"
    bench.checkout("v1", force=True)
    assert bench.tree() == {"a": "1", "d/f": "1"}
    bench.repo.undo(context=bench.context())
    assert os.readlink(bench.path("d")) == str(outside)
    assert (outside / "f").read_bytes() == b"outside"


def test_nothing_is_removed_through_a_link(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"outside")
    save(bench, {"a": "1"})
    save(bench, {"a": "2", "d/f": "2"})
    shutil.rmtree(bench.path("d"))
    os.symlink(outside, bench.path("d"))
    bench.checkout("v1", force=True)
    assert (outside / "f").read_bytes() == b"outside"
    assert bench.repo.head.number == 1


def test_a_file_written_while_the_checkout_is_prepared_is_not_overwritten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(bench, {"a": "1", "b": "1"})
    save(bench, {"a": "2", "b": "2"})

    def then_disturb(paths: list[str]) -> None:
        sync_files(paths)
        bench.write({"b": "just written"})

    monkeypatch.setattr("mvcd.repo.restore.checkout.sync_files", then_disturb)
    with pytest.raises(Conflict) as caught:
        bench.checkout("v1")
    assert caught.value.kind == "would-overwrite"
    assert bench.tree() == {"a": "2", "b": "just written"}
    assert bench.repo.head.number == 2


# -------------------------------------------------------------------- unsaved work and undo


def test_unsaved_work_that_is_not_in_the_way_stays_through_checkout_and_undo(bench: Bench) -> None:
    save(bench, {"a": "1", "b": "1"})
    save(bench, {"a": "2", "b": "1"})
    bench.write({"b": "unsaved", "new": "unsaved too"})
    result = bench.checkout("v1")
    assert (result.kept, result.saved) == (("b", "new"), None)
    assert bench.tree() == {"a": "1", "b": "unsaved", "new": "unsaved too"}
    bench.repo.undo(context=bench.context())
    assert bench.tree() == {"a": "2", "b": "unsaved", "new": "unsaved too"}


def test_a_restored_path_is_undone_alone(bench: Bench) -> None:
    save(bench, {"a": "1", "b": "1"})
    save(bench, {"a": "2", "b": "2"})
    bench.write({"b": "unsaved"})
    bench.repo.restore("v1", [bench.path("a")], context=bench.context())
    assert bench.tree() == {"a": "1", "b": "unsaved"}
    bench.repo.undo(context=bench.context())
    assert bench.tree() == {"a": "2", "b": "unsaved"}


def test_undo_of_a_restore_that_found_all_as_it_was_leaves_other_work_alone(bench: Bench) -> None:
    old = save(bench, {"a": "1", "b": "1"})
    bench.write({"b": "unsaved"})
    assert bench.repo.restore(old, [bench.path("a")], context=bench.context()).written == 0
    bench.repo.undo(context=bench.context())
    assert bench.tree() == {"a": "1", "b": "unsaved"}


@pytest.mark.parametrize("verb", ["merge", "forward", "cherry_pick", "revert"])
def test_undo_of_what_moved_head_leaves_other_work_alone(bench: Bench, verb: str) -> None:
    save(bench, {"a": "1", "b": "1", "c": "1"})
    bench.repo.switch("side", create=True, context=bench.context())
    save(bench, {"a": "1", "b": "2", "c": "1"})
    bench.repo.switch("main", context=bench.context())
    if verb != "forward":
        save(bench, {"a": "2", "b": "1", "c": "1"})
    before = bench.tree()
    bench.write({"c": "unsaved"})
    does = getattr(bench.repo, "merge" if verb == "forward" else verb)
    does("main" if verb == "revert" else "side", Choices(), context=bench.context())
    assert bench.tree() != {**before, "c": "unsaved"}
    bench.repo.undo(context=bench.context())
    assert bench.tree() == {**before, "c": "unsaved"}


def test_undo_keeps_work_done_since(bench: Bench) -> None:
    """What was written after the checkout is put aside first: undoing the undo brings it back."""
    save(bench, {"a": "1"})
    save(bench, {"a": "2"})
    bench.checkout("v1")
    bench.write({"a": "written since"})
    undone = bench.repo.undo(context=bench.context())
    assert bench.tree() == {"a": "2"}
    bench.repo.undo(undone.number, context=bench.context())
    assert bench.tree() == {"a": "written since"}
    assert bench.repo.head.number == 1


def test_undo_walks_back_over_everything_to_the_beginning(bench: Bench) -> None:
    """Commits, tags, branches, rollbacks and moves: state after state, in reverse."""
    states = []

    def note() -> None:
        repo = bench.repo
        states.append((bench.tree(), repo.head, repo.branches(), repo.tags(), repo.tracked()))

    context = bench.context
    steps = [
        lambda: save(bench, {"a": "1", "d/b": "1"}),
        lambda: bench.repo.create_tag("first", context=context()),
        lambda: bench.commit("again", allow_empty=True),
        lambda: bench.repo.switch("try", create=True, start="v1", context=context()),
        lambda: bench.repo.create_branch("other", context=context()),
        lambda: bench.repo.rename_branch("other", "renamed", context=context()),
        lambda: bench.repo.switch("main", context=context()),
        lambda: bench.commit("third", allow_empty=True),
        lambda: (
            bench.repo.rollback("first", context=context())
            if bench.write({"a": "3"}) or bench.commit("fourth")
            else None
        ),
        lambda: bench.checkout("v3"),
        lambda: (
            bench.repo.restore("v1", [bench.path("d")], context=context())
            if bench.write({"d/b": "2"})
            else bench.repo.untrack([bench.root.as_posix()], context=context())
        ),
        lambda: bench.repo.delete_branch("try", force=True, context=context()),
        lambda: bench.repo.delete_tag("first", context=context()),
    ]
    for step in steps:
        step()
    # A commit never takes files away when it is undone, so compare what refs say, newest first.
    operations = list(bench.repo.operations())
    refs = {}
    for operation in reversed(operations):
        for move in operation.moves:
            refs[move.name] = move.new
        refs_after = {k: v for k, v in refs.items() if v is not None}
        states.append(refs_after)
    for expected in reversed(states[:-1]):
        bench.repo.undo(context=context())
        now = bench.repo._core.store.refs()
        assert {k: v for k, v in now.items() if not k.startswith("saved/")} == expected
    with pytest.raises(Failure) as caught:
        bench.repo.undo(context=context())
    assert caught.value.kind == "nothing-to-undo"


def test_an_operation_is_undone_once(bench: Bench) -> None:
    save(bench, {"a": "1"})
    bench.repo.create_tag("t", context=bench.context())
    undone = bench.repo.undo(context=bench.context())
    assert undone.undoes == next(o.number for o in bench.repo.operations() if o.verb == "tag")
    with pytest.raises(Failure) as caught:
        bench.repo.undo(undone.undoes, context=bench.context())
    assert caught.value.kind == "undone"


def test_an_operation_whose_refs_moved_on_is_not_undone(bench: Bench) -> None:
    save(bench, {"a": "1"})
    save(bench, {"a": "2"})
    first = [o.number for o in bench.repo.operations() if o.verb == "commit"][-1]
    with pytest.raises(Conflict) as caught:
        bench.repo.undo(first, context=bench.context())
    assert caught.value.kind == "ref-changed"


# -------------------------------------------------------------------- restore and rollback


def test_restore_brings_paths_or_components_and_leaves_head(bench: Bench) -> None:
    old = {"model.pt": "w1", "params.yaml": "lr: 1\n", "data/a.csv": "1", "data/b.csv": "1"}
    new = {"model.pt": "w2", "params.yaml": "lr: 2\n", "data/a.csv": "2"}
    save(bench, old)
    save(bench, new)
    bench.repo.restore("v1", [bench.path("data")], context=bench.context())
    assert bench.tree() == {**new, "data/a.csv": "1", "data/b.csv": "1"}
    bench.repo.restore("v1", components=[Component.WEIGHTS], context=bench.context())
    assert bench.tree() == {**old, "params.yaml": "lr: 2\n"}
    assert bench.repo.head.number == 2
    assert {c.path for c in bench.repo.status().modified} == {"model.pt", "data/a.csv"}
    bench.repo.restore("HEAD", context=bench.context())
    assert bench.tree() == new
    assert bench.repo.status().clean


def test_restore_of_what_no_version_has_is_a_failure(bench: Bench) -> None:
    save(bench, {"a": "1"})
    with pytest.raises(Failure) as caught:
        bench.repo.restore("v1", [bench.path("nope")], context=bench.context())
    assert caught.value.kind == "no-such-path"


def test_rollback_is_a_new_version_with_the_old_content(bench: Bench) -> None:
    save(bench, {"a": "1", "gone": "1"})
    save(bench, {"a": "2", "more": "2"})
    bench.write({"unrelated": "unsaved"})
    result = bench.repo.rollback("v1", context=bench.context())
    assert bench.tree() == {"a": "1", "gone": "1", "unrelated": "unsaved"}
    version = bench.repo.version(result.version)
    assert (result.number, version.trigger) == (3, Trigger.ROLLBACK)
    assert version.parents == (bench.repo.resolve("v2"),)
    assert version.components == bench.repo.version(bench.repo.resolve("v1")).components
    assert numbers(bench) == [3, 2, 1]
    with pytest.raises(Failure) as caught:
        bench.repo.rollback("v1", context=bench.context())
    assert caught.value.kind == "nothing-to-commit"
    bench.repo.undo(context=bench.context())
    assert bench.tree() == {"a": "2", "more": "2", "unrelated": "unsaved"}
    assert numbers(bench) == [2, 1]


def test_checkout_writes_only_what_differs(bench: Bench) -> None:
    save(bench, {"same": "s" * 1000, "a": "1"})
    save(bench, {"same": "s" * 1000, "a": "2"})
    before = os.lstat(bench.path("same"))
    result = bench.checkout("v1")
    assert (result.written, result.removed, result.bytes_written) == (1, 0, 1)
    assert os.lstat(bench.path("same")) == before


def test_a_damaged_file_stops_the_checkout_before_anything_changes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(bench, {"a": "1" * 200, "b": "1" * 300_000})
    save(bench, {"a": "2" * 200, "b": "2" * 300_000})
    real = bench.repo._core.fetch_many

    def fetch_many(ids: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        for id, data in real(ids):
            if data.startswith(b"111") and len(data) > 1000:
                raise CorruptObject("a chunk is damaged")
            yield id, data

    monkeypatch.setattr(bench.repo._core, "fetch_many", fetch_many)
    with pytest.raises(CorruptObject):
        bench.checkout("v1")
    assert bench.tree() == {"a": "2" * 200, "b": "2" * 300_000}
    assert bench.repo.head.number == 2
    assert not os.path.exists(bench.path(".mvc/staging"))
