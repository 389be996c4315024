"""Random histories against a model made of dicts: what was saved can always be read and checked out again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from mvcd.repo.records.refs import EMPTY_ID
from tests.support.memory import MEMORY
from tests.support.workspace import Bench

NAMED = (
    "a", "a/inner", "b.txt", "model.pkl", "params.yaml", "metrics.json", "data", "data/x.csv",
    "data/deep/y.csv", "run.py",
)  # fmt: skip
NAMES = st.sampled_from(NAMED)
CHOICE = st.integers(0, 20)
CONTENTS = st.one_of(
    st.sampled_from([b"", b"x", b"lr: 0.1\n", b'{"acc": 0.5}', b"a,b\n1,2\n"]),
    st.binary(max_size=300),
    st.integers(0, 3).map(lambda n: bytes([n]) * 200_000),
)

Files = dict[str, bytes]
EDITS = st.dictionaries(NAMES, CONTENTS, min_size=1, max_size=4)
LABELS = st.sampled_from(["one", "two", "three"])


class Histories(RuleBasedStateMachine):
    """Models: the files on disk, every version's files, where each branch, tag and HEAD stand."""

    versions: Bundle[VersionId] = Bundle("versions")

    @initialize(target=versions, first=EDITS, second=EDITS)
    def create(self, first: Files, second: Files) -> VersionId:
        """Two versions from the start: without any, most rules have nothing to act on."""
        self.directory = tempfile.TemporaryDirectory(dir=MEMORY)
        self.bench = Bench(Path(self.directory.name, "experiment"))
        self.repo = self.bench.repo
        self.bench.add()
        self.saved: dict[VersionId, Files] = {}
        self.head: VersionId | None = None
        self.branch: str | None = "main"
        self.branches: dict[str, VersionId] = {}
        self.tags: dict[str, VersionId] = {}
        self.parents: dict[VersionId, VersionId | None] = {}
        self.disk: Files = {}
        made = []
        for files in (first, second):
            self.edit(files)
            made.append(self.commit())
        return multiple(*dict.fromkeys(m for m in made if isinstance(m, VersionId)))  # type: ignore[return-value]

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.repo.close()
            self.directory.cleanup()

    # ---------------------------------------------------------------- the workspace

    @rule(files=EDITS)
    def edit(self, files: Files) -> None:
        for name, content in files.items():
            self._make_way(name)
            self.bench.write({name: content})
            self.disk[name] = content

    @rule(choice=CHOICE, content=CONTENTS)
    def overwrite_within_the_same_tick(self, choice: int, content: bytes) -> None:
        """Same size and times as before: only the change time tells, or the racy rule."""
        if self.disk:
            name = self._pick(choice)
            content = (content + bytes(len(self.disk[name])))[: len(self.disk[name])]
            before = os.stat(self.bench.path(name))
            Path(self.bench.path(name)).write_bytes(content)
            os.utime(self.bench.path(name), ns=(before.st_atime_ns, before.st_mtime_ns))
            self.disk[name] = content

    @rule(choice=CHOICE)
    def remove(self, choice: int) -> None:
        if self.disk:
            name = self._pick(choice)
            self.bench.remove(name)
            del self.disk[name]

    @rule(choice=CHOICE, new=NAMES)
    def rename(self, choice: int, new: str) -> None:
        if not self.disk:
            return
        old = self._pick(choice)
        if old == new or old.startswith(new + "/") or new.startswith(old + "/"):
            return
        self._make_way(new)
        Path(self.bench.path(new)).parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.bench.path(old), self.bench.path(new))
        self.disk[new] = self.disk.pop(old)

    # ---------------------------------------------------------------- saving

    @rule(target=versions, files=EDITS)
    def save(self, files: Files) -> VersionId:
        self.edit(files)
        return self.commit()

    @rule(target=versions)
    def commit(self) -> VersionId:  # type: ignore[return]
        if self.disk == self._at_head() and self.head is not None:
            with pytest.raises(Failure):
                self.bench.commit()
            return multiple()  # type: ignore[return-value]
        result = self.bench.commit()
        self._arrived(result.version, result.branch)
        self.saved[result.version] = dict(self.disk)
        return result.version

    @rule(target=versions, version=versions)
    def rollback(self, version: VersionId) -> VersionId:
        try:
            result = self.repo.rollback(version.hex(), context=self.bench.context())
        except Failure as error:
            assert error.kind == "nothing-to-commit"
            return multiple()  # type: ignore[return-value]
        except Conflict:
            assert self.disk != self._at_head()
            return multiple()  # type: ignore[return-value]
        self._arrived(result.version, result.branch)
        self._moved_to(version, self._dirty_before)
        self.saved[result.version] = dict(self.saved[version])
        return result.version

    # ---------------------------------------------------------------- moving

    @rule(version=versions)
    def checkout(self, version: VersionId) -> None:
        dirty = self._dirty()
        try:
            result = self.bench.checkout(version.hex())
        except Conflict:
            assert dirty
            return
        self.head, self.branch = version, result.head.branch
        self._moved_to(version, dirty)

    @rule(version=versions)
    def checkout_by_force_and_undo(self, version: VersionId) -> None:
        before = dict(self.disk)
        self.bench.checkout(version.hex(), force=True)
        assert self.bench.files() == self.saved[version]
        self.repo.undo(context=self.bench.context())
        assert self.bench.files() == before

    @rule(version=versions, name=NAMES)
    def restore_one_path_and_undo(self, version: VersionId, name: str) -> None:
        before = dict(self.disk)
        try:
            self.repo.restore(version.hex(), [self.bench.path(name)], context=self.bench.context())
        except Failure:
            assert not any(p == name or p.startswith(name + "/") for p in self.saved[version])
            return
        except Conflict:  # another path is where this one's directory, or this one, should be
            assert any(name.startswith(p + "/") for p in before)
            assert self.bench.files() == before
            return
        inside = {p for p in NAMED if p == name or p.startswith(name + "/")}
        saved, after = self.saved[version], self.bench.files()
        assert {p: c for p, c in after.items() if p in inside} == {
            p: c for p, c in saved.items() if p in inside
        }
        assert {p: c for p, c in after.items() if p not in inside} == {
            p: c for p, c in before.items() if p not in inside
        }
        self.repo.undo(context=self.bench.context())
        assert self.bench.files() == before

    @rule()
    @precondition(lambda self: self.branch is None)
    def back_to_main(self) -> None:
        if "main" in self.branches:
            dirty = self._dirty()
            try:
                self.repo.switch("main", context=self.bench.context())
            except Conflict:
                assert dirty
                return
            self.head, self.branch = self.branches["main"], "main"
            self._moved_to(self.head, dirty)

    @rule(name=LABELS)
    def switch(self, name: str) -> None:
        if name not in self.branches:
            with pytest.raises(Failure):
                self.repo.switch(name, context=self.bench.context())
            return
        dirty = self._dirty()
        try:
            self.repo.switch(name, context=self.bench.context())
        except Conflict:
            assert dirty
            return
        self.head, self.branch = self.branches[name], name
        self._moved_to(self.head, dirty)

    # ---------------------------------------------------------------- names

    @rule(name=LABELS, version=versions)
    def create_branch(self, name: str, version: VersionId) -> None:
        if name in self.branches:
            with pytest.raises(Failure):
                self.repo.create_branch(name, version.hex(), context=self.bench.context())
            return
        self.repo.create_branch(name, version.hex(), context=self.bench.context())
        self.branches[name] = version

    @rule(name=LABELS, force=st.booleans())
    def delete_branch(self, name: str, force: bool) -> None:
        allowed = name in self.branches and self.branch != name
        others = [id for other, id in self.branches.items() if other != name]
        others += self.tags.values()
        if allowed and not force:
            allowed = any(self.branches[name] in self._line(id) for id in others)
        if not allowed:
            with pytest.raises((Failure, Conflict)):
                self.repo.delete_branch(name, context=self.bench.context(), force=force)
            return
        self.repo.delete_branch(name, context=self.bench.context(), force=force)
        del self.branches[name]

    @rule(name=LABELS, version=versions)
    def create_or_delete_tag(self, name: str, version: VersionId) -> None:
        if name in self.tags:
            self.repo.delete_tag(name, context=self.bench.context())
            del self.tags[name]
        else:
            self.repo.create_tag(name, version.hex(), context=self.bench.context())
            self.tags[name] = version

    @rule(name=LABELS, version=versions)
    def name_and_undo(self, name: str, version: VersionId) -> None:
        if name not in self.tags and name not in self.branches:
            self.repo.create_tag(name, version.hex(), context=self.bench.context())
            self.repo.create_branch(name, version.hex(), context=self.bench.context())
            self.repo.undo(context=self.bench.context())
            self.repo.undo(context=self.bench.context())

    # ---------------------------------------------------------------- care

    @rule()
    def reopen(self) -> None:
        self.repo = self.bench.reopen()

    @rule()
    def collect(self) -> None:
        self.repo.gc(context=self.bench.context())

    @rule(version=versions)
    def read_back(self, version: VersionId) -> None:
        listed = {row.path: row.size for row in self.repo.ls(version.hex())}
        assert listed == {p: len(c) for p, c in self.saved[version].items()}
        for path, content in self.saved[version].items():
            assert self.repo.read(path, version.hex()) == content

    @rule()
    def verify(self) -> None:
        report = self.repo.verify()
        assert report.ok, report.errors

    @invariant()
    def status_tells_the_truth(self) -> None:
        if not hasattr(self, "bench"):
            return
        before, now = self._at_head(), self.disk
        status = self.repo.status()
        # told by inode, size and time: what was changed in place, its time set back, a commit reads
        assert all(len(before[one.old]) == len(now[one.new]) for one in status.renamed)
        came, went = ({getattr(r, side) for r in status.renamed} for side in ("new", "old"))
        assert {c.path for c in status.added} | came == now.keys() - before.keys()
        assert {c.path for c in status.deleted} | went == before.keys() - now.keys()
        assert {c.path for c in status.modified} == {
            p for p in before.keys() & now.keys() if before[p] != now[p]
        }

    @invariant()
    def names_stand_where_they_were_put(self) -> None:
        if not hasattr(self, "bench"):
            return
        assert {b.name: b.version for b in self.repo.branches()} == self.branches
        assert {t.name: t.version for t in self.repo.tags()} == self.tags
        assert (self.repo.head.branch, self.repo.head.version) == (
            self.branch,
            self.head or EMPTY_ID,
        )

    # ---------------------------------------------------------------- the model

    def _pick(self, choice: int) -> str:
        names = sorted(self.disk)
        return names[choice % len(names)]

    def _make_way(self, name: str) -> None:
        """A file cannot lie below a file, nor where a directory is."""
        for other in list(self.disk):
            if other.startswith(name + "/") or name.startswith(other + "/"):
                self.bench.remove(other)
                del self.disk[other]
        path = Path(self.bench.path(name))
        if path.is_dir():
            for directory, _, _ in os.walk(path, topdown=False):
                os.rmdir(directory)

    def _line(self, id: VersionId | None) -> Iterator[VersionId]:
        while id is not None:
            yield id
            id = self.parents[id]

    def _at_head(self) -> Files:
        return self.saved[self.head] if self.head is not None else {}

    def _dirty(self) -> dict[str, bytes | None]:
        """Paths that differ from HEAD, with what is on disk."""
        head = self._at_head()
        paths = head.keys() | self.disk.keys()
        self._dirty_before = {p: self.disk.get(p) for p in paths if head.get(p) != self.disk.get(p)}
        return self._dirty_before

    def _arrived(self, version: VersionId, branch: str) -> None:
        self._dirty()
        self.parents[version] = self.head
        self.head, self.branch = version, branch
        self.branches[branch] = version

    def _moved_to(self, version: VersionId, kept: dict[str, bytes | None]) -> None:
        """The files become the version's, except unsaved work that was not in the way."""
        expected = dict(self.saved[version])
        for path, content in kept.items():
            expected.pop(path, None)
            if content is not None:
                expected[path] = content
        self.disk = self.bench.files()
        assert self.disk == expected


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
