"""The scan on real directories: against a dict of what is there, and case by case."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mvcd.errors import Failure
from mvcd.ids import RecipeId
from mvcd.repo.workspace import ignore
from mvcd.repo.workspace.candidates import unfit_link
from mvcd.repo.workspace.scan import CandidateOutcome, CandidateState, Scan, scan, unsafe_link
from tests.support.privileges import unprivileged

HOUR = 3_600_000_000_000
Content = tuple[str, bytes]  # ("f" file, "x" executable or "l" link, bytes or target)


def content(path: str) -> Content:
    if os.path.islink(path):
        return "l", os.fsencode(os.readlink(path))
    with open(path, "rb") as file:
        return "x" if os.stat(path).st_mode & 0o100 else "f", file.read()


def recipe_of(value: Content) -> RecipeId:
    return RecipeId(blake3(repr(value).encode()).digest())


class Workspace:
    """A directory, the version that its cache stands for, and what a caller of `scan` does with both."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tracked = ["."]
        self.rows: dict[bytes, bytes] = {}
        self.version: dict[str, Content] = {}
        self.contents: dict[RecipeId, Content] = {}
        self.later = HOUR  # how long after the files were written the scans pretend to run

    def look_up(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.rows.get(key) for key in keys]

    def scan(self, *, fresh: bool = False) -> Scan:
        now = time.time_ns() + self.later
        return scan(
            str(self.root),
            tracked=self.tracked,
            workspace=b"w",
            rows=self.look_up,
            now_ns=now,
            fresh=fresh,
        )

    def state(self, found: Scan) -> dict[str, Content]:
        """What is there, as told by the version and the scan; only candidates are read."""
        state = {} if found.fresh else dict(self.version)
        for path in found.vanished:
            state.pop(path, None)
        for candidate in found.candidates:
            if candidate.recipe is not None:
                state[candidate.path] = self.contents[candidate.recipe]
            else:
                state[candidate.path] = content(str(self.root / candidate.path))
        return state

    def note(self, found: Scan, state: dict[str, Content]) -> None:
        """Writes the cache rows."""
        outcomes: dict[str, CandidateOutcome | RecipeId] = {}
        for candidate in found.candidates:
            value = state[candidate.path]
            outcomes[candidate.path] = CandidateOutcome.CLEAN
            if self.version.get(candidate.path) != value:
                outcomes[candidate.path] = recipe_of(value)
                self.contents[recipe_of(value)] = value
        self.write(found.new_rows(outcomes, missing=self.version.keys() - state.keys()))

    def write(self, rows: dict[bytes, bytes | None]) -> None:
        for key, row in rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row

    def commit(self) -> Scan:
        found = self.scan()
        self.version = self.state(found)
        self.note(found, self.version)
        return found

    def paths(self) -> list[str]:
        return [candidate.path for candidate in self.scan().candidates]

    def put(self, path: str, data: bytes = b"x") -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Five committed files."""
    made = Workspace(tmp_path)
    for path in ["top", "a/one", "a/two", "a/b/three", "c/four"]:
        made.put(path)
    made.commit()
    assert sorted(made.version) == ["a/b/three", "a/one", "a/two", "c/four", "top"]
    return made


# ---------------------------------------------------------------- against a dict


class Edits(RuleBasedStateMachine):
    """Any edits: the scan must never miss a change, whatever became of the cache."""

    names = st.sampled_from(["a", "b", "a/a", "a/b", "a/b/a", "b/a", "b/b.tmp", "b/é\n"])
    data = st.sampled_from([b"1", b"2", b"33"])

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.workspace = Workspace(Path(self.directory))
        self.newest = 0  # change time of the last write

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @initialize(honest=st.booleans())
    def choose_the_time(self, honest: bool) -> None:
        """An honest clock makes all files racy; a clock an hour ahead makes the stamps prove themselves."""
        self.workspace.later = 0 if honest else HOUR

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def stamp(self, path: str, times: tuple[int, int] | None = None) -> None:
        """Waits for the tick after all writes so far, since the scans may pretend to run an hour later."""
        while os.lstat(path).st_ctime_ns <= self.newest:
            os.utime(path, ns=times or (time.time_ns(),) * 2, follow_symlinks=False)
        self.newest = os.lstat(path).st_ctime_ns

    def is_file(self, name: str) -> bool:
        return os.path.isfile(self.path(name)) and not os.path.islink(self.path(name))

    @rule(name=names, data=data)
    def write(self, name: str, data: bytes) -> None:
        path = self.path(name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        except OSError:  # a directory, below a file, or a link to nowhere
            return
        self.stamp(os.path.realpath(path))

    @rule(name=names, data=data)
    def write_and_set_back_the_time(self, name: str, data: bytes) -> None:
        """As `cp -p` and `rsync -t` do."""
        if self.is_file(name):
            path = self.path(name)
            before = os.lstat(path)
            with open(path, "wb") as file:
                file.write(data)
            times = before.st_atime_ns, before.st_mtime_ns
            os.utime(path, ns=times)
            self.stamp(path, times)

    @rule(name=names)
    def touch(self, name: str) -> None:
        if os.path.lexists(self.path(name)):
            os.utime(self.path(name), follow_symlinks=False)

    @rule(name=names)
    def make_executable_or_not(self, name: str) -> None:
        if self.is_file(name):
            os.chmod(self.path(name), os.lstat(self.path(name)).st_mode ^ 0o100)

    @rule(name=names, to=st.sampled_from(["a", "b", "../a", "../..", "/etc"]))
    def link(self, name: str, to: str) -> None:
        path = self.path(name)
        if not os.path.lexists(path) and os.path.isdir(os.path.dirname(path)):
            os.symlink(to, path)
            self.stamp(path)

    @rule(name=names)
    def make_directory(self, name: str) -> None:
        if os.path.isdir(os.path.dirname(self.path(name))) and not os.path.lexists(self.path(name)):
            os.mkdir(self.path(name))

    @rule(name=names)
    def delete(self, name: str) -> None:
        path = self.path(name)
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)
        elif os.path.isdir(path):
            shutil.rmtree(path)

    @rule(old=names, new=names)
    def rename(self, old: str, new: str) -> None:
        try:
            os.rename(self.path(old), self.path(new))
        except OSError:
            return

    @rule(old=names)
    def move_away_and_back(self, old: str) -> None:
        """What comes back has its old stamps, but its rows may have been dropped in between."""
        aside = self.directory + ".aside"
        if os.path.isdir(self.path(old)) and not os.path.islink(self.path(old)):
            os.rename(self.path(old), aside)
            self.commit()
            os.rename(aside, self.path(old))

    @rule(lines=st.lists(st.sampled_from(["a", "b/", "/a/b", "!b.tmp", "*"]), max_size=2))
    def ignore(self, lines: list[str]) -> None:
        with open(self.path(".mvcignore"), "w") as file:
            file.write("\n".join(lines))

    @rule(tracked=st.lists(names, max_size=3))
    def track(self, tracked: list[str]) -> None:
        self.workspace.tracked = sorted(set(tracked)) or ["."]

    @rule()
    def commit(self) -> None:
        self.workspace.commit()
        assert self.workspace.version == self.truth()

    @rule(note=st.booleans(), fresh=st.booleans())
    def status(self, note: bool, fresh: bool) -> None:
        found = self.workspace.scan(fresh=fresh)
        state = self.workspace.state(found)
        assert state == self.truth()
        assert not found.clean or state == self.workspace.version
        if note:
            self.workspace.note(found, state)
        if note and self.workspace.later:
            again = self.workspace.scan()
            assert not again.fresh
            assert {c.state for c in again.candidates} <= {CandidateState.KNOWN}
            assert again.clean == (state == self.workspace.version)

    @precondition(lambda self: self.workspace.rows)
    @rule(data=st.data(), keep=st.integers(0, 20))
    def lose_or_damage_a_row(self, data: st.DataObject, keep: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.workspace.rows)))
        row = self.workspace.rows.pop(key)
        if keep:
            self.workspace.rows[key] = row[:keep]

    def truth(self) -> dict[str, Content]:
        """The files under care, by another walk."""
        found = {}
        for directory, _, files in os.walk(self.directory):
            links = [
                name
                for name in os.listdir(directory)
                if os.path.islink(os.path.join(directory, name))
            ]
            for name in {*files, *links}:
                path = os.path.relpath(os.path.join(directory, name), self.directory)
                if self.under_care(path) and not self.unfit(path):
                    found[path] = content(self.path(path))
        return found

    def unfit(self, path: str) -> bool:
        full = self.path(path)
        return os.path.islink(full) and unfit_link(path, os.readlink(full)) is not None

    def under_care(self, path: str) -> bool:
        tracked = self.workspace.tracked
        if path in tracked:
            return True
        rules = ignore.IgnoreRules.top().here(ignore.read(self.directory))
        *above, last = path.split("/")
        care = "." in tracked
        for i, name in enumerate(above):
            care = care and rules.match(name, directory=True) is None
            care = care or "/".join(above[: i + 1]) in tracked
            rules = rules.inside(name)
        return care and rules.match(last, directory=False) is None


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)


@pytest.mark.campaign
def test_edits_at_length() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Edits, settings=settings(max_examples=5000, stateful_step_count=40, deadline=None)
    )


# ---------------------------------------------------------------- what is read, and what is not

_opened: list[str] | None = None


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(
            os.path.basename(os.fsdecode(args[0])) if isinstance(args[0], (str, bytes)) else ""
        )


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Base names of the files that Python opens during the test."""
    global _opened  # noqa: PLW0603 - an audit hook can't be removed, only silenced
    if not hasattr(sys, "_scan_test_hook"):
        sys.addaudithook(_watch)
        sys._scan_test_hook = True  # type: ignore[attr-defined]
    _opened = []
    yield _opened
    _opened = None


