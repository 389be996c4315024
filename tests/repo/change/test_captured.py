"""Versions of captures: what was taken, whatever the workspace, the branch and the cache did meanwhile."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mvcd.objects.version import Trigger
from mvcd.repo.change.captured import Broken
from mvcd.repo.change.captures import Capture, Captures
from mvcd.repo.ondisk.keeping import SMALL_BYTES, Kept
from tests.repo.capturing import save, take
from tests.support.workspace import Bench

LARGE = SMALL_BYTES + 1


def large(letter: str) -> bytes:
    return letter.encode() * LARGE


def saved(bench: Bench, rev: str = "HEAD") -> dict[str, bytes]:
    return {f.path: bench.repo.read(f.path, rev) for f in bench.repo.ls(rev)}


def kept(capture: Capture) -> set[Kept]:
    return {file.kept for file in capture.files}


def test_a_capture_is_head_edited_by_what_was_taken(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1", "gone": "1"})
    bench.write({"a": "2", "b": "2", "new": "2"})
    bench.remove("gone")
    save(bench, take(bench, "a"))
    assert saved(bench) == {"a": b"2", "b": b"1", "gone": b"1"}
    head = bench.repo.show()
    assert (head.version.message, head.version.trigger) == ("a", Trigger.AUTO)
    assert head.version.time_us == 7_000_000, "the time is that of the capture"
    status = bench.repo.status()
    assert [c.path for c in status.added] == ["new"]
    assert [c.path for c in status.modified] == ["b"]
    assert [c.path for c in status.deleted] == ["gone"]
    save(bench, take(bench, "new", gone=["gone"]))
    assert saved(bench) == {"a": b"2", "b": b"1", "new": b"2"}
    save(bench, take(bench, "b"))
    assert saved(bench) == bench.files()
    assert bench.repo.status().clean


def test_the_first_version_may_leave_files_out(bench: Bench) -> None:
    bench.write({"a": "1", "b": "1"})
    bench.add()
    save(bench, take(bench, "a"))
    assert saved(bench) == {"a": b"1"}
    assert [c.path for c in bench.repo.status().added] == ["b"]


def test_what_was_taken_is_saved_although_it_is_gone(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.write({"deep/er/a": large("a"), "b": "b"})
    capture = take(bench, "deep/er/a", "b")
    assert kept(capture) == {Kept.LINK, Kept.COPY} or kept(capture) == {Kept.REFLINK}
    shutil.rmtree(bench.root / "deep")
    bench.write({"b": "later"})
    save(bench, capture)
    assert saved(bench) == {"x": b"1", "deep/er/a": large("a"), "b": b"b"}
    assert [c.path for c in bench.repo.status().deleted] == ["deep/er/a"]
    assert [c.path for c in bench.repo.status().modified] == ["b"]
    assert Captures(str(bench.root)).queued() == []


def test_a_second_capture_may_be_taken_before_the_first_is_read(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.write({"c1": large("1")})
    first = take(bench, "c1")
    bench.remove("c1")
    bench.write({"c2": large("2")})
    second = take(bench, "c2", gone=["c1"])
    bench.remove("c2")
    save(bench, first)
    save(bench, second)
    assert saved(bench, "v2") == {"x": b"1", "c1": large("1")}
    assert saved(bench, "v3") == {"x": b"1", "c2": large("2")}


def test_a_file_rewritten_in_place_before_it_is_read_breaks_its_set_only(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.write({"a": large("a"), "b": large("b")})
    capture = take(bench, "a", "b")
    if kept(capture) != {Kept.LINK}:
        pytest.skip("reflinks are out of reach of rewriting")
    with Path(bench.path("a")).open("r+b") as file:
        file.write(b"torn")
    with pytest.raises(Broken) as broken:
        save(bench, capture)
    assert broken.value.sets == {"a": "a was rewritten before it was read"}
    assert saved(bench) == {"x": b"1"}, "and no version was made of mixed bytes"
    rest = capture.without(broken.value.sets)
    Captures(str(bench.root)).rewrite(rest)
    save(bench, rest)
    assert saved(bench) == {"x": b"1", "b": large("b")}


@pytest.mark.parametrize("left", [None, b"", b"\0\0", b"Xb"])
def test_a_copy_that_a_power_cut_tore_breaks_its_set_only(bench: Bench, left: bytes | None) -> None:
    """Nothing of a capture is flushed: names and lengths may be there, and the bytes not."""
    bench.save({"a": "1", "b": "1"})
    bench.write({"a": "2b", "b": "2"})
    capture = take(bench, "a", "b")
    captures = Captures(str(bench.root))
    (held,) = [file for file in capture.files if file.path == "a"]
    copy = Path(captures.place(capture), held.at)
    copy.unlink()
    if left is not None:
        copy.write_bytes(left)
    (again,) = captures.queued()
    with pytest.raises(Broken) as broken:
        save(bench, again)
    assert broken.value.sets == {"a": "the copy of a was lost"}
    rest = again.without(["a"])
    captures.rewrite(rest)
    save(bench, rest)
    assert saved(bench) == {"a": b"1", "b": b"2"}


def test_captures_that_an_earlier_version_queued_have_no_digests(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.write({"a": "2"})
    captures = Captures(str(bench.root))
    document = Path(captures.place(take(bench, "a")), "capture.json")
    found = json.loads(document.read_text())
    for each in found["sets"]:
        assert len(each.pop("digests")) == len(each["files"])
    document.write_text(json.dumps(found))
    (capture,) = captures.queued()
    save(bench, capture)
    assert saved(bench) == {"a": b"2"}


def test_a_small_file_and_one_known_to_be_rewritten_are_copied(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.write({"a": large("a"), "b": "b"})
    capture = take(bench, "a", "b", rewritten=["a"])
    assert kept(capture) <= {Kept.COPY, Kept.REFLINK}
    for name in ("a", "b"):
        with Path(bench.path(name)).open("r+b") as file:
            file.write(b"torn")
    save(bench, capture)
    assert saved(bench) == {"x": b"1", "a": large("a"), "b": b"b"}


def test_a_capture_that_cannot_be_read_now_is_not_removed(bench: Bench) -> None:
    """An error of the moment, here names that go round, is not what a power cut leaves."""
    bench.save({"a": "1"})
    bench.write({"a": "2"})
    captures = Captures(str(bench.root))
    capture = take(bench, "a")
    document = Path(captures.place(capture), "capture.json")
    aside = document.rename(document.with_name("aside"))
    document.symlink_to(document)
    with pytest.raises(OSError, match=r"capture\.json"):
        captures.queued()
    aside.replace(document)
    assert captures.queued() == [capture]


@pytest.mark.parametrize("change", ["rewritten", "removed", "replaced"])
def test_what_could_not_be_taken_must_hold_still_where_it_lies(bench: Bench, change: str) -> None:
    bench.save({"x": "1"})
    bench.write({"a": "first"})
    capture = take(bench, "a", in_place=["a"])
    if change == "rewritten":
        bench.write({"a": "other"})
    else:
        bench.remove("a")
        if change == "replaced":
            bench.write({"a": "first"})
    with pytest.raises(Broken):
        save(bench, capture)
    assert saved(bench) == {"x": b"1"}


def test_what_was_taken_is_clean_afterwards_and_is_not_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links are changes of the inodes, when they are made and when they are removed."""
    bench.save({"x": "1"})
    bench.write({"a": large("a"), "b": "b"})
    save(bench, take(bench, "a", "b"))
    bench.repo.status()  # small copies may have been too young for their stamps to prove anything
    scan = bench.repo.look().scan
    assert "a" not in {c.path for c in scan.candidates}
    assert bench.repo.status().clean


