"""Commits that take a part: what is held back keeps its old entry and is a candidate again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import pytest

from mvcd.objects.version import Trigger
from mvcd.repo.results import Diff
from mvcd.repo.scan import Scan
from tests.support.workspace import Bench


class Abandoned(Exception):
    pass


@dataclass
class Take:
    """Takes `paths`; `interfere` happens between reading and confirming."""

    paths: Collection[str]
    interfere: Callable[[], None] = lambda: None
    whole: bool | None = None

    def hold_back(self, scan: Scan, *, whole: bool) -> Collection[str]:
        self.whole = whole
        found = {c.path: c.stat for c in scan.candidates} | dict.fromkeys(scan.vanished)
        self.before = found
        return () if whole else found.keys() - set(self.paths)

    def confirm(self, settled: Collection[str], rescan: Callable[[], Scan]) -> None:
        self.interfere()
        again = rescan()
        found = {c.path: c.stat for c in again.candidates} | dict.fromkeys(again.vanished)
        if found != self.before:
            raise Abandoned

    def message(self, diff: Callable[[], Diff]) -> str:
        return " ".join(
            p for c in diff().components.values() for p in (*c.added, *c.modified, *c.deleted)
        )


def capture(bench: Bench, *paths: str, **options: Callable[[], None]) -> None:
    bench.repo.capture(Take(paths, **options), context=bench.context())


def saved(bench: Bench) -> dict[str, bytes]:
    return {f.path: bench.repo.read(f.path) for f in bench.repo.ls()}


def test_what_is_held_back_keeps_its_entry_and_is_taken_later(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1", "gone": "1"})
    bench.write({"a": "2", "b": "2", "new": "2"})
    bench.remove("gone")
    capture(bench, "a")
    assert saved(bench) == {"a": b"2", "b": b"1", "gone": b"1"}
    head = bench.repo.show()
    assert (head.version.message, head.version.trigger) == ("a", Trigger.AUTO)
    status = bench.repo.status()
    assert [c.path for c in status.added] == ["new"]
    assert [c.path for c in status.modified] == ["b"]
    assert [c.path for c in status.deleted] == ["gone"]
    capture(bench, "gone", "new")
    assert saved(bench) == {"a": b"2", "b": b"1", "new": b"2"}
    capture(bench, "b")
    assert saved(bench) == bench.files()
    assert bench.repo.status().clean


def test_the_first_version_may_leave_files_out(bench: Bench) -> None:
    bench.write({"a": "1", "b": "1"})
    bench.add()
    capture(bench, "a")
    assert saved(bench) == {"a": b"1"}
    assert [c.path for c in bench.repo.status().added] == ["b"]


def test_an_abandoned_attempt_leaves_nothing_and_can_be_repeated(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.write({"a": "2"})
    with pytest.raises(Abandoned):
        capture(bench, "a", interfere=lambda: bench.write({"a": "3"}))
    assert saved(bench) == {"a": b"1"}
    assert [o.verb for o in bench.repo.operations(1)] == ["commit"]
    capture(bench, "a")
    assert saved(bench) == {"a": b"3"}


def test_nothing_can_be_held_back_where_the_cache_is_of_another_version(bench: Bench) -> None:
    bench.save({"a": "1", "b": "1"})
    bench.write({"mvc.toml": ""})
    store = bench.repo._core.store
    marker = b"known/" + bench.repo._core.workspace.encode()
    store.cache_put({marker: None})
    take = Take(["a"])
    bench.repo.capture(take, context=bench.context())
    assert take.whole
    assert saved(bench) == bench.files()
