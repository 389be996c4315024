"""What cannot be read: it is named, keeps what the last version has of it, and stops nothing else."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from mvcd.repo.intake import ingest
from mvcd.repo.ondisk import reading
from mvcd.repo.ondisk._read import read_files
from mvcd.repo.records.refs import HEADS
from mvcd.repo.workspace import scan
from mvcd.repo.workspace.workspace import ScannedWorkspace
from mvcd.store.api import RefUpdate
from tests.support.privileges import unprivileged
from tests.support.workspace import Bench

DENIED = "cannot be read: Permission denied"
HOUR = 3_600_000_000_000


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Of somebody who is not root: he has a, d/one and d/e/two."""
    with unprivileged() as place, Bench(place / "w") as made:
        made.save({"a": "1", "d/one": "1", "d/e/two": "1"})
        yield made


def close(bench: Bench, name: str, mode: int = 0) -> None:
    os.chmod(bench.path(name), mode)


def reopen(bench: Bench, name: str, mode: int = 0o755) -> None:
    os.chmod(bench.path(name), mode)


def saved(bench: Bench, rev: str = "HEAD") -> dict[str, bytes]:
    return {row.path: bench.repo.read(row.path, rev) for row in bench.repo.ls(rev)}


def forget_the_cache(bench: Bench) -> None:
    core = bench.repo._core
    core.store.cache_put({b"known/" + core.workspace.encode(): None})


def changed(bench: Bench) -> dict[str, list[str]]:
    status = bench.repo.status()
    kinds = {"+": status.added, "*": status.modified, "-": status.deleted}
    return {kind: [c.path for c in changes] for kind, changes in kinds.items() if changes}


# ---------------------------------------------------------------- directories


@pytest.mark.parametrize("mode", [0, 0o100, 0o400], ids=["closed", "not listed", "not searched"])
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_a_closed_directory_keeps_its_files_and_the_rest_is_saved(
    bench: Bench, mode: int, cached: bool
) -> None:
    bench.write({"a": "2", "d/one": "22", "d/new": "3"})
    bench.remove("d/e/two")
    close(bench, "d", mode)
    if not cached:
        forget_the_cache(bench)
    assert changed(bench) == {"*": ["a"]}
    assert bench.repo.status().skipped == (("d", DENIED),)
    assert bench.commit().skipped == (("d", DENIED),)
    assert saved(bench) == {"a": b"2", "d/one": b"1", "d/e/two": b"1"}
    assert changed(bench) == {}
    reopen(bench, "d")
    assert changed(bench) == {"+": ["d/new"], "*": ["d/one"], "-": ["d/e/two"]}
    assert bench.commit().skipped == ()
    assert saved(bench) == {"a": b"2", "d/one": b"22", "d/new": b"3"}


def test_what_was_saved_below_is_not_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"a": "2"})
    close(bench, "d")
    bench.commit()
    reopen(bench, "d")
    read: list[object] = []
    later = bench.repo._core.clock() + HOUR
    monkeypatch.setattr(bench.repo._core, "clock", lambda: later)
    bench.repo.status()
    monkeypatch.setattr(reading, "read_files", lambda paths, _: read.append(paths))
    assert changed(bench) == {}
    assert read == []


def test_a_directory_that_never_was_seen_costs_no_fresh_scan(bench: Bench) -> None:
    bench.write({"a": "2", "new/x": "1", "new/below/y": "1"})
    close(bench, "new")
    assert bench.commit().skipped == (("new", DENIED),)
    again = bench.repo.look()
    assert not again.scan.fresh
    assert again.scan.unreadable.reasons == {"new": DENIED}
    reopen(bench, "new")
    assert changed(bench) == {"+": ["new/below/y", "new/x"]}


def test_a_closed_directory_that_goes_or_is_left_out_takes_its_files_along(bench: Bench) -> None:
    for cached in (True, False):
        bench.write({"d/one": "1", "d/e/two": "1", "a": str(cached)})
        bench.commit()
        close(bench, "d")
        if not cached:
            forget_the_cache(bench)
        bench.write({"a": "then"})
        bench.commit()
        reopen(bench, "d")
        shutil.rmtree(bench.path("d"))
        bench.commit()
        assert set(saved(bench)) == {"a"}
    bench.save({"d/one": "1"})
    close(bench, "d")
    bench.write({".mvcignore": "d/\n"})
    assert changed(bench) == {"+": [".mvcignore"], "-": ["d/one"]}


