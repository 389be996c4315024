"""Merges: whose file counts, what is refused, what the result is a child of; against a model of three dicts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict
from mvcd.objects.version import Trigger
from mvcd.repo.joining.threeway import Choices, MergeConflict
from tests.support.workspace import Bench

BASE = {
    "model.bin": "base",
    "params.yaml": "lr: 1\n",
    "data/a.csv": "a\n",
    "metrics.json": '{"acc": 1}',
}


def parted(bench: Bench, ours: dict[str, str | None], theirs: dict[str, str | None]) -> None:
    """Two branches from one version; `main` is checked out."""
    bench.save(dict(BASE))
    bench.repo.create_branch("side", context=bench.context())
    for branch, changes in (("side", theirs), ("main", ours)):
        bench.repo.switch(branch, context=bench.context())
        bench.write({name: text for name, text in changes.items() if text is not None})
        for name, text in changes.items():
            if text is None:
                bench.remove(name)
        bench.commit(branch, allow_empty=True)


def merge(bench: Bench, *, ours: tuple[str, ...] = (), theirs: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
    return bench.repo.merge("side", Choices(ours, theirs), context=bench.context())


def test_changes_of_both_sides_come_together(bench: Bench) -> None:
    parted(
        bench,
        {"notes.md": "ours", "params.yaml": "lr: 2\n"},
        {"model.bin": "theirs", "data/a.csv": None},
    )
    done = merge(bench)
    assert done.commit is not None
    version = bench.repo.version(done.commit.version)
    assert version.parents == (bench.repo.resolve("main~1"), bench.repo.resolve("side"))
    assert version.trigger is Trigger.MERGE
    assert version.hyperparameters == {"lr": 2}
    files = bench.files()
    assert files["model.bin"] == b"theirs"
    assert files["notes.md"] == b"ours"
    assert "data/a.csv" not in files
    assert bench.repo.status().clean
    assert bench.repo.verify().ok
    assert merge(bench).commit is None


def test_conflicts_are_listed_and_nothing_changes(bench: Bench) -> None:
    parted(
        bench,
        {"model.bin": "ours", "params.yaml": None},
        {"model.bin": "theirs", "params.yaml": "lr: 3\n"},
    )
    before, head = bench.files(), bench.repo.head
    with pytest.raises(MergeConflict) as refused:
        merge(bench)
    assert [(c.path, c.ours, c.theirs) for c in refused.value.clashes] == [
        ("model.bin", "changed", "changed"), ("params.yaml", "deleted", "changed"),
    ]  # fmt: skip
    assert (bench.files(), bench.repo.head) == (before, head)
    merge(bench, theirs=("weights",), ours=("params.yaml",))
    assert bench.files() == {**before, "model.bin": b"theirs"}


def test_unsaved_work_is_not_overwritten(bench: Bench) -> None:
    parted(bench, {"notes.md": "ours"}, {"model.bin": "theirs"})
    bench.write({"model.bin": "unsaved"})
    with pytest.raises(Conflict, match="unsaved") as caught:
        merge(bench)
    assert caught.value.help and "--force" not in caught.value.help, "a merge has no such option"
    assert bench.files()["model.bin"] == b"unsaved"


def test_a_merge_can_be_undone(bench: Bench) -> None:
    parted(bench, {"notes.md": "ours"}, {"model.bin": "theirs"})
    before, head = bench.files(), bench.repo.head
    merge(bench)
    bench.repo.undo(context=bench.context())
    assert (bench.files(), bench.repo.head) == (before, head)


def test_a_branch_without_versions_of_its_own_moves_forward(bench: Bench) -> None:
    bench.save(dict(BASE))
    bench.repo.switch("side", context=bench.context(), create=True)
    made = bench.save({"model.bin": "new"})
    bench.repo.switch("main", context=bench.context())
    done = merge(bench)
    assert done.commit is None
    assert bench.repo.head.version == made.version
    assert bench.files()["model.bin"] == b"new"


STATES = st.dictionaries(
    st.sampled_from(["a.bin", "b.yaml", "data/c.csv", "d.md", "e.json"]),
    st.sampled_from(["1", "2", "3"]),
)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(base=STATES, ours=STATES, theirs=STATES)
def test_against_three_dicts(
    tmp_path_factory: pytest.TempPathFactory,
    base: dict[str, str],
    ours: dict[str, str],
    theirs: dict[str, str],
) -> None:
    with Bench(tmp_path_factory.mktemp("merge") / "w") as bench:
        keep = {"keep": "1"}
        for branch, state in (("main", base), ("side", theirs), ("main", ours)):
            if branch != bench.repo.head.branch:
                create = not any(b.name == branch for b in bench.repo.branches())
                bench.repo.switch(branch, context=bench.context(), create=create)
            bench.make({**state, **keep})
            bench.add()
            bench.commit(branch, allow_empty=True)
        expected, clashing = dict(keep), set[str]()
        for name in {*base, *ours, *theirs}:
            a, b, c = base.get(name), ours.get(name), theirs.get(name)
            chosen = b if c in (a, b) else c
            if a not in (b, c) and b != c:
                clashing.add(name)
            elif chosen is not None:
                expected[name] = chosen
        try:
            merge(bench)
        except MergeConflict as conflict:
            assert {c.path for c in conflict.clashes} == clashing
        else:
            assert not clashing
            assert bench.tree() == expected
            assert bench.repo.status().clean
