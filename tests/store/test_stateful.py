"""Random histories of one LMDB store against the model, with deaths, collections and rebuilds in between."""

from __future__ import annotations

import shutil
import tempfile
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mvcd.errors import Conflict, MissingObject
from mvcd.store.api import RefUpdate
from mvcd.store.lmdb_store import LmdbStore
from mvcd.store.memory_store import MemoryStore
from mvcd.store.rebuild import rebuild_index
from tests.store.objects import compressed, delta, mark_values, plain, revisions

CHAIN = revisions(seed=77, count=6, size=128)
DELTAS = [delta(b, a) for a, b in pairwise(CHAIN)]
PLAIN = [plain(CHAIN[0]), *(compressed(b"text %d " % n * 30) for n in range(8)), plain(b"")]
OBJECTS = [*PLAIN, *DELTAS]
NAMES = ("main", "tags/1", "é")


class StoreMachine(RuleBasedStateMachine):
    """`store` and `model` get the same calls and must give the same answers."""

    sessions = Bundle("sessions")

    @initialize()
    def create(self) -> None:
        self.path = tempfile.mkdtemp()
        self.store = LmdbStore.create(self.path)
        self.model = MemoryStore()
        self.open: list[tuple] = []
        self.refused: set[bytes] = (
            set()
        )  # put for commits that were refused: durable, and named by nothing

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.path)

    @rule(target=sessions)
    def begin(self):
        pair = self.store.session(), self.model.session()
        self.open.append(pair)
        return pair

    @rule(pair=sessions, choice=st.lists(st.sampled_from(OBJECTS), max_size=5))
    def ask(self, pair, choice) -> None:
        if pair in self.open:
            ids = [id for id, _ in choice]
            assert pair[0].missing(ids) == pair[1].missing(ids)

    @rule(pair=sessions, choice=st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=5))
    def put(self, pair, choice) -> None:
        if pair not in self.open:
            return
        for id, encoded in choice:
            answers = []
            for session in pair:
                try:
                    answers.append(session.put(id, encoded) > 0 or not encoded.raw_size)
                except MissingObject:
                    answers.append(MissingObject)
            if encoded.raw_size:
                assert answers[0] == answers[1]

    @rule(pair=sessions)
    def flush(self, pair) -> None:
        if pair in self.open:
            for session in pair:
                session.flush()

    @rule(
        pair=sessions,
        name=st.sampled_from(NAMES),
        named=st.lists(st.sampled_from(OBJECTS), max_size=3),
        stale=st.booleans(),
        logged=st.booleans(),
    )
    def commit(self, pair, name, named, stale, logged) -> None:
        """Names only what the session relies on, as callers must; a stale `expect` is a conflict."""
        if pair not in self.open:
            return
        ids = [id for id, _ in named]
        known = [id for id, no in zip(ids, pair[1].missing(ids), strict=True) if not no]
        assert pair[0].missing(ids) == pair[1].missing(ids)
        value = b"".join(known)
        expect = b"stale" if stale else self.model.ref(name)
        answers = []
        for session in pair:
            try:
                answers.append(
                    session.commit(
                        [RefUpdate(name, expect, value or None)],
                        operation=value if logged else None,
                        cache={name.encode(): value or None},
                    )
                )
            except Conflict as error:
                answers.append(error.kind)
                self.refused |= pair[1]._new.keys()
        assert answers[0] == answers[1]

    @rule(pair=sessions)
    def close(self, pair) -> None:
        if pair in self.open:
            self.open.remove(pair)
            for session in pair:
                session.close()

    @rule(dry_run=st.booleans(), below=st.integers(0, 4))
    def collect(self, dry_run, below) -> None:
        reports = [
            store.collect(mark_values, dry_run=dry_run, drop_operations_below=below)
            for store in (self.store, self.model)
        ]
        assert [(r.objects, r.raw_bytes, r.kept_objects) for r in reports[:1]] == [
            (r.objects, r.raw_bytes, r.kept_objects) for r in reports[1:]
        ]

    def _drop_sessions(self) -> None:
        for pair in self.open:
            for session in pair:
                session.close()
        self.open.clear()

    @rule()
    def reopen(self) -> None:
        """What refused commits had made durable is found again."""
        self._drop_sessions()
        self.store.close()
        self.store = LmdbStore.open(self.path)
        self.store.salvage()
        found = {id for id, _ in self.store.ids()} - self.model._objects.keys()
        assert found <= self.refused
        self.model._objects.update((id, self.store.get_encoded(id)) for id in found)

    @precondition(lambda self: not self.open)
    @rule()
    def rebuild(self) -> None:
        """What was swept but still rests in a pack may come back; a collection removes it again."""
        self.store.close()
        rebuild_index(self.path)
        self.store = LmdbStore.open(self.path)
        self.model._cache.clear()
        self.model._sequence = max((n for n, _ in self.model.operations()), default=0)
        for id, _ in list(self.store.ids()):
            encoded = self.store.get_encoded(id)
            self.model._objects.setdefault(id, encoded)

    @invariant()
    def same_content(self) -> None:
        if not hasattr(self, "store"):
            return
        assert dict(self.store.ids()) == dict(self.model.ids())
        for id, _ in self.store.ids():
            assert self.store.get(id) == self.model.get(id)
        assert self.store.refs() == self.model.refs()
        assert list(self.store.operations()) == list(self.model.operations())
        rows = [row for row in self.store.cache_scan(b"") if not row[0].startswith(b"sound/")]
        assert rows == list(self.model.cache_scan(b""))

    @invariant()
    def sound(self) -> None:
        if hasattr(self, "store"):
            assert list(self.store.check()) == []


StoreMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestStoreAgainstModel = StoreMachine.TestCase


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_store_against_model_at_length():
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=2000,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