def test_a_clean_scan_opens_nothing(workspace: Workspace, opened: list[str]) -> None:
    found = workspace.scan()
    assert found.clean
    assert found.unchanged_directories == 4
    assert found.new_rows({}, missing=()) == {}
    assert opened == []


def test_a_clean_scan_opens_ignore_files_only(workspace: Workspace, opened: list[str]) -> None:
    workspace.put("a/.mvcignore", b"*.log\n")
    workspace.commit()
    opened.clear()
    assert workspace.scan().clean
    assert opened == [".mvcignore"]


def test_the_slow_path_opens_nothing_either(workspace: Workspace, opened: list[str]) -> None:
    workspace.put("a/one", b"y")
    os.symlink("one", workspace.root / "a" / "link")
    opened.clear()
    assert workspace.paths() == ["a/link", "a/one"]
    assert opened == []


def test_states(workspace: Workspace) -> None:
    workspace.put("a/one", b"yy")
    workspace.put("a/new")
    workspace.put("c/four", b"known")
    found = workspace.scan()
    workspace.note(found, {c.path: content(str(workspace.root / c.path)) for c in found.candidates})
    workspace.put("a/one", b"yyy")
    states = {c.path: (c.state, c.recipe) for c in workspace.scan().candidates}
    assert states == {
        "a/new": (CandidateState.KNOWN, recipe_of(("f", b"x"))),
        "a/one": (CandidateState.TOUCHED, None),
        "c/four": (CandidateState.KNOWN, recipe_of(("f", b"known"))),
    }


