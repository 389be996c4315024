"""Several clients of one bucket against a plain dict, in all weathers.

`Machine` interleaves calls of clients and compares what they answer; in `test_in_a_storm` whole programs run
side by side by turns, with lost replies and late writes, and what each was told is compared with what is there.
"""

from __future__ import annotations

import random
import tempfile
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mvcd.errors import Busy, Conflict, MissingObject, RemoteUnreachable, StaleReuse
from mvcd.ids import ChunkId
from mvcd.store.api import RefUpdate
from mvcd.store.bucket.bucket_store import BucketStore
from tests.store.objects import compressed, delta, mark_values, plain, revisions
from tests.support.memory import MEMORY
from tests.support.simulated import CALM, STORMY, Bucket, Died

CHAIN = revisions(seed=77, count=3, size=128)
TEXTS = [b"text %d " % n * 30 for n in range(2)]
OBJECTS = [plain(CHAIN[0]), *map(compressed, TEXTS), *(delta(b, a) for a, b in pairwise(CHAIN))]
RAW = {plain(data)[0]: data for data in (*CHAIN, *TEXTS)}
NAMES = ("main", "é")
CLIENTS = 2


@pytest.fixture(autouse=True, scope="module")
def indexes_in_memory():
    """Each client has an index of its own, which a slow disk would make durable at each step."""
    before, tempfile.tempdir = tempfile.tempdir, MEMORY or tempfile.gettempdir()
    yield
    tempfile.tempdir = before


def no_sleep(_: float) -> None:
    pass


class Machine(RuleBasedStateMachine):
    """Clients take turns, each with a session. The model is what refs have to be."""

    @initialize(seed=st.integers(0, 1 << 32), grace=st.sampled_from([0, 60]))
    def create(self, seed: int, grace: float) -> None:
        self.bucket = Bucket(random.Random(seed), CALM)
        BucketStore.create(self.bucket.client("maker")).close()
        self.stores = [
            BucketStore.open(self.bucket.client(f"c{n}"), grace_seconds=grace, sleep=no_sleep)
            for n in range(CLIENTS)
        ]
        self.sessions = [store.session() for store in self.stores]
        self.refs: dict[str, bytes] = {}

    def teardown(self) -> None:
        for store in getattr(self, "stores", ()):
            store.close()

    @rule(
        who=st.integers(0, CLIENTS - 1),
        chosen=st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=3),
        flushed=st.booleans(),
    )
    def put(self, who: int, chosen: list, flushed: bool) -> None:
        try:
            for id, encoded in chosen:
                self.sessions[who].put(id, encoded)
            if flushed:
                self.sessions[who].flush()
        except MissingObject:
            assert any(encoded.base is not None for _, encoded in chosen)
        except StaleReuse:
            pass

    @rule(
        who=st.integers(0, CLIENTS - 1),
        name=st.sampled_from(NAMES),
        named=st.lists(st.sampled_from(OBJECTS), max_size=3),
        stale=st.sampled_from([False, False, False, True]),
    )
    def commit(self, who: int, name: str, named: list, stale: bool) -> None:
        """Names only what the session relies on, as callers must."""
        session, ids = self.sessions[who], [id for id, _ in named]
        known = [id for id, no in zip(ids, session.missing(ids), strict=True) if not no]
        value, expect = b"".join(known), b"stale" if stale else self.refs.get(name)
        try:
            session.commit([RefUpdate(name, expect, value or None)], operation=value)
        except StaleReuse:
            return
        except Conflict:
            assert stale
            return
        assert not stale
        self.refs[name] = value
        if not value:
            del self.refs[name]
        require_sound(self.bucket, self.refs)

    @rule(who=st.integers(0, CLIENTS - 1))
    def begin_anew(self, who: int) -> None:
        self.sessions[who].close()
        self.sessions[who] = self.stores[who].session()

    @rule(who=st.integers(0, CLIENTS - 1))
    def look(self, who: int) -> None:
        self.stores[who].look()
        assert self.stores[who].refs() == dict(sorted(self.refs.items(), key=_bytes))

    @rule(who=st.integers(0, CLIENTS - 1), below=st.integers(0, 9), seconds=st.integers(0, 100))
    def collect(self, who: int, below: int, seconds: int) -> None:
        self.bucket.pass_time(seconds)
        self.stores[who].collect(mark_values, drop_operations_below=below)
        require_sound(self.bucket, self.refs)