def test_the_cache_of_another_version_does_not_speak_for_a_closed_directory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is when rows could not follow a move of HEAD: they describe the files of the version before it."""
    core = bench.repo._core
    first = bench.repo.head.version
    second = bench.save({"d/one": "22", "a": "2"}).version
    later = core.clock() + HOUR
    monkeypatch.setattr(core, "clock", lambda: later)
    assert changed(bench) == {}  # and every row is believed by now
    core.store.update_refs([RefUpdate(HEADS + "main", bytes(second), bytes(first))])
    assert bench.repo.look().known.id == second
    close(bench, "d")
    bench.write({"a": "3"})
    assert changed(bench) == {"*": ["a"]}
    bench.commit()
    assert saved(bench) == {"a": b"3", "d/one": b"1", "d/e/two": b"1"}
    reopen(bench, "d")
    assert changed(bench) == {"*": ["d/one"]}


def test_a_root_that_cannot_be_read_is_an_error(bench: Bench) -> None:
    close(bench, ".", 0o300)
    try:
        with pytest.raises(Failure, match="cannot read directory") as caught:
            bench.repo.status()
        assert "chmod" in str(caught.value.help)
    finally:
        reopen(bench, ".")


def test_what_this_process_is_short_of_hides_no_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of file descriptors, every directory looks closed; skipping them would save next to nothing."""
    real = scan.list_directory

    def short(path: bytes, *options: object) -> bytes:
        if path.endswith(b"/d"):
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *options)  # type: ignore[arg-type]

    monkeypatch.setattr(scan, "list_directory", short)
    with pytest.raises(OSError, match="Too many open files"):
        bench.repo.status()


# ---------------------------------------------------------------- ignore files


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.chmod(0), DENIED),
        (lambda path: path.write_bytes(b"\xff\n"), "is not UTF-8 text"),
        (lambda path: path.write_bytes(b"#" * (2 << 20)), "is larger than 1 MiB"),
    ],
)
def test_a_directory_whose_rules_cannot_be_used_is_skipped_whole(
    bench: Bench, spoil: object, why: str
) -> None:
    bench.save({"d/.mvcignore": "secret\n", "d/secret": "s"})
    spoil(Path(bench.path("d/.mvcignore")))  # type: ignore[operator]
    bench.write({"a": "2", "d/one": "22"})
    assert bench.commit().skipped == (("d", f"its .mvcignore {why}"),)
    assert "d/secret" not in saved(bench)
    assert saved(bench)["d/one"] == b"1"
    os.unlink(bench.path("d/.mvcignore"))
    bench.write({"d/.mvcignore": "secret\n"})
    assert changed(bench) == {"*": ["d/one"]}


def test_without_the_root_s_rules_nothing_is_saved(bench: Bench) -> None:
    bench.write({".mvcignore": "secret\n", "secret": "s"})
    close(bench, ".mvcignore")
    with pytest.raises(Failure, match=r"\.mvcignore cannot be read") as caught:
        bench.commit()
    assert "chmod u+r" in str(caught.value.help)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_a_closed_file_keeps_its_entry_and_the_rest_is_saved(bench: Bench, cached: bool) -> None:
    bench.write({"a": "2", "d/one": "22", "d/new": "3"})
    close(bench, "d/one")
    close(bench, "d/new")
    if not cached:
        forget_the_cache(bench)
    skipped = (("d/new", DENIED), ("d/one", DENIED))
    assert changed(bench) == {"*": ["a"]}
    assert bench.repo.status().skipped == skipped
    assert bench.commit().skipped == skipped
    assert saved(bench) == {"a": b"2", "d/one": b"1", "d/e/two": b"1"}
    with pytest.raises(Failure, match="nothing to commit") as caught:
        bench.commit()
    assert "but for d/new: cannot be read: Permission denied, and 1 more" in str(caught.value.cause)
    reopen(bench, "d/one", 0o644)
    reopen(bench, "d/new", 0o644)
    assert changed(bench) == {"+": ["d/new"], "*": ["d/one"]}
    bench.commit()
    assert saved(bench) == {"a": b"2", "d/one": b"22", "d/new": b"3", "d/e/two": b"1"}


