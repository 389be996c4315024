"""Saving some of the changes: the version has these and no others, and the rest is as unsaved as before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.errors import Failure
from tests.support.memory import in_memory
from tests.support.workspace import Bench

NAMES = ("a", "a/b", "c.yaml", "c.yaml/d", "w.bin", "metrics.json", "d/e/f.txt")


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    """Files by name; none is above another."""
    names = draw(st.sets(st.sampled_from(NAMES)))
    files = {n for n in names if not any(n.startswith(f"{other}/") for other in names)}
    return {name: draw(st.sampled_from(("{}", '{"x": 1}', "lr: 3\n"))) for name in sorted(files)}


def saved(bench: Bench, rev: str) -> dict[str, bytes]:
    repo = bench.repo
    entries = repo.ls(rev)
    return {entry.path: repo.open_file(entry.path, rev).read() for entry in entries}


def differing(bench: Bench) -> set[str]:
    status = bench.repo.status()
    renamed = {path for one in status.renamed for path in (one.old, one.new)}
    return {c.path for c in (*status.added, *status.modified, *status.deleted)} | renamed


@given(trees(), trees(), st.data())
def test_any_choice_of_any_changes(
    before: dict[str, str], after: dict[str, str], data: st.DataObject
) -> None:
    with in_memory() as place:
        bench = Bench(place / "work")
        bench.write({"keep.md": "kept"})
        bench.make({"keep.md": "kept", **before})
        bench.add()
        bench.commit()
        bench.make({"keep.md": "kept", **after})
        was, changed = saved(bench, "HEAD"), differing(bench)
        if not changed:
            return
        chosen = data.draw(st.sets(st.sampled_from(sorted(changed)), min_size=1))
        paths = [bench.path(path) for path in sorted(chosen)]
        bench.repo.commit_some("some", paths, context=bench.context())
        now, whole = saved(bench, "HEAD"), bench.files()
        left = differing(bench)
        for path in chosen:
            assert now.get(path) == whole.get(path)
        for path in changed - chosen:  # what has to make room goes too
            assert now.get(path) == (was.get(path) if path in left else whole.get(path))
        assert left.isdisjoint(chosen)
        assert left == {path for path in changed if now.get(path) != whole.get(path)}
        if left:
            bench.commit()
        assert saved(bench, "HEAD") == bench.files()
        assert bench.repo.status().clean


def test_what_did_not_change_is_no_choice(bench: Bench) -> None:
    bench.save({"a.py": "a", "b.py": "b"})
    bench.write({"a.py": "changed"})
    with pytest.raises(Failure, match="nothing to commit"):
        bench.repo.commit_some("b", [bench.path("b.py")], context=bench.context())
    assert bench.repo.head.number == 1
    done = bench.repo.commit_some("a", [bench.path("a.py")], context=bench.context())
    assert (done.number, done.files, done.bytes_changed) == (2, 2, 7)
    bench.repo.undo(context=bench.context())
    assert (bench.repo.head.number, differing(bench)) == (1, {"a.py"})


def test_the_first_version_too(bench: Bench) -> None:
    bench.write({"a.py": "a", "data/b.csv": "x,y\n"})
    bench.add()
    done = bench.repo.commit_some("first", [bench.path("data")], context=bench.context())
    assert (done.number, set(saved(bench, "HEAD"))) == (1, {"data/b.csv"})
    assert differing(bench) == {"a.py"}
