"""Cherry-pick and revert, against a model of dicts: what one version changed, done or taken back here."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict, Failure
from mvcd.objects.version import Trigger
from mvcd.repo.joining.threeway import Choices, MergeConflict
from tests.support.workspace import Bench

NO_CHOICE = Choices()


def pick(bench: Bench, rev: str, choices: Choices = NO_CHOICE):  # type: ignore[no-untyped-def]
    return bench.repo.cherry_pick(rev, choices, context=bench.context())


def revert(bench: Bench, rev: str, choices: Choices = NO_CHOICE):  # type: ignore[no-untyped-def]
    return bench.repo.revert(rev, choices, context=bench.context())


def put(bench: Bench, changes: dict[str, str | None], message: str = "a version") -> None:
    bench.write({name: text for name, text in changes.items() if text is not None})
    for name, text in changes.items():
        if text is None:
            bench.remove(name)
    bench.commit(message)


def test_a_pick_does_one_versions_changes_and_no_others(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1", "params.yaml": "lr: 1\n"})
    bench.repo.switch("side", create=True, context=bench.context())
    put(bench, {"a": "2"}, "not this")
    put(bench, {"b": "2", "params.yaml": "lr: 2\n", "c": "new"}, "this\n\nwith a reason")
    bench.repo.switch("main", context=bench.context())
    done = pick(bench, "side")
    version = bench.repo.version(done.commit.version)
    assert bench.files() == {"a": b"1", "b": b"2", "c": b"new", "params.yaml": b"lr: 2\n"}
    assert version.parents == (bench.repo.resolve("main~1"),)
    assert version.hyperparameters == {"lr": 2}
    assert version.trigger is Trigger.MANUAL
    assert version.message.startswith("this\n\nwith a reason\n\n(cherry-picked from v3 ")
    assert bench.repo.status().clean
    assert bench.repo.verify().ok
    with pytest.raises(Failure, match="nothing of side to take over"):
        pick(bench, "side")
    bench.repo.undo(context=bench.context())
    assert bench.files()["b"] == b"1"
    assert "c" not in bench.files()


def test_a_revert_takes_one_version_back_and_keeps_what_came_after(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1"})
    put(bench, {"a": "2", "c": "new"}, "a mistake")
    put(bench, {"b": "2"}, "later")
    revert(bench, "v2")
    assert bench.files() == {"a": b"1", "b": b"2"}
    assert bench.repo.show("HEAD").version.message.startswith("revert v2 ")


def test_a_revert_of_the_first_version_leaves_everything_under_care(bench: Bench) -> None:
    bench.save({"a": "1"})
    put(bench, {"b": "1"})
    revert(bench, "v1")
    assert bench.files() == {"b": b"1"}
    bench.write({"c": "1"})
    assert [change.path for change in bench.repo.status().added] == ["c"]


def test_conflicts_name_the_verb_and_are_decided_by_path(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.repo.switch("side", create=True, context=bench.context())
    put(bench, {"a": "theirs"})
    bench.repo.switch("main", context=bench.context())
    put(bench, {"a": "ours"})
    with pytest.raises(MergeConflict) as caught:
        pick(bench, "side")
    assert (caught.value.help or "").startswith("mvc cherry-pick side --ours a")
    assert bench.files() == {"a": b"ours"}
    pick(bench, "side", Choices(theirs=["a"]))
    assert bench.files() == {"a": b"theirs"}


def test_unsaved_work_is_never_overwritten(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.repo.switch("side", create=True, context=bench.context())
    put(bench, {"a": "2"})
    bench.repo.switch("main", context=bench.context())
    bench.write({"a": "unsaved"})
    with pytest.raises(Conflict, match="would overwrite unsaved work"):
        pick(bench, "side")
    assert bench.files() == {"a": b"unsaved"}


def test_the_empty_version_changes_nothing(bench: Bench) -> None:
    bench.save({"a": "1"})
    with pytest.raises(Failure, match="is the empty version"):
        pick(bench, "v0")


names = st.sampled_from(["a", "b", "d/c"])
edits = st.dictionaries(names, st.sampled_from(["1", "2", None]), min_size=1)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=edits, change=edits, ours=edits)
def test_picks_against_a_model(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, str | None],
    change: dict[str, str | None],
    ours: dict[str, str | None],
) -> None:
    def after(tree: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
        found = {**tree, **changes}
        return {name: text for name, text in found.items() if text is not None}

    def step(bench: Bench, tree: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
        wanted = after(tree, changes)
        bench.write(dict(wanted))
        bench.remove(*(tree.keys() - wanted.keys()))
        bench.commit("step", allow_empty=True)
        return wanted

    with Bench(tmp_path_factory.mktemp("pick") / "w") as bench:
        bench.save({"keep": "k"})
        base = step(bench, {"keep": "k"}, first)
        bench.repo.switch("side", create=True, context=bench.context())
        theirs = step(bench, base, change)
        bench.repo.switch("main", context=bench.context())
        mine = step(bench, base, ours)
        every = base.keys() | theirs.keys() | mine.keys()
        did = {n for n in every if base.get(n) != theirs.get(n)}
        clash = {n for n in did if mine.get(n) != base.get(n) and mine.get(n) != theirs.get(n)}
        wanted = after(mine, {n: theirs.get(n) for n in did})
        if clash:
            with pytest.raises(MergeConflict) as caught:
                pick(bench, "side")
            assert {c.path for c in caught.value.clashes} == clash
        elif wanted == mine:
            with pytest.raises(Failure, match="nothing of side"):
                pick(bench, "side")
        else:
            pick(bench, "side")
            assert bench.files() == {n: t.encode() for n, t in wanted.items()}
            assert bench.repo.status().clean
            revert(bench, "HEAD")
            assert bench.files() == {n: t.encode() for n, t in mine.items()}
