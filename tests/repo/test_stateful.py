"""Random histories against a model made of dicts: what was saved can always be read and checked out again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from tests.support.workspace import Bench

NAMES = st.sampled_from(
    ["a", "b.txt", "model.pkl", "params.yaml", "metrics.json", "data/x.csv", "data/deep/y.csv", "run.py"]
)
CONTENTS = st.one_of(
    st.sampled_from([b"", b"x", b"lr: 0.1\n", b'{"acc": 0.5}', b"a,b\n1,2\n"]),
    st.binary(max_size=300),
    st.integers(0, 3).map(lambda n: bytes([n]) * 200_000),
)

Files = dict[str, bytes]


class Histories(RuleBasedStateMachine):
    """Models: the files on disk, every version's files, where each branch and HEAD stand."""

    versions: Bundle[VersionId] = Bundle("versions")

    @initialize()
    def create(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.directory.name, "experiment"))
        self.repo = self.bench.repo
        self.bench.add()
        self.saved: dict[VersionId, Files] = {}
        self.head: VersionId | None = None
        self.branch: str | None = "main"
        self.branches: dict[str, VersionId] = {}
        self.disk: Files = {}

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.repo.close()
            self.directory.cleanup()

    # ---------------------------------------------------------------- the workspace

    @rule(name=NAMES, content=CONTENTS)
    def write(self, name: str, content: bytes) -> None:
        self.bench.write({name: content})
        self.disk[name] = content

    @rule(name=NAMES, content=CONTENTS)
    def overwrite_within_the_same_tick(self, name: str, content: bytes) -> None:
        """Same size and times as before: only the change time tells, or the racy rule."""
        if name in self.disk:
            content = (content + bytes(len(self.disk[name])))[: len(self.disk[name])]
            before = os.stat(self.bench.path(name))
            Path(self.bench.path(name)).write_bytes(content)
            os.utime(self.bench.path(name), ns=(before.st_atime_ns, before.st_mtime_ns))
            self.disk[name] = content

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name in self.disk:
            self.bench.remove(name)
            del self.disk[name]

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        if old in self.disk:
            Path(self.bench.path(new)).parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.bench.path(old), self.bench.path(new))
            self.disk[new] = self.disk.pop(old)

    # ---------------------------------------------------------------- saving

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
            assert not any(p == name for p in self.saved[version])
            return
        after = self.bench.files()
        assert after.get(name) == self.saved[version].get(name)
        assert {p: c for p, c in after.items() if p != name} == {
            p: c for p, c in before.items() if p != name
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

    # ---------------------------------------------------------------- care

    @rule()
    def reopen(self) -> None:
        self.repo = self.bench.reopen()

    @rule()
    def collect(self) -> None:
        self.repo.gc(context=self.bench.context())

    @rule(version=consumes(versions))
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
        assert {c.path for c in status.added} == now.keys() - before.keys()
        assert {c.path for c in status.deleted} == before.keys() - now.keys()
        assert {c.path for c in status.modified} == {
            p for p in before.keys() & now.keys() if before[p] != now[p]
        }

    # ---------------------------------------------------------------- the model

    def _at_head(self) -> Files:
        return self.saved[self.head] if self.head is not None else {}

    def _dirty(self) -> dict[str, bytes | None]:
        """Paths that differ from HEAD, with what is on disk."""
        head = self._at_head()
        paths = head.keys() | self.disk.keys()
        self._dirty_before = {
            p: self.disk.get(p) for p in paths if head.get(p) != self.disk.get(p)
        }
        return self._dirty_before

    def _arrived(self, version: VersionId, branch: str) -> None:
        self._dirty()
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
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
