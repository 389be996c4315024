"""Work put aside and taken up again: nothing is lost by what comes in between; undo takes each step back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict, Failure
from mvcd.objects.version import Trigger
from mvcd.repo.core.core import Core
from mvcd.repo.joining.threeway import Choices, MergeConflict
from tests.support.workspace import Bench

NO_CHOICE = Choices()


def stash(bench: Bench, message: str | None = None):  # type: ignore[no-untyped-def]
    return bench.repo.stash(message, context=bench.context())


def pop(  # type: ignore[no-untyped-def]
    bench: Bench, number: int | None = None, choices: Choices = NO_CHOICE, *, keep: bool = False
):
    return bench.repo.unstash(number, choices, context=bench.context(), drop=not keep)


def test_work_goes_aside_and_comes_back(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1"})
    bench.write({"a": "work", "new/c": "work"})
    bench.remove("b")
    done = stash(bench, "half of it")
    assert bench.files() == {"a": b"1", "b": b"1"}
    assert bench.repo.status().clean
    assert (done.stashed.number, done.stashed.version.message) == (1, "half of it")
    assert done.stashed.version.trigger is Trigger.MANUAL
    assert done.stashed.base == bench.repo.resolve("HEAD")
    pop(bench)
    assert bench.files() == {"a": b"work", "new/c": b"work"}
    assert bench.repo.stashes() == []
    assert bench.repo.resolve("HEAD") == done.stashed.base


def test_undo_takes_each_step_back(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.write({"a": "work"})
    stash(bench)
    bench.repo.undo(context=bench.context())
    assert bench.files() == {"a": b"work"}
    assert bench.repo.stashes() == []
    stash(bench)
    pop(bench)
    bench.repo.undo(context=bench.context())
    assert bench.files() == {"a": b"1"}
    assert [s.number for s in bench.repo.stashes()] == [1]
    bench.repo.stash_drop(None, context=bench.context())
    assert bench.repo.stashes() == []
    bench.repo.undo(context=bench.context())
    assert [s.number for s in bench.repo.stashes()] == [1]


def test_a_stash_stays_through_collection_and_has_its_number_for_good(bench: Bench) -> None:
    bench.save({"a": "1"})
    for text in ("first", "second"):
        bench.write({"a": text})
        stash(bench, text)
    bench.repo.gc(context=bench.context(), keep_operations_us=0)
    pop(bench, 1, keep=True)
    assert bench.files() == {"a": b"first"}
    assert [s.version.message for s in bench.repo.stashes()] == ["second", "first"]
    assert bench.repo.verify().ok


def test_it_is_taken_up_on_another_branch(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1"})
    bench.write({"a": "work"})
    stash(bench)
    bench.repo.switch("side", create=True, context=bench.context())
    bench.write({"b": "2"})
    bench.commit()
    pop(bench)
    assert bench.files() == {"a": b"work", "b": b"2"}


def test_a_file_that_changed_since_is_a_conflict(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.write({"a": "work"})
    stash(bench)
    bench.write({"a": "2"})
    bench.commit()
    with pytest.raises(MergeConflict) as caught:
        pop(bench)
    assert (caught.value.help or "").startswith("mvc stash pop 1 --ours a")
    assert bench.files() == {"a": b"2"}
    pop(bench, None, Choices(theirs=["a"]))
    assert bench.files() == {"a": b"work"}


def test_unsaved_work_in_the_way_is_kept(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1"})
    bench.write({"a": "work"})
    stash(bench)
    bench.write({"a": "other work", "b": "more"})
    with pytest.raises(Conflict, match="would overwrite unsaved work in a"):
        pop(bench)
    assert bench.files() == {"a": b"other work", "b": b"more"}
    assert len(bench.repo.stashes()) == 1


def test_other_unsaved_work_stays(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1"})
    bench.write({"a": "work"})
    stash(bench)
    bench.write({"b": "more"})
    pop(bench)
    assert bench.files() == {"a": b"work", "b": b"more"}


def test_a_directory_under_care_since_goes_aside_too(bench: Bench) -> None:
    bench.write({"a": "1"})
    bench.add("a")
    bench.commit()
    bench.write({"d/x": "1"})
    bench.add("d")
    stash(bench)
    assert bench.files() == {"a": b"1"}
    assert bench.repo.tracked() == ("a",)
    pop(bench)
    assert bench.files() == {"a": b"1", "d/x": b"1"}
    assert bench.repo.tracked() == ("a", "d")


def test_there_has_to_be_something(bench: Bench) -> None:
    bench.save({"a": "1"})
    with pytest.raises(Failure, match="no unsaved work"):
        stash(bench)
    for act in (pop, lambda b: b.repo.stash_drop(7, context=b.context())):
        with pytest.raises(Failure, match="there is no stash"):
            act(bench)


def test_what_dies_before_its_end_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are at HEAD's content already, and no stash is there yet: the next verb finds the work, and undo
    brings it back."""
    bench.save({"a": "1"})
    bench.write({"a": "work"})

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Core, "record", dies)
        with pytest.raises(KeyboardInterrupt):
            stash(bench)
    assert bench.files() == {"a": b"1"}
    bench.reopen()
    bench.repo.restore("HEAD", (), context=bench.context())
    assert bench.repo.stashes() == []
    bench.repo.undo(context=bench.context())
    bench.repo.undo(context=bench.context())
    assert bench.files() == {"a": b"work"}


names = st.sampled_from(["a", "b", "d/c"])
states = st.dictionaries(names, st.sampled_from(["1", "2", "3"]))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(base=states, works=st.lists(states, min_size=1, max_size=3), data=st.data())
def test_against_dicts(
    tmp_path_factory: pytest.TempPathFactory,
    base: dict[str, str],
    works: list[dict[str, str]],
    data: st.DataObject,
) -> None:
    with Bench(tmp_path_factory.mktemp("stash") / "w") as bench:
        base = {**base, "keep": "k"}
        bench.save(dict(base))
        kept: dict[int, dict[str, str]] = {}
        for number, work in enumerate(works, 1):
            wanted = {**work, "keep": f"work {number}"}
            bench.remove(*(base.keys() - wanted.keys()))
            bench.write(dict(wanted))
            assert stash(bench).stashed.number == number
            assert bench.files() == {n: t.encode() for n, t in base.items()}
            kept[number] = wanted
        chosen = data.draw(st.sampled_from(sorted(kept)))
        pop(bench, chosen)
        assert bench.files() == {n: t.encode() for n, t in kept[chosen].items()}
        assert {s.number for s in bench.repo.stashes()} == kept.keys() - {chosen}
