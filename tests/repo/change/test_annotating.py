"""Writing annotations, and taking them back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mvcd.errors import Conflict, Failure, UsageError
from mvcd.objects.version import Trigger
from mvcd.repo.records.annotations import END_US, Annotation, encode, name_of, of_version, texts_of
from mvcd.repo.records.refs import NOTES
from mvcd.store.api import RefUpdate
from tests.support.workspace import Bench


@pytest.fixture
def saved(bench: Bench) -> Bench:
    bench.write({"params.yaml": "lr: 1\n"})
    bench.add()
    bench.commit("first")
    return bench


def note(bench: Bench, texts: dict[str, str | None], rev: str = "HEAD", **context: object) -> None:
    bench.repo.annotate(rev, texts, context=replace(bench.context(), **context))


def texts(bench: Bench, rev: str = "HEAD") -> dict[str, str]:
    return texts_of(bench.repo.store, bench.repo.resolve(rev))


def test_keys_are_set_replaced_and_removed(saved: Bench) -> None:
    before = saved.repo.resolve("HEAD")
    note(saved, {"accuracy": "0.91", "run": "17"})
    note(saved, {"accuracy": "0.93", "run": None, "never there": None})
    assert texts(saved) == {"accuracy": "0.93"}
    entry = of_version(saved.repo.store, before)["accuracy"]
    assert entry.author == saved.context().author
    assert saved.repo.resolve("HEAD") == before
    assert saved.repo.show().annotations == {"accuracy": "0.93"}
    assert saved.repo.show("v0").annotations == {}
    (one,) = saved.repo.history()
    assert one.annotations == {"accuracy": "0.93"}


def test_one_call_is_one_operation_and_nothing_new_is_none(saved: Bench) -> None:
    note(saved, {"b": "1", "a": "2"})
    newest = next(saved.repo.operations())
    assert (newest.verb, newest.detail) == ("note", "note v1 a, b")
    changes = saved.repo.store.changes()
    note(saved, {"b": "1", "gone": None})
    note(saved, {})
    assert saved.repo.store.changes() == changes
    note(saved, {f"k{n}": "x" for n in range(9)})
    assert next(saved.repo.operations()).detail == "note v1 k0, k1, k2, k3 and 5 more"


def test_a_clock_that_is_behind_loses_nothing(saved: Bench) -> None:
    note(saved, {"k": "of the future"}, time_us=1 << 61)
    note(saved, {"k": "of now"})
    assert texts(saved) == {"k": "of now"}
    note(saved, {"k": None}, time_us=-5)
    assert texts(saved) == {}
    assert of_version(saved.repo.store, saved.repo.resolve("HEAD"))["k"].time_us == (1 << 61) + 2


def test_nothing_holds_over_the_end_of_time(saved: Bench) -> None:
    id = saved.repo.resolve("HEAD")
    value = encode(Annotation(END_US - 1, "mallory", "for ever"))
    saved.repo.store.update_refs([RefUpdate(name_of(id, "k"), None, value)])
    with pytest.raises(Conflict, match="k cannot be written again"):
        note(saved, {"k": "mine"})
    note(saved, {"other": "mine"})
    assert texts(saved) == {"k": "for ever", "other": "mine"}


def test_what_is_damaged_is_left_out_and_written_over(saved: Bench) -> None:
    id = saved.repo.resolve("HEAD")
    saved.repo.store.update_refs([RefUpdate(name_of(id, "k"), None, b"garbage")])
    assert texts(saved) == {}
    note(saved, {"k": "mine"})
    assert texts(saved) == {"k": "mine"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a b ": "x"}, "cannot be the key"),
        ({"k": "x" * 24_577}, "the text of k has 24,577 bytes"),
        ({"k": "\x07"}, "has the character U"),
        ({"k": 0.93}, "the text of k is float, not str"),
    ],
)
def test_what_is_no_annotation_changes_nothing(
    saved: Bench, wrong: dict[str, str | None], message: str
) -> None:
    changes = saved.repo.store.changes()
    with pytest.raises(UsageError, match=message):
        note(saved, {"fine": "x", **wrong})
    assert saved.repo.store.changes() == changes


def test_v0_has_none(saved: Bench) -> None:
    with pytest.raises(Failure, match="there is nothing to annotate"):
        note(saved, {"k": "x"}, "v0")


def test_a_version_has_at_most_a_thousand(saved: Bench) -> None:
    note(saved, {f"k{n}": "x" for n in range(1000)})
    with pytest.raises(Failure, match="v1 would have 1,001 annotations"):
        note(saved, {"one more": "x"})
    note(saved, {"one more": "x", "k0": None})
    note(saved, {"k1": None})
    assert len(texts(saved)) == 999


def test_undo_writes_what_was_there_before(saved: Bench) -> None:
    note(saved, {"k": "old"})
    note(saved, {"k": "new", "more": "x"})
    written = of_version(saved.repo.store, saved.repo.resolve("HEAD"))["k"].time_us
    done = saved.repo.undo(context=saved.context())
    assert done.detail == "undo 5 (note v1 k, more)"
    assert texts(saved) == {"k": "old"}
    assert of_version(saved.repo.store, saved.repo.resolve("HEAD"))["k"].time_us > written
    saved.repo.undo(done.number, context=saved.context())
    assert texts(saved) == {"k": "new", "more": "x"}


def test_undo_refuses_what_was_written_since(saved: Bench) -> None:
    note(saved, {"k": "one"})
    number = next(saved.repo.operations()).number
    note(saved, {"k": "two"})
    with pytest.raises(Conflict, match="cannot be undone any more"):
        saved.repo.undo(number, context=saved.context())
    assert texts(saved) == {"k": "two"}


def test_a_collection_takes_annotations_with_their_version(saved: Bench) -> None:
    first = saved.repo.resolve("HEAD")
    saved.repo.switch("side", create=True, context=saved.context())
    saved.write({"params.yaml": "lr: 2\n"})
    saved.commit("second")
    note(saved, {"k": "of what goes"})
    note(saved, {"k": "of what stays"}, "v1")
    saved.repo.switch("main", context=saved.context())
    saved.repo.delete_branch("side", force=True, context=saved.context())
    saved.repo.create_branch("another", context=saved.context())  # the last operation stays
    saved.repo.gc(context=saved.context(), dry_run=True, keep_operations_us=0)
    assert len(saved.repo.store.refs(NOTES)) == 2
    saved.repo.gc(context=saved.context(), keep_operations_us=0)
    assert list(saved.repo.store.refs(NOTES)) == [name_of(first, "k")]
    assert saved.repo.verify().ok


def test_pruned_versions_keep_theirs(saved: Bench) -> None:
    for number in range(3):
        saved.write({"mvc.toml": "[retention]\nkeep_last = 1\n", "m.bin": f"{number}" * 9000})
        saved.add()
        saved.commit("auto", trigger=Trigger.AUTO)
    note(saved, {"k": "x"}, "v2")
    pruned = saved.repo.prune(context=saved.context())
    assert 2 in [version.number for version in pruned.versions]
    later = replace(saved.context(), time_us=saved.context().time_us + (1 << 50))
    saved.repo.gc(context=later)
    assert texts(saved, "v2") == {"k": "x"}


def test_somebody_writes_the_same_key_at_that_moment(
    saved: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another workspace on the store, or by a push: neither waits for our lock."""
    core, name = saved.repo._core, name_of(saved.repo.resolve("HEAD"), "k")
    theirs = encode(Annotation(1 << 61, "Bob", "theirs"))
    record, tries = type(core).record, []

    def late(self, *words, **options):
        tries.append(1)
        if len(tries) == 1:
            core.store.update_refs([RefUpdate(name, None, theirs)])
        return record(self, *words, **options)

    monkeypatch.setattr(type(core), "record", late)
    note(saved, {"k": "ours", "more": "x"})
    assert len(tries) == 2
    assert texts(saved) == {"k": "ours", "more": "x"}, "written with knowledge of theirs"
