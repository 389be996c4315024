"""Several workspaces on one store: what each has of its own, and what none may do to another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from mvcd.repo.core.remotes import remotes
from mvcd.repo.records.refs import HEADS, head_name
from mvcd.store.api import RefUpdate
from tests.support.engine import Repository
from tests.support.workspace import Bench


class Places:
    """The first workspace, and others by name beside it."""

    def __init__(self, bench: Bench) -> None:
        self.first = bench
        self._open = ExitStack()

    def add(self, name: str, rev: str | None = None, branch: str | None = None) -> Bench:
        root, _ = self.first.repo.add_workspace(
            str(self.first.root.parent / name), rev, branch=branch, context=self.first.context()
        )
        return self.at(Path(root))

    def at(self, root: Path) -> Bench:
        made = Bench.__new__(Bench)
        made.root, made._ticks = root, 1000 * (1 + len(os.listdir(self.first.root.parent)))
        made.repo = self._open.enter_context(Repository.open(str(root)))
        return made

    def remove(self, other: Bench, **options: bool) -> str:
        return self.first.repo.remove_workspace(
            str(other.root), context=self.first.context(), **options
        )

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def places(bench: Bench) -> Iterator[Places]:
    """Two versions: a and d/b are "1", then "2"."""
    bench.save({"a": "1", "d/b": "1"})
    bench.save({"a": "2", "d/b": "2"})
    made = Places(bench)
    yield made
    made.close()


def test_each_has_files_and_a_head_of_its_own(places: Places) -> None:
    first, other = places.first, places.add("other", "v1")
    assert other.files() == {"a": b"1", "d/b": b"1"}
    assert (other.repo.head.branch, other.repo.head.number) == (None, 1)
    assert other.repo.status().clean
    assert other.repo.tracked() == (".",)
    other.write({"a": "changed"})
    assert [c.path for c in other.repo.status().modified] == ["a"]
    assert first.repo.status().clean
    made = other.commit("in the other")
    assert made.branch != "main"
    assert first.repo.head.number == 2
    assert first.repo.show(made.branch).id == made.version
    assert first.files() == {"a": b"2", "d/b": b"2"}


def test_content_is_stored_once(places: Places) -> None:
    before = places.first.repo.store.stats().pack_bytes
    other = places.add("other")
    assert other.repo.head.branch == "other"
    assert other.repo.store_path == places.first.repo.store_path
    assert places.first.repo.store.stats().pack_bytes == before


def test_rev_and_branch_as_git_has_them(places: Places) -> None:
    first = places.first
    first.repo.create_branch("side", "v1", context=first.context())
    assert places.add("on-side", "side").repo.head.branch == "side"
    assert places.add("new", "v1", "made").repo.head.branch == "made"
    assert places.add("detached", "v2").repo.head.branch is None
    assert places.add("plain").repo.head.branch == "plain"
    first.repo.create_branch("there", "v1", context=first.context())
    assert places.add("there").repo.head.number == 1
    with pytest.raises(Failure) as caught:
        places.add("again", "v1", "made")
    assert caught.value.kind == "branch-exists"
    assert not (first.root.parent / "again").exists()


def test_a_branch_is_checked_out_in_one_of_them(places: Places) -> None:
    first, other = places.first, places.add("other")
    attempts = [
        lambda: places.add("third", "main"),
        lambda: other.checkout("main"),
        lambda: other.repo.switch("main", context=other.context()),
        lambda: first.repo.switch("other", context=first.context()),
        lambda: first.repo.delete_branch("other", context=first.context(), force=True),
        lambda: other.repo.rename_branch("main", "new", context=other.context()),
    ]
    for attempt in attempts:
        with pytest.raises(Conflict) as caught:
            attempt()
        assert caught.value.kind == "checked-out"
    assert not (first.root.parent / "third").exists()
    first.repo.switch("elsewhere", create=True, context=first.context())
    other.repo.switch("main", context=other.context())
    with pytest.raises(Conflict) as caught:
        first.repo.undo(context=first.context())
    assert caught.value.kind == "checked-out"


def test_undo_takes_back_what_was_done_here(places: Places) -> None:
    first, other = places.first, places.add("other")
    first.save({"a": "3"})
    other.save({"a": "4"})
    theirs = next(iter(other.repo.operations()))
    with pytest.raises(Failure) as caught:
        first.repo.undo(theirs.number, context=first.context())
    assert caught.value.kind == "other-workspace"
    assert caught.value.help == f"mvc -C {other.root} undo {theirs.number}"
    first.repo.undo(context=first.context())
    assert first.repo.head.number == 2
    assert other.repo.head.number == 3
    other.repo.undo(theirs.number, context=other.context())
    assert other.repo.head.number == 2


def test_collection_keeps_what_each_stands_on(places: Places) -> None:
    first, other = places.first, places.add("other", "v1")
    other.write({"only": "here"})
    other.add()
    made = other.commit()
    other.checkout("v1")
    other.checkout(made.version.hex())
    other.repo.delete_branch(made.branch, force=True, context=other.context())
    for _ in range(2):  # of the operation log the newest stays
        first.repo.create_tag("t", context=first.context())
        first.repo.delete_tag("t", context=first.context())
    first.repo.gc(context=first.context(), keep_operations_us=0)
    assert other.repo.head.version == made.version
    assert other.repo.read("only") == b"here"
    assert other.repo.verify().ok


def test_what_a_checkout_put_aside_belongs_to_its_workspace(places: Places) -> None:
    first, other = places.first, places.add("other", "v1")
    other.write({"a": "unsaved"})
    other.checkout("v2", force=True)
    first.write({"a": "mine"})
    first.checkout("v1", force=True)
    other.repo.undo(context=other.context())
    assert other.files()["a"] == b"unsaved"
    first.repo.undo(context=first.context())
    assert first.files()["a"] == b"mine"


def test_settings_are_taken_over_and_their_own_from_then_on(places: Places) -> None:
    first = places.first
    first.repo.add_remote("origin", "/srv/iris")
    first.repo.config.set("user.name", "Ada")
    other = places.add("other")
    assert other.repo.config.get("user.name") == "Ada"
    assert list(remotes(other.repo.config)) == ["origin"]
    other.repo.config.set("user.name", "Grace")
    assert first.repo.config.get("user.name") == "Ada"
    assert other.repo.config.get("workspace.id") != first.repo.config.get("workspace.id")


def test_list(places: Places) -> None:
    first, other = places.first, places.add("other", "v1")
    assert [(w.root, w.head.number, w.current, w.there) for w in first.repo.workspaces()] == [
        (str(first.root), 2, True, True), (str(other.root), 1, False, True),
    ]  # fmt: skip
    assert [w.root for w in other.repo.workspaces()] == [str(other.root), str(first.root)]


def test_one_that_was_moved_is_found_again(places: Places) -> None:
    other = places.add("other")
    moved = other.root.with_name("moved")
    os.rename(other.root, moved)
    there = places.at(moved)
    there.save({"a": "3"})
    there.repo.undo(context=there.context())  # where it lies is nothing to undo
    assert [w.root for w in places.first.repo.workspaces()] == [str(places.first.root), str(moved)]
    assert there.repo.status().modified


def test_one_that_is_gone_holds_no_branch_and_is_forgotten(places: Places) -> None:
    first, other = places.first, places.add("other")
    shutil.rmtree(other.root)
    assert [w.there for w in first.repo.workspaces()] == [True, False]
    first.repo.switch("other", context=first.context())
    places.remove(other)
    assert len(first.repo.workspaces()) == 1


# -------------------------------------------------------------------- removal


def test_removal_takes_the_files_and_nothing_else(places: Places) -> None:
    first, other = places.first, places.add("other")
    other.save({"a": "3"})
    assert places.remove(other) == str(other.root)
    assert not other.root.exists()
    assert [w.root for w in first.repo.workspaces()] == [str(first.root)]
    assert first.repo.show("other").version.generation == 3
    assert first.repo._core.store.refs("workspaces/").keys() <= {
        head_name(first.repo._core.workspace),
        head_name(first.repo._core.workspace).replace("/head", "/root"),
        head_name(first.repo._core.workspace).replace("/head", "/tracked"),
    }
    first.repo.switch("other", context=first.context())


@pytest.mark.parametrize(
    "change",
    [
        {"a": "unsaved"}, {"new": "x"}, {"d/deep/new": "x"}, {"ignored.log": "x", ".mvcignore": "*.log\n"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_no_version_has_stops_a_removal(
    places: Places, change: dict[str, bytes | str]
) -> None:
    other = places.add("other")
    other.write(change)
    before = other.files()
    with pytest.raises(Conflict) as caught:
        places.remove(other)
    assert "--keep-files" in str(caught.value.help)
    assert other.files() == before
    assert other.reopen().head.branch == "other"
    other.repo.close()
    places.remove(other, keep_files=True)
    assert other.files() == before
    assert not (other.root / ".mvc").exists()


def test_what_cannot_be_removed(places: Places) -> None:
    first, other = places.first, places.add("other")
    for repo, root, kind in (
        (first.repo, first.root, "current-workspace"),
        (other.repo, first.root, "holds-store"),
        (first.repo, first.root.parent, "unknown-workspace"),
    ):
        with pytest.raises(Failure) as caught:
            repo.remove_workspace(str(root), context=first.context())
        assert caught.value.kind == kind
    assert first.repo.head.number == 2


# -------------------------------------------------------------------- where none is made


def test_where_no_workspace_is_made(places: Places, scratch: Path) -> None:
    first = places.first
    (scratch / "full").mkdir()
    (scratch / "full" / "x").write_text("x")
    (scratch / "file").write_text("x")
    for place, kind in (
        (scratch / "full", "not-empty"),
        (scratch / "file", "not-empty"),
        (first.root / "inside", "inside"),
        (first.root / ".mvc" / "inside", "inside"),
    ):
        with pytest.raises(Failure) as caught:
            first.repo.add_workspace(str(place), context=first.context())
        assert caught.value.kind == kind
    with pytest.raises(Failure, match="no version is named"):
        places.add("other", "nowhere")
    assert len(first.repo.workspaces()) == 1
    assert not (scratch / "other").exists()


def test_what_fails_leaves_nothing(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: object, **options: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mvcd.repo.restore.checkout.write_staged", fail)
    with pytest.raises(Failure, match="disk is full"):
        places.add("other")
    assert not (places.first.root.parent / "other").exists()
    assert len(places.first.repo.workspaces()) == 1


def test_operations_of_earlier_versions_are_everybody_s(places: Places) -> None:
    """They do not say where they were done."""
    first = places.first
    store, tip = first.repo._core.store, first.repo.head.version
    from mvcd.repo.records import operations

    move = RefUpdate(HEADS + "old", None, bytes(VersionId(tip)))
    store.update_refs(
        [move], operation=operations.encode(first.context(), "branch", "branch old", [move])
    )
    other = places.add("other", "v1")
    number = next(o.number for o in other.repo.operations() if o.detail == "branch old")
    other.repo.undo(number, context=other.context())
    assert "old" not in [b.name for b in first.repo.branches()]