def test_a_new_file_is_new_until_it_was_noted(workspace: Workspace) -> None:
    workspace.put("a/new")
    for _ in range(2):
        (candidate,) = workspace.scan().candidates
        assert (candidate.path, candidate.state) == ("a/new", CandidateState.NEW)


def test_racy_files_are_read_again_until_they_are_old(workspace: Workspace) -> None:
    """Read in the tick in which it was written, a file could be written again without a new stamp."""
    workspace.put("a/one", b"y")
    stamped = os.stat(workspace.root / "a" / "one").st_ctime_ns

    def look(now: int) -> Scan:
        return scan(
            str(workspace.root), tracked=["."], workspace=b"w", rows=workspace.look_up, now_ns=now
        )

    for now, expected in [
        (stamped + 5_000_000, CandidateState.TOUCHED),
        (stamped + 19_000_000, CandidateState.RACY),
        (stamped + 21_000_000, CandidateState.RACY),
        (stamped + 22_000_000, None),
    ]:
        found = look(now)
        assert [c.state for c in found.candidates] == ([expected] if expected else [])
        workspace.write(found.new_rows({"a/one": CandidateOutcome.CLEAN}, missing=()))


def test_without_outcome_a_file_is_looked_at_again(workspace: Workspace) -> None:
    workspace.put("a/one", b"y")
    found = workspace.scan()
    workspace.write(found.new_rows({}, missing=()))
    (candidate,) = workspace.scan().candidates
    assert candidate.state is CandidateState.RACY