def test_a_closed_file_that_goes_is_gone(bench: Bench) -> None:
    close(bench, "d/one")
    bench.write({"a": "2"})
    bench.commit()
    bench.remove("d/one")
    assert changed(bench) == {"-": ["d/one"]}


def test_a_missing_file_that_comes_back_closed_is_not_missing(bench: Bench) -> None:
    bench.remove("d/one")
    assert changed(bench) == {"-": ["d/one"]}
    bench.write({"d/one": "22", "a": "2"})
    close(bench, "d/one")
    assert changed(bench) == {"*": ["a"]}
    bench.commit()
    assert saved(bench)["d/one"] == b"1"


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
@pytest.mark.parametrize("size", [100, 3_000_000], ids=["small", "large"])
def test_a_file_that_fails_while_it_is_read_keeps_its_entry(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int, cached: bool
) -> None:
    """As on a disk with a bad block: it opens, and then the kernel answers EIO."""
    bench.save({"big": b"1" * size, "z": "1"})
    before = saved(bench)["big"]
    bench.write({"big": b"2" * size, "new": b"2" * size, "z": "2"})
    if not cached:
        forget_the_cache(bench)
    broken = ("cannot be read: Input/output error",)
    with monkeypatch.context() as patch:
        break_disk(patch, bench.path("big"), bench.path("new"))
        assert bench.repo.diff().components  # it answers
        result = bench.commit()
        assert result.skipped == (("big", *broken), ("new", *broken))
        assert saved(bench) == {**saved(bench), "big": before, "z": b"2"}
        assert "new" not in saved(bench)
        assert changed(bench) == {"+": ["new"]}  # of a size that tells; only reading shows the rest
        assert bench.repo.status().skipped == (("big", *broken),)
    assert changed(bench) == {"+": ["new"], "*": ["big"]}


def break_disk(patch: pytest.MonkeyPatch, *paths: str) -> None:
    """Reads of these files fail: of the large from the second megabytes on."""
    real_open, real_readv, real_read = os.open, os.readv, reading.read_files
    opened: dict[int, int] = {}

    def noting(name: str, *args: int, **options: int) -> int:
        fd = real_open(name, *args, **options)
        opened.pop(fd, None)
        if name in paths:
            opened[fd] = 0
        return fd

    def failing(fd: int, buffers: list[memoryview]) -> int:
        if fd in opened:
            opened[fd] += 1
            if opened[fd] > 1:
                raise OSError(errno.EIO, "Input/output error")
        return real_readv(fd, buffers)

    def failing_group(names: list[bytes], limit: int) -> object:
        return [
            errno.EIO if os.fsdecode(name) in paths else answer
            for name, answer in zip(names, real_read(names, limit), strict=True)
        ]

    patch.setattr(os, "open", noting)
    patch.setattr(os, "readv", failing)
    patch.setattr(reading, "read_files", failing_group)


def test_a_file_that_goes_while_it_is_read_is_not_unreadable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"d/one": "22", "a": "2"})
    real, left = ingest.Ingest.run, [1]

    def disturbed(
        self: ingest.Ingest, sources: Iterable[ingest.Source], *, several: bool = False
    ) -> object:
        if left:
            left.pop()
            bench.remove("d/one")
        return real(self, sources, several=several)

    monkeypatch.setattr(ingest.Ingest, "run", disturbed)
    assert bench.commit().skipped == ()
    assert saved(bench) == {"a": b"2", "d/e/two": b"1"}


# ---------------------------------------------------------------- verbs that write