def _bytes(item: tuple[str, bytes]) -> bytes:
    return item[0].encode()


def require_sound(bucket: Bucket, refs: dict[str, bytes]) -> None:
    """A client that comes now finds these refs, and all that they name."""
    with BucketStore.open(bucket.client("judge")) as store:
        assert store.refs() == dict(sorted(refs.items(), key=_bytes))
        for value in refs.values():
            for at in range(0, len(value), 32):
                id = ChunkId(value[at : at + 32])
                assert store.get(id) == RAW[id]
        assert list(store.check()) == []


Machine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestClientsAgainstModel = Machine.TestCase


# ---------------------------------------------------------------------- storms


class Program:
    """Adds marks to one list that all share, an object for each, and collects now and then.

    `told` says of each mark what its commit answered: True, False for a Conflict, None if that is not known."""

    def __init__(self, bucket: Bucket, name: str, seed: int) -> None:
        self.blobs = bucket.client(name)
        self.name = name
        self.told: dict[str, bool | None] = {}
        self._draw = random.Random(seed)
        self._grace = seed % 2

    def run(self) -> None:
        for n in range(12):
            mark = f"{self.name}{n}"
            try:
                with BucketStore.open(
                    self.blobs, grace_seconds=self._grace, sleep=no_sleep
                ) as store:
                    if self._draw.random() < 0.2:
                        store.collect(mark_values)
                    else:
                        self._add(store, mark)
            except (RemoteUnreachable, Conflict, Busy):
                continue

    def _add(self, store: BucketStore, mark: str) -> None:
        id, encoded = compressed(content(mark))
        old = store.ref("marks")
        with store.session() as session:
            session.put(id, encoded)
            if self._draw.random() < 0.5:
                session.flush()
            try:
                session.commit([RefUpdate("marks", old, (old or b"") + bytes(id))], operation=id)
                self.told[mark] = True
            except Conflict:
                self.told[mark] = False
                raise
            except RemoteUnreachable:
                self.told[mark] = None
                raise


def content(mark: str) -> bytes:
    return f"content of {mark} ".encode() * 9


def marks_in(bucket: Bucket) -> list[bytes]:
    with BucketStore.open(bucket.client("judge")) as store:
        value = store.ref("marks") or b""
        ids = [ChunkId(value[at : at + 32]) for at in range(0, len(value), 32)]
        problems = list(store.check())
        assert problems == [], (problems, bucket.log)
        return [store.get(id) for id in ids]


def storm(seed: int, dies_at: int | None) -> None:
    bucket = Bucket(random.Random(seed), CALM)
    BucketStore.create(bucket.client("maker")).close()
    bucket.weather = STORMY
    programs = [Program(bucket, name, seed + n) for n, name in enumerate("abc")]
    programs[0].blobs.dies_at = dies_at
    ends = bucket.together([program.run for program in programs])
    assert all(end is None or isinstance(end, Died) for end in ends), (ends, bucket.log)
    bucket.calm_down()
    found = [data.decode().split()[2] for data in marks_in(bucket)]
    assert len(found) == len(set(found)), bucket.log
    told = {mark: answer for program in programs for mark, answer in program.told.items()}
    assert {mark for mark, answer in told.items() if answer} <= set(found), bucket.log
    assert not [mark for mark in found if told.get(mark) is False], bucket.log
    for program in programs:
        mine = [mark for mark in found if mark in program.told]
        assert mine == sorted(mine, key=lambda mark: int(mark[1:])), bucket.log
    with BucketStore.open(bucket.client("last"), grace_seconds=0) as store:
        store.collect(mark_values)
        store.collect(mark_values, drop_operations_below=store.state.operation + 1)
        store.collect(mark_values)
        assert store.stats().objects == len(found)
        assert store.state.condemned == ()
    assert len(bucket.names("clock/")) == 0
    marks_in(bucket)


@given(st.integers(0, 1 << 32), st.integers(0, 40) | st.none())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_in_a_storm(seed: int, dies_at: int | None) -> None:
    """What was acknowledged is there, whole, whoever collects or dies beside."""
    storm(seed, dies_at)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@given(st.integers(0, 1 << 32), st.integers(0, 60) | st.none())
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
def test_in_many_storms(seed: int, dies_at: int | None) -> None:
    storm(seed, dies_at)
