"""Collection: what nothing needs goes, what anything could still ask for stays."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from itertools import islice

import pytest

from mvcd.errors import Failure, IntegrityError, MissingObject
from tests.repo.dying import Moments, open_listening
from tests.store.children import Child
from tests.support.engine import Repository
from tests.support.workspace import Bench

DAY_US = 24 * 3600 * 1_000_000


def noise(seed: int, size: int = 50_000) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_repository_in_use_has_no_garbage(bench: Bench) -> None:
    for n in range(4):
        bench.save({"model.pt": noise(n), "same.pt": noise(9), f"data/{n}": str(n)})
    bench.repo.rollback("v2", context=bench.context())
    report = bench.repo.gc(context=bench.context(), keep_operations_us=0)
    assert report.objects == 0
    assert bench.repo.verify().ok


def test_a_dry_run_tells_what_would_go_and_takes_nothing(bench: Bench) -> None:
    bench.save({"a.pt": noise(1)})
    bench.repo.switch("try", create=True, context=bench.context())
    bench.save({"a.pt": noise(2)})
    bench.repo.switch("main", context=bench.context())
    bench.repo.delete_branch("try", force=True, context=bench.context())
    bench.repo.create_tag("later", context=bench.context())  # the newest operation always stays
    late = bench.context()
    told = bench.repo.gc(context=late, dry_run=True, keep_operations_us=0)
    assert told.objects > 0
    assert told.raw_bytes > 50_000
    assert bench.repo.gc(context=late, dry_run=True, keep_operations_us=0) == told
    assert bench.repo.gc(context=late, keep_operations_us=0) == told
    assert bench.repo.gc(context=late, keep_operations_us=0).objects == 0
    assert bench.repo.read("a.pt") == noise(1)
    assert bench.repo.verify().ok


def test_what_undo_could_bring_back_stays_until_its_operation_is_old(bench: Bench) -> None:
    bench.save({"a.pt": noise(1)})
    gone = bench.save({"a.pt": noise(2)}).version
    bench.repo.undo(context=bench.context())
    bench.write({"a.pt": noise(3)})
    bench.checkout("v1", force=True)
    assert bench.repo.gc(context=bench.context()).objects == 0
    bench.repo.undo(context=bench.context())
    assert bench.files() == {"a.pt": noise(3)}
    assert bench.repo.read("a.pt", gone.hex()) == noise(2)
    later = bench.context()
    report = bench.repo.gc(context=later, keep_operations_us=0)
    assert report.objects > 0
    with pytest.raises(Failure):
        bench.repo.resolve(gone.hex())
    assert len(list(bench.repo.operations())) == 1
    with pytest.raises(Failure) as caught:
        bench.repo.undo(number=2, context=bench.context())
    assert caught.value.kind == "nothing-to-undo"
    assert bench.repo.verify().ok
    assert bench.repo.read("a.pt", "main") == noise(1)


def test_operations_are_kept_for_as_long_as_asked(bench: Bench) -> None:
    for n in range(6):  # the bench's clock goes one minute a step; saving takes three
        bench.save({"a": str(n)})
    before = [o.number for o in bench.repo.operations()]
    oldest = list(bench.repo.operations())[2].time_us
    context = bench.context()
    bench.repo.gc(context=context, keep_operations_us=context.time_us - oldest)
    assert [o.number for o in bench.repo.operations()] == before[:3]


def test_unsaved_work_of_a_verb_that_died_is_no_garbage(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1"})
    bench.save({"a": "2", "b": "2"})
    bench.write({"a": "precious", "b": "too"})
    before = bench.files()
    context = bench.context()
    bench.repo.close()

    def die_while_placing(report: Callable[[str], None]) -> None:
        moments = Moments("replace", report)
        with open_listening(str(bench.root), moments.reached) as repo:
            repo.checkout("v1", context=context, force=True)

    status, reports = Child(die_while_placing).end()
    assert (status, reports) == (-signal.SIGKILL, ["died replace"])
    repo = bench.reopen()
    bench.repo.gc(context=bench.context(), keep_operations_us=0)
    assert repo.verify().ok
    bench.checkout("v1", force=True)
    for _ in range(2):
        repo.undo(context=bench.context())
    assert bench.files() == before
    assert [o.verb for o in islice(repo.operations(), 5)] == [
        "undo",
        "undo",
        "checkout",
        "interrupted",
        "commit",
    ]


def test_work_of_a_commit_under_way_is_no_garbage(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection by somebody else, between what a commit stored and its ref."""
    bench.save({"a.pt": noise(1)})
    core = bench.repo._core
    real = core.record

    def collect_first(*args: object, **options: object) -> int:
        with Repository.open(str(bench.root)) as other:
            other.gc(context=bench.context(), keep_operations_us=0)
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(core, "record", collect_first)
    bench.save({"a.pt": noise(2), "b/c": noise(3)})
    bench.repo.rollback("v1", context=bench.context())
    monkeypatch.undo()
    assert bench.repo.verify().ok
    assert bench.repo.read("b/c", "v2") == noise(3)


def test_content_that_is_absent_is_no_obstacle_but_damage_is(bench: Bench) -> None:
    bench.save({"a.pt": noise(1)})
    bench.save({"a.pt": noise(2)})
    store = bench.repo._core.store
    with store.index.read() as txn:  # type: ignore[attr-defined]
        root = bench.repo.version(bench.repo.resolve("v1"))
        nodes = [r.root for r in root.components.values() if r.root is not None]
        row = txn.get(nodes[0], db=store.index.objects)  # type: ignore[attr-defined]
    index = store.index  # type: ignore[attr-defined]
    index.write(lambda txn: txn.delete(nodes[0], db=index.objects))
    bench.repo.gc(context=bench.context())
    assert bench.repo.read("a.pt") == noise(2)
    index.write(lambda txn: txn.put(nodes[0], row[:4] + b"\x01" + row[5:], db=index.objects))
    objects = store.stats().objects
    with pytest.raises(IntegrityError):
        bench.repo.gc(context=bench.context())
    assert store.stats().objects == objects


def test_no_name_is_given_to_a_version_that_was_just_collected(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save({"a.pt": noise(1)})
    gone = bench.save({"a.pt": noise(2)}).version
    bench.repo.undo(context=bench.context())
    bench.repo.create_tag("later", context=bench.context())
    revisions = bench.repo._core.revisions
    real = revisions.resolve

    def resolve_then_collect(*args: object, **options: object) -> object:
        found = real(*args, **options)  # type: ignore[arg-type]
        with Repository.open(str(bench.root)) as other:
            other.gc(context=bench.context(), keep_operations_us=0)
        return found

    monkeypatch.setattr(revisions, "resolve", resolve_then_collect)
    with pytest.raises(MissingObject):
        bench.repo.create_branch("late", gone.hex(), context=bench.context())
    monkeypatch.undo()
    assert [b.name for b in bench.repo.branches()] == ["main"]
    assert bench.repo.verify().ok
