"""Two people, a server and crashes against a model of dicts: what was acknowledged is read back by everybody.

Each rule is a verb of one of the two, on a real store, through a real socket; a crash is kill -9 at the n-th
system call of a real command. At length: `pytest -m campaign tests/faults/test_team_histories.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mvcd.errors import Conflict, Failure
from mvcd.ids import VersionId
from mvcd.repo.core.core import no_secret
from mvcd.repo.joining.threeway import Choices
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.share.pushing import Asked
from mvcd.store.lmdb_store import LmdbStore
from tests.support.engine import Repository
from tests.support.faults import KILL, Host
from tests.support.memory import MEMORY
from tests.support.workspace import Bench
from tests.wire.hosts import CarefulRepository, serving

Files = dict[str, bytes]
EDITS = st.dictionaries(
    st.sampled_from(("a.bin", "data/x.csv", "params.yaml", "model.pt")),
    st.one_of(st.binary(max_size=40), st.integers(0, 3).map(lambda n: bytes([n]) * 150_000)),
    min_size=1,
    max_size=3,
)
WHO = st.sampled_from((0, 1))
MOMENT = st.integers(1, 90)
"""A commit makes 66 calls that can fail."""


@dataclass
class Mate:
    """A person, and where the model says that they stand."""

    bench: Bench
    head: VersionId = EMPTY_ID
    here: set[VersionId] = field(default_factory=set)
    """Versions that are in this repository for certain."""


class TeamHistories(RuleBasedStateMachine):
    """Models the files of every version, its ancestors, both heads, and the server's main."""

    host: Host

    @initialize(first=EDITS)
    def create(self, first: Files) -> None:
        self.directory = tempfile.TemporaryDirectory(dir=MEMORY)
        self.top = Path(self.directory.name)
        self.saved: dict[VersionId, Files] = {}
        self.lines: dict[VersionId, set[VersionId]] = {EMPTY_ID: set()}
        self.main: VersionId = EMPTY_ID
        self.store = LmdbStore.create(self.top / "server")
        self.served, self.port = serving(self.store, CarefulRepository)
        self.mates = [Mate(Bench(self.top / name)) for name in ("ada", "bob")]
        for mate in self.mates:
            mate.bench.add()
            mate.bench.repo.add_remote("origin", self.url)
        self.save(0, first)
        self.push(0)
        self.pull(1)

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}/r"

    def teardown(self) -> None:
        if not hasattr(self, "mates"):
            return
        try:
            self._all_is_there()
        finally:
            for mate in self.mates:
                mate.bench.repo.close()
            self.served.stop(0)
            self.store.close()
            self.directory.cleanup()

    # ---------------------------------------------------------------- verbs

    @rule(who=WHO, files=EDITS)
    def save(self, who: int, files: Files) -> None:
        mate = self.mates[who]
        mate.bench.write(dict(files))
        try:
            made = mate.bench.commit()
        except Failure as error:
            assert error.kind == "nothing-to-commit"
            assert mate.bench.files() == self.saved.get(mate.head, {})
            return
        self._born(mate, made.version, [mate.head])

    @rule(who=WHO)
    def push(self, who: int) -> None:
        mate = self.mates[who]
        if mate.head == EMPTY_ID:
            return
        try:
            mate.bench.repo.push(None, Asked(("main",)), context=mate.bench.context())
        except Conflict:
            assert self.main not in self.lines[mate.head] | {mate.head}
            return
        assert self.main in self.lines[mate.head] | {mate.head, EMPTY_ID}
        self.main = mate.head

    @rule(who=WHO)
    def pull(self, who: int) -> None:
        mate = self.mates[who]
        if self.main == EMPTY_ID:
            return
        try:
            mate.bench.repo.pull(["origin"], "main", context=mate.bench.context())
        except Conflict:
            assert mate.head not in self.lines[self.main] | {self.main}
            assert self.main not in self.lines[mate.head]
        else:
            self._pulled(mate)
        mate.here |= self.lines[self.main] | {self.main}

    @rule(who=WHO)
    def merge(self, who: int) -> None:
        mate = self.mates[who]
        if EMPTY_ID in (self.main, mate.head):
            return
        mate.bench.repo.fetch(["origin"])
        mate.here |= self.lines[self.main] | {self.main}
        context = mate.bench.context()
        done = mate.bench.repo.merge("origin/main", Choices(ours=(".",)), context=context)
        if done.commit is None:
            self._pulled(mate)
        else:
            self._born(mate, done.commit.version, [mate.head, self.main])

    @rule(who=WHO, choice=st.integers(0, 50))
    def look_at_an_old_version(self, who: int, choice: int) -> None:
        mate = self.mates[who]
        known = sorted(mate.here)
        if not known:
            return
        version = known[choice % len(known)]
        mate.bench.checkout(version.hex())
        assert mate.bench.files() == self.saved[version]
        if mate.head != EMPTY_ID:
            mate.bench.repo.switch("main", context=mate.bench.context())
            assert mate.bench.files() == self.saved[mate.head]

    @rule(who=WHO)
    def collect(self, who: int) -> None:
        bench = self.mates[who].bench
        bench.repo.gc(context=bench.context(), keep_operations_us=0)

    @rule()
    def the_server_starts_again(self) -> None:
        self.served.stop(0)
        self.store.close()
        self.store = LmdbStore.open(self.top / "server")
        self.served, self.port = serving(self.store, CarefulRepository)
        for mate in self.mates:
            mate.bench.repo.set_remote_url("origin", self.url)

    # ---------------------------------------------------------------- deaths

    @rule(who=WHO, files=EDITS, moment=MOMENT)
    def die_in_a_commit(self, who: int, files: Files, moment: int) -> None:
        mate = self.mates[who]
        mate.bench.write(dict(files))
        self._die(mate, ["commit", "-m", "perhaps"], moment)
        repo = mate.bench.reopen()
        if repo.head.version != mate.head:
            self._born(mate, repo.head.version, [mate.head])
        self.save(who, files)

    @rule(who=WHO, moment=MOMENT)
    def die_in_a_push(self, who: int, moment: int) -> None:
        mate = self.mates[who]
        self._die(mate, ["push", "origin", "main"], moment)
        mate.bench.reopen()
        self._server_is(self.main, mate.head)
        self.push(who)

    @rule(who=WHO, moment=MOMENT)
    def die_in_a_pull(self, who: int, moment: int) -> None:
        mate = self.mates[who]
        before = self.saved.get(mate.head, {})
        self._die(mate, ["pull", "origin", "main"], moment)
        repo = mate.bench.reopen()
        assert repo.head.version in (mate.head, self.main)
        after = self.saved.get(self.main, {})
        for path, content in mate.bench.files().items():
            assert content in (before.get(path), after.get(path))
        if repo.head.version == mate.head and mate.bench.files() != before:
            repo.checkout("main", context=mate.bench.context(), force=True)
        mate.head = repo.head.version
        self.pull(who)

    # ---------------------------------------------------------------- what holds always

    @invariant()
    def everybody_stands_where_they_should(self) -> None:
        if not hasattr(self, "mates"):
            return
        found = self.store.ref("heads/main")
        assert found == (None if self.main == EMPTY_ID else bytes(self.main))
        for mate in self.mates:
            assert mate.bench.repo.head.version == mate.head
            assert mate.bench.repo.status().clean or mate.head == EMPTY_ID
            assert mate.bench.files() == self.saved.get(mate.head, {})

    def _all_is_there(self) -> None:
        assert list(self.store.check()) == []
        for mate in self.mates:
            report = mate.bench.repo.verify()
            assert report.ok, report.errors
            for version in mate.here:
                for path, content in self.saved[version].items():
                    assert mate.bench.repo.read(path, version.hex()) == content
        if self.main == EMPTY_ID:
            return
        fresh, _ = Repository.clone(
            self.url,
            str(self.top / "fresh"),
            context=self.mates[0].bench.context(),
            secret=no_secret,
        )
        with fresh:
            for version in self.lines[self.main] | {self.main}:
                for path, content in self.saved[version].items():
                    assert fresh.read(path, version.hex()) == content

    # ---------------------------------------------------------------- the model

    def _born(self, mate: Mate, version: VersionId, parents: list[VersionId]) -> None:
        self.saved[version] = mate.bench.files()
        older = [self.lines[parent] | {parent} for parent in parents]
        self.lines[version] = set().union(*older) - {EMPTY_ID}
        mate.head = version
        mate.here |= self.lines[version] | {version}

    def _pulled(self, mate: Mate) -> None:
        if self.main not in self.lines[mate.head]:
            assert mate.head in self.lines[self.main] | {self.main, EMPTY_ID}
            mate.head = self.main

    def _die(self, mate: Mate, words: list[str], moment: int) -> None:
        mate.bench.repo.close()
        ended = self.host.run(words, mate.bench.root, root=mate.bench.root, nth=moment, error=KILL)
        assert (ended.code == -9) == bool(ended.failed), ended
        assert ended.failed or ended.code in (0, 1), ended

    def _server_is(self, *allowed: VersionId) -> None:
        found = self.store.ref("heads/main")
        assert found in [None if id == EMPTY_ID else bytes(id) for id in allowed]
        self.main = EMPTY_ID if found is None else VersionId(found)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory() as places, Host(Path(places)) as started:
        yield started


def histories(host: Host, **limits: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    TeamHistories.host = host
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        TeamHistories, settings=settings(deadline=None, suppress_health_check=quiet, **limits)
    )


def test_histories_of_a_team(host: Host) -> None:
    histories(host, max_examples=6, stateful_step_count=12)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_histories_of_a_team_at_length(host: Host) -> None:
    histories(host, max_examples=500, stateful_step_count=60)