def test_executables_and_symbolic_links_are_what_they_are(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.write({"run.sh": "#!/bin/sh\n", "big.sh": large("#")})
    for name in ("run.sh", "big.sh"):
        os.chmod(bench.path(name), 0o755)
    os.symlink("x", bench.path("link"))
    save(bench, take(bench, "run.sh", "big.sh", "link"))
    for name in ("run.sh", "big.sh", "link"):
        bench.remove(name)
    bench.checkout("main", force=True)
    assert os.access(bench.path("run.sh"), os.X_OK) and os.access(bench.path("big.sh"), os.X_OK)
    assert os.readlink(bench.path("link")) == "x"


# -------------------------------------------------------------------- where HEAD went meanwhile


def test_a_capture_goes_to_the_branch_on_which_it_was_taken(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.repo.create_branch("other", context=bench.context())
    bench.write({"a": "on main"})
    capture = take(bench, "a")
    bench.remove("a")
    bench.repo.switch("other", context=bench.context())
    done = save(bench, capture)
    assert done.result is not None
    assert done.result.branch == "main"
    assert saved(bench, "main") == {"x": b"1", "a": b"on main"}
    assert saved(bench) == {"x": b"1"}
    assert bench.repo.head.branch == "other"
    assert bench.repo.status().clean


def test_a_version_made_by_hand_meanwhile_is_its_parent(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.write({"a": "a"})
    capture = take(bench, "a")
    bench.write({"b": "b"})
    by_hand = bench.commit("by hand")
    done = save(bench, capture)
    assert (done.version, done.result) == (by_hand.version, None), "it has all of it already"
    assert bench.repo.status().clean
    bench.write({"a": "a2"})
    capture = take(bench, "a")
    bench.write({"a": "a3"})
    by_hand = bench.commit("by hand")
    save(bench, capture)
    assert bench.repo.show().version.parents == (by_hand.version,)


def test_what_a_version_by_hand_has_already_is_not_missing_afterwards(bench: Bench) -> None:
    """The cache calls the file clean, so no scan shows it: that does not mean that it is gone."""
    bench.save({"x": "1"})
    bench.write({"a": "a", "b": "b"})
    captures = [take(bench, "a"), take(bench, "a", "b")]
    bench.commit("by hand")
    while bench.repo.look().scan.candidates:
        bench.repo.status()  # until the stamps are old enough to prove something
    for capture in captures:
        assert save(bench, capture).result is None
        assert bench.repo.status().clean
    bench.write({"a": "a2"})
    older = take(bench, "a")
    bench.write({"a": "a3"})
    bench.commit("by hand")
    while bench.repo.look().scan.candidates:
        bench.repo.status()
    save(bench, older)
    assert [c.path for c in bench.repo.status().modified] == ["a"]
    assert not bench.repo.status().deleted


def test_captures_of_an_old_version_start_one_branch(bench: Bench) -> None:
    from mvcd.repo.change.captured import follow_head

    bench.save({"x": "1"})
    bench.save({"x": "2"})
    bench.checkout("v1")
    bench.write({"a": "a"})
    first = take(bench, "a")
    bench.write({"b": "b"})
    second = take(bench, "b")
    done = save(bench, first)
    assert done.result is not None
    assert (done.result.branch, done.result.started_branch) == ("from-v1", True)
    captures = Captures(str(bench.root))
    follow_head(captures, first.head, done.result.branch)
    (second,) = captures.queued()
    save(bench, second)
    assert bench.repo.head.branch == "from-v1"
    assert saved(bench) == {"x": b"1", "a": b"a", "b": b"b"}


def test_a_capture_of_a_branch_that_was_deleted_starts_another(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.repo.create_branch("doomed", context=bench.context())
    bench.repo.switch("doomed", context=bench.context())
    bench.write({"a": "a"})
    capture = take(bench, "a")
    bench.remove("a")
    bench.repo.switch("main", context=bench.context())
    bench.repo.delete_branch("doomed", context=bench.context(), force=True)
    done = save(bench, capture)
    assert done.result is not None
    assert done.result.branch == "from-v1"
    assert saved(bench, "from-v1") == {"x": b"1", "a": b"a"}
    assert bench.repo.head.branch == "main"


def test_a_lost_cache_costs_nothing(bench: Bench) -> None:
    bench.save({"x": "1", "y": "1"})
    bench.write({"a": "a"})
    bench.remove("y")
    store = bench.repo._core.store
    store.cache_put({b"known/" + bench.repo._core.workspace.encode(): None})
    scan = bench.repo.look().scan
    assert scan.fresh
    assert bench.repo.gone(scan) == ["y"]
    save(bench, take(bench, "a"))
    assert saved(bench) == {"x": b"1", "y": b"1", "a": b"a"}
    assert [c.path for c in bench.repo.status().deleted] == ["y"]


def test_what_came_back_and_was_saved_by_hand_is_shown_where_a_capture_takes_it_away(
    bench: Bench,
) -> None:
    """However long ago it came: its row in the cache says that it is as the version by hand has it."""
    bench.save({"x": "1"})
    bench.write({"b": "b"})
    capture = take(bench, "b", gone=["a"])
    bench.write({"a": "a"})
    bench.commit()
    while bench.repo.look().scan.candidates:
        bench.repo.status()  # until the stamps are old enough to prove something
    save(bench, capture)
    assert saved(bench) == {"x": b"1", "b": b"b"}
    assert [c.path for c in bench.repo.status().added] == ["a"]


# -------------------------------------------------------------------- the directory


def test_queued_captures_survive_and_broken_ones_are_removed(bench: Bench) -> None:
    bench.save({"x": "1"})
    bench.write({"a": "a", "été \udcff".encode("utf-8", "surrogateescape").decode("latin-1"): "b"})
    capture = take(bench, "a")
    captures = Captures(str(bench.root))
    assert captures.queued() == [capture]
    (document,) = Path(captures.directory).glob("*/capture.json")
    document.write_text('{"format": 1')
    assert captures.queued() == []
    assert not list(Path(captures.directory).glob("0*"))


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abc"), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.sampled_from("abc")),
        st.tuples(st.just("take"), st.sets(st.sampled_from("abc"))),
        st.tuples(st.just("read")),
        st.tuples(st.just("commit")),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=40)
@given(OPERATIONS)
@example([
    ("write", "a", 1), ("take", {"a"}), ("remove", "a"), ("read",),
    ("write", "c", 1), ("take", {"c"}), ("remove", "c"), ("commit",),
])  # fmt: skip
def test_any_order_of_taking_and_reading_saves_what_was_taken(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[object, ...]]
) -> None:
    """Against a plain dict: a version is its parent with the states of the moment in which it was taken."""
    with Bench(tmp_path_factory.mktemp("w") / "w") as bench:
        bench.save({"x": "0"})
        model = {"x": b"0"}
        disk = dict(model)
        queue: list[tuple[Capture, dict[str, bytes | None]]] = []

        def read() -> None:
            capture, state = queue.pop(0)
            for path, data in state.items():
                if data is None:
                    model.pop(path, None)
                else:
                    model[path] = data
            save(bench, capture)
            assert saved(bench) == model

        for operation in operations:
            match operation:
                case ("write", str(name), int(value)):
                    disk[name] = bytes([value])
                    bench.write({name: disk[name]})
                case ("remove", str(name)) if name in disk:
                    del disk[name]
                    bench.remove(name)
                case ("take", set(names)):
                    there = sorted(n for n in names if n in disk)
                    gone = sorted(n for n in names if n not in disk)
                    if there:
                        state = {n: disk.get(n) for n in (*there, *gone)}
                        queue.append((take(bench, *there, gone=gone), state))
                case ("read",) if queue:
                    read()
                case ("commit",) if disk != model:
                    bench.commit()
                    model = dict(disk)
        while queue:
            read()
        status = bench.repo.status()
        changed = {c.path for c in (*status.added, *status.modified, *status.deleted)}
        assert changed == {p for p in {*model, *disk} if model.get(p) != disk.get(p)}