def test_candidates_carry_the_stat(workspace: Workspace) -> None:
    (workspace.root / "top").chmod(0o755)
    (workspace.root / "link").symlink_to("top")
    link, top = workspace.scan().candidates
    assert (link.path, link.stat.is_symlink, link.stat.executable) == ("link", True, False)
    assert (top.path, top.stat.is_symlink, top.stat.executable) == ("top", False, True)
    assert top.stat.inode == os.stat(workspace.root / "top").st_ino


# ---------------------------------------------------------------- what vanished


def test_vanished_files_stay_reported(workspace: Workspace) -> None:
    shutil.rmtree(workspace.root / "a")
    (workspace.root / "top").unlink()
    gone = ["a/b/three", "a/one", "a/two", "top"]
    for _ in range(3):
        found = workspace.scan()
        assert found.vanished == gone
        assert not found.clean
        workspace.note(found, workspace.state(found))
    workspace.put("a/one")
    found = workspace.scan()
    assert found.vanished == ["a/b/three", "a/two", "top"]
    assert [c.path for c in found.candidates] == ["a/one"]
    workspace.commit()
    assert workspace.scan().clean


def test_a_file_that_became_a_directory(workspace: Workspace) -> None:
    (workspace.root / "top").unlink()
    workspace.put("top/inner")
    found = workspace.scan()
    assert (found.vanished, [c.path for c in found.candidates]) == (["top"], ["top/inner"])


def test_a_directory_that_comes_back_is_new(workspace: Workspace) -> None:
    """Its files still have the stamps of rows that once were true."""
    orphan_rows = dict(workspace.rows)
    aside = workspace.root.parent / "aside"
    (workspace.root / "a").rename(aside)
    workspace.commit()
    assert sorted(workspace.version) == ["c/four", "top"]
    workspace.rows = orphan_rows | workspace.rows
    aside.rename(workspace.root / "a")
    assert workspace.paths() == ["a/b/three", "a/one", "a/two"]


def test_a_directory_that_goes_during_the_scan(workspace: Workspace) -> None:
    def look_up_and_remove(keys: Sequence[bytes]) -> list[bytes | None]:
        if any(key.endswith(b"/a/b") for key in keys):
            shutil.rmtree(workspace.root / "a" / "b")
        return workspace.look_up(keys)

    found = scan(
        str(workspace.root),
        tracked=["."],
        workspace=b"w",
        rows=look_up_and_remove,
        now_ns=time.time_ns() + HOUR,
    )
    assert found.vanished == ["a/b/three"]
    workspace.note(found, workspace.state(found))
    assert workspace.scan().vanished == ["a/b/three"]


def test_a_lost_row_leads_to_a_fresh_scan(workspace: Workspace) -> None:
    for key in list(workspace.rows):
        rows = dict(workspace.rows)
        for damaged in (None, b"", rows[key][:-1], b"\xff" + rows[key]):
            workspace.rows.pop(key)
            if damaged is not None:
                workspace.rows[key] = damaged
            found = workspace.scan()
            assert found.fresh
            assert not found.clean
            assert [c.path for c in found.candidates] == sorted(workspace.version)
            workspace.rows = dict(rows)
    assert workspace.scan().clean


# ---------------------------------------------------------------- what is under care


@pytest.mark.parametrize(
    ("tracked", "expected"),
    [
        (["."], ["a/b/three", "a/one", "a/two", "c/four", "top"]),
        (["top"], ["top"]),
        (["a"], ["a/b/three", "a/one", "a/two"]),
        (["a/b"], ["a/b/three"]),
        (["a", "a/b/three"], ["a/b/three", "a/one", "a/two"]),
        (["a/b/three", "a/one", "top"], ["a/b/three", "a/one", "top"]),
        (["absent", "c/absent", "top/absent"], []),
        ([".", "top"], ["a/b/three", "a/one", "a/two", "c/four", "top"]),
        ([], []),
    ],
)
def test_tracked(workspace: Workspace, tracked: list[str], expected: list[str]) -> None:
    workspace.tracked = tracked
    found = workspace.scan(fresh=True)
    assert [c.path for c in found.candidates] == expected
    found = workspace.scan()
    assert found.vanished == sorted(workspace.version.keys() - set(expected))
    workspace.commit()
    assert sorted(workspace.version) == expected
    assert workspace.scan().clean