@pytest.mark.parametrize("closed", ["d/one", "d"])
@pytest.mark.parametrize("verb", ["checkout", "force", "restore", "rollback", "undo"])
def test_what_cannot_be_read_is_never_written_over(bench: Bench, closed: str, verb: str) -> None:
    bench.write({"d/one": "22"})
    bench.commit()
    if verb == "undo":
        bench.checkout("v1")
    bench.write({"d/one": "unsaved"})
    close(bench, closed)
    run = {
        "checkout": lambda: bench.checkout("v1"),
        "force": lambda: bench.checkout("v1", force=True),
        "restore": lambda: bench.repo.restore("v1", context=bench.context()),
        "rollback": lambda: bench.repo.rollback("v1", context=bench.context(), force=True),
        "undo": lambda: bench.repo.undo(context=bench.context()),
    }[verb]
    with pytest.raises(Conflict) as caught:
        run()
    assert caught.value.kind == "would-overwrite"
    assert closed in str(caught.value)
    assert f"chmod -R u+rX {closed}" in str(caught.value.help)
    reopen(bench, closed)
    assert Path(bench.path("d/one")).read_text() == "unsaved"


def test_a_checkout_passes_by_what_it_need_not_touch(bench: Bench) -> None:
    bench.write({"a": "2"})
    bench.commit()
    bench.write({"d/one": "unsaved"})
    close(bench, "d")
    result = bench.checkout("v1")
    assert result.skipped == (("d", DENIED),)
    assert Path(bench.path("a")).read_text() == "1"
    reopen(bench, "d")
    assert changed(bench) == {"*": ["d/one"]}


def test_a_directory_that_is_not_under_care_stops_a_checkout_into_it_clearly(bench: Bench) -> None:
    bench.repo.untrack([bench.path(".")], context=bench.context())
    bench.add("a")
    bench.commit()
    close(bench, "d")
    with pytest.raises(Failure, match="cannot be looked at") as caught:
        bench.checkout("v1")
    assert str(caught.value.help).startswith("make it readable: chmod -R u+rX d")


def test_adding_what_cannot_be_reached_is_not_called_absent(bench: Bench) -> None:
    bench.repo.untrack([bench.path(".")], context=bench.context())
    close(bench, "d")
    with pytest.raises(Failure, match="d/one cannot be looked at"):
        bench.add("d/one")
    assert bench.add("d") == ("d",)


# ---------------------------------------------------------------- against a dict