def test_what_stands_beside_a_tracked_file_does_not_matter(workspace: Workspace) -> None:
    workspace.tracked = ["a/one", "c"]
    workspace.commit()
    workspace.put("a/beside")
    workspace.put("a/b/three", b"yy")
    workspace.put("beside")
    found = workspace.scan()
    assert found.clean
    assert found.unchanged_directories == 3


def test_ignore_rules_take_effect_at_once(workspace: Workspace) -> None:
    workspace.put(".mvcignore", b"one\nb/\n")
    found = workspace.scan()
    assert [c.path for c in found.candidates] == [".mvcignore"]
    assert found.vanished == ["a/b/three", "a/one"]
    workspace.commit()
    (workspace.root / ".mvcignore").unlink()
    found = workspace.scan()
    assert [c.path for c in found.candidates] == ["a/b/three", "a/one"]
    assert found.vanished == [".mvcignore"]


def test_a_path_that_is_tracked_itself_is_not_asked(workspace: Workspace) -> None:
    workspace.put("kept.tmp")
    workspace.put("venv/kept")
    workspace.put("venv/dropped.tmp")
    workspace.put("a/deep/kept.tmp")
    kept = ["kept.tmp", "venv/kept"]
    for tracked, expected in [
        (["kept.tmp", "venv"], kept),
        (["venv", "venv/dropped.tmp"], ["venv/dropped.tmp", "venv/kept"]),
        ([".", "venv/kept"], ["venv/kept"]),
        ([".", "kept.tmp", "a/deep/kept.tmp", "venv"], ["a/deep/kept.tmp", *kept]),
    ]:
        workspace.tracked = tracked
        assert [path for path in workspace.paths() if path not in workspace.version] == expected
        workspace.commit()
        assert workspace.scan().clean
        workspace.tracked = ["."]
        workspace.commit()


def test_metadata_is_never_entered(workspace: Workspace) -> None:
    workspace.put(".mvc/store")
    workspace.put(".git/config")
    workspace.put("a/.git", b"gitdir: elsewhere")
    workspace.put("a/.mvc/store")
    workspace.put(".mvcignore", b"!.mvc\n!.git\n")
    for tracked in (["."], [".mvc", ".git/config", ".mvcignore", "a"]):
        workspace.tracked = tracked
        found = workspace.scan(fresh=True)
        assert {c.path for c in found.candidates} & {".mvc/store", ".git/config", "a/.git"} == set()
        assert found.skipped == [("a/.mvc", "metadata of another repository")]


# ---------------------------------------------------------------- what cannot be versioned


def test_skipped_things_are_reported_every_time(workspace: Workspace) -> None:
    root = workspace.root
    os.mkfifo(root / "a" / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "a" / "socket"))
    (root / "a" / "out").symlink_to("../../secret")
    (root / "a" / "absolute").symlink_to("/etc/passwd")
    (root / "a" / "text").symlink_to(b"\xff")  # type: ignore[arg-type]
    (root / "a" / "inside").symlink_to("../top")
    with open(os.fsencode(root) + b"/a/caf\xe9", "wb"):
        os.mkdir(os.fsencode(root) + b"/a/dir\xe9")
    expected = [
        ("a/caf\\xe9", "name is not UTF-8"),
        ("a/dir\\xe9", "name is not UTF-8"),
        ("a/fifo", "a fifo"),
        ("a/socket", "a socket"),
        ("a/text", "unsafe symlink: its target is not UTF-8"),
    ]
    assert workspace.scan().skipped == expected
    found = workspace.commit()
    assert [c.path for c in found.candidates] == ["a/absolute", "a/inside", "a/out"]
    found = workspace.scan()
    assert found.skipped == expected
    assert found.clean