class Closing(RuleBasedStateMachine):
    """Any edits and rights: what can be read is saved as it is, what cannot stays as it was."""

    names = st.sampled_from(["f", "a/f", "a/g", "a/b/f", "b/f"])
    places = st.sampled_from(["f", "a", "a/f", "a/b", "a/b/f", "b"])
    data = st.sampled_from([b"1", b"2", b"33"])

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        place = self.stack.enter_context(unprivileged())
        self.bench = self.stack.enter_context(Bench(place / "w"))
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(reading, "read_files", self.read_files)
        self.disk: dict[str, bytes] = {}
        self.closed: set[str] = set()
        self.broken: set[str] = set()  # files that open, and whose blocks cannot be read
        self.versions: list[tuple[VersionId, dict[str, bytes]]] = []
        self.head: dict[str, bytes] = {}
        self.newest = 0

    def teardown(self) -> None:
        self.set_rights(0o755)
        self.stack.close()

    @initialize(honest=st.booleans())
    def begin(self, honest: bool) -> None:
        """An honest clock makes all files racy; one an hour ahead makes the stamps prove themselves."""
        later = 0 if honest else HOUR
        self.bench.repo._core.clock = lambda: time.time_ns() + later
        self.bench.write({"keep": "k"})
        self.disk = {"keep": b"k"}
        self.bench.add()
        self.commit()

    def path(self, name: str) -> Path:
        return self.bench.root / name

    def set_rights(self, mode: int) -> None:
        """The top first when opening, the deepest first when closing."""
        for name in sorted(self.closed, reverse=mode == 0):
            self.path(name).chmod(mode)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Everything readable for a moment, as for whoever owns it."""
        self.set_rights(0o755)
        for name in self.closed:
            if self.path(name).is_file():
                self.path(name).chmod(0o644)
        yield
        self.closed = {name for name in self.closed if self.path(name).exists()}
        self.set_rights(0)

    @rule(name=names, data=data)
    def write(self, name: str, data: bytes) -> None:
        with self.opened():
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            while path.stat().st_ctime_ns <= self.newest:
                os.utime(path)
            self.newest = path.stat().st_ctime_ns
        self.disk[name] = data

    @rule(name=names)
    def remove(self, name: str) -> None:
        if self.disk.pop(name, None) is not None:
            with self.opened():
                self.path(name).unlink()

    @rule(place=places)
    def remove_directory(self, place: str) -> None:
        with self.opened():
            if self.path(place).is_dir():
                shutil.rmtree(self.path(place))
        self.disk = {p: d for p, d in self.disk.items() if not p.startswith(place + "/")}

    @rule(place=places)
    def close(self, place: str) -> None:
        with self.opened():
            if self.path(place).exists():
                self.closed.add(place)

    @rule(place=places)
    def open(self, place: str) -> None:
        with self.opened():
            self.closed.discard(place)

    @rule()
    def forget(self) -> None:
        forget_the_cache(self.bench)

    @rule(name=names)
    def break_or_repair(self, name: str) -> None:
        self.broken ^= {name}

    def read_files(self, paths: list[bytes], limit: int) -> list[object]:
        prefix = len(os.fsencode(self.bench.root)) + 1
        return [
            errno.EIO if os.fsdecode(path)[prefix:] in self.broken else answer
            for path, answer in zip(paths, read_files(paths, limit), strict=True)
        ]

    def hidden(self, name: str) -> bool:
        return (name in self.broken and name in self.disk) or any(
            name == c or name.startswith(c + "/") for c in self.closed
        )

    def expected(self) -> dict[str, bytes]:
        kept = {name: data for name, data in self.head.items() if self.hidden(name)}
        return kept | {name: data for name, data in self.disk.items() if not self.hidden(name)}

    @rule()
    def commit(self) -> None:
        wanted = self.expected()
        result = self.bench.commit(allow_empty=True)
        assert {path for path, _ in result.skipped} - self.broken == self.tops() - self.broken
        assert saved(self.bench) == wanted
        self.head = wanted
        self.versions.append((result.version, wanted))

    def tops(self) -> set[str]:
        """What a walk from the root runs into."""
        above = {c for c in self.closed if any(c.startswith(o + "/") for o in self.closed)}
        return self.closed - above

    @rule()
    def look(self) -> None:
        now, before = self.expected(), self.head
        wanted = {
            "+": sorted(now.keys() - before.keys()),
            "*": sorted(p for p in now.keys() & before.keys() if now[p] != before[p]),
            "-": sorted(before.keys() - now.keys()),
        }
        if not self.broken:  # status reads only what sizes leave open
            assert changed(self.bench) == {kind: paths for kind, paths in wanted.items() if paths}
            assert {path for path, _ in self.bench.repo.status().skipped} == self.tops()
        unsaved, fetch = ScannedWorkspace(self.bench.repo._core).unsaved
        assert sum(root.files for root in unsaved.components.values()) == len(now), fetch

    @precondition(lambda self: len(self.versions) > 1)
    @rule(data=st.data())
    def check_out(self, data: st.DataObject) -> None:
        id, target = data.draw(st.sampled_from(self.versions))
        moving = {p for p in target.keys() | self.head.keys() if target.get(p) != self.head.get(p)}
        try:
            self.bench.checkout(id.hex())
        except Conflict:
            pass  # unsaved work, or a file in the way
        else:
            known = {p for p in self.broken if self.disk.get(p) == self.head.get(p)}
            assert not any(map(self.hidden, moving - known))
            for path in moving:
                self.disk.pop(path, None)
                if path in target:
                    self.disk[path] = target[path]
            self.head = target
        with self.opened():
            assert self.bench.files() == self.disk


TestClosing = Closing.TestCase
TestClosing.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@pytest.mark.campaign
def test_closing_at_length() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Closing, settings=settings(max_examples=2000, stateful_step_count=40, deadline=None)
    )