def test_a_file_that_turns_into_a_fifo_has_vanished(workspace: Workspace) -> None:
    (workspace.root / "top").unlink()
    os.mkfifo(workspace.root / "top")
    found = workspace.scan()
    assert (found.vanished, found.skipped) == (["top"], [("top", "a fifo")])


def test_paths_too_long_are_skipped(workspace: Workspace) -> None:
    name = "n" * 250
    at = os.open(workspace.root / "c", os.O_RDONLY)
    for _ in range(17):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(at)
        at = below
    os.close(at)
    try:
        found = workspace.scan()
    finally:
        shutil.rmtree(workspace.root / "c")
    assert len(found.candidates) == 15
    assert [reason[:11] for _, reason in found.skipped] == ["path longer"]


@pytest.mark.parametrize(
    "name", ["a\nb", " ", "-rf", "é", "e\u0301", "\\", '"', "\x01", "a\tb", "$(x)", "😀" * 60]
)
def test_any_utf8_name(workspace: Workspace, name: str) -> None:
    workspace.put(name)
    workspace.put(f"d/{name}/{name}")
    assert workspace.paths() == sorted([name, f"d/{name}/{name}"])
    workspace.commit()
    assert workspace.scan().clean


def test_the_root_may_be_a_link(workspace: Workspace) -> None:
    link = workspace.root.parent / "link"
    link.symlink_to(workspace.root)
    workspace.root = link
    assert workspace.scan().clean


def test_a_root_that_cannot_be_read_is_refused(workspace: Workspace) -> None:
    workspace.root = workspace.root / "top"
    with pytest.raises(Failure, match="cannot read directory"):
        workspace.scan()


def test_what_cannot_be_read_is_neither_a_candidate_nor_vanished() -> None:
    with unprivileged() as root:
        workspace = Workspace(root)
        for path in ["top", "a/one", "a/b/three", "c/four"]:
            workspace.put(path)
        workspace.commit()
        workspace.put("c/four", b"y")
        for closed in ("a", "c/four"):
            (root / closed).chmod(0)
        found = workspace.scan()
        why = "cannot be read: Permission denied"
        assert (list(found.candidates), found.vanished) == ([], [])
        assert found.skipped == [("a", why), ("c/four", why)]
        assert found.unreadable.above("a/b/three") == "a"
        assert found.unreadable.above("c") is None
        assert found.new_rows({}, missing=()).keys() == {b"stat/w/c"}


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    ("path", "target", "safe"),
    [
        ("link", "file", True),
        ("link", "./a//b/", True),
        ("link", "", False),  # no system makes such a link
        ("link", "a\0b", False),
        ("link", "a" * 4096, False),
        ("a/link", "../file", True),
        ("a/link", "..", True),
        ("a/b/link", "../../c", True),
        ("link", "..", False),
        ("a/link", "../../x", False),
        ("a/link", "b/../../../x", False),
        ("link", "a/../x", False),
        ("link", "/etc/passwd", False),
        ("link", ".mvc/store", False),
        ("a/link", "../.git/hooks", False),
    ],
)
def test_unsafe_link(path: str, target: str, safe: bool) -> None:
    assert (unsafe_link(path, target) is None) is safe


NAMES = ["a", "b"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
TARGETS = st.lists(st.sampled_from([*NAMES, "..", "."]), min_size=1, max_size=5).map("/".join)


@settings(deadline=None)
@given(st.lists(st.tuples(PATHS, TARGETS), max_size=6))
def test_safe_links_together_never_lead_outside(links: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as outer:
        root = os.path.realpath(outer) + "/root"
        os.mkdir(root)
        for path, target in links:
            full = f"{root}/{path}"
            if unsafe_link(path, target) or os.path.lexists(full):
                continue
            above = [path[:i] for i, char in enumerate(path) if char == "/"]
            if any(os.path.islink(f"{root}/{directory}") for directory in above):
                continue  # no scan would find it
            os.makedirs(os.path.dirname(full), exist_ok=True)
            os.symlink(target, full)
        for directory, directories, files in os.walk(root):
            for name in directories + files:
                real = os.path.realpath(os.path.join(directory, name))
                assert real == root or real.startswith(root + "/")
