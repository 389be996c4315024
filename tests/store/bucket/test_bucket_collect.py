"""Collection beside pushes: what the argument in BUCKET.md says, case by case."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mvcd.errors import Busy, MissingObject, StaleReuse
from mvcd.ids import ChunkId, Digest
from mvcd.store.api import RefUpdate
from mvcd.store.bucket.bucket_collect import SMALL_PACKS
from mvcd.store.bucket.bucket_store import BucketStore
from tests.store.objects import mark_nodes, mark_values, node_of, plain, some
from tests.support.interposed import Interposed
from tests.support.simulated import Bucket

DAY = 86400.0


@pytest.fixture
def bucket():
    made = Bucket(random.Random(1))
    BucketStore.create(made.client()).close()
    return made


@pytest.fixture
def opened(bucket):
    """Opens one more client, and closes all in the end."""
    stores: list[BucketStore] = []

    def open_one(grace: float = 0) -> BucketStore:
        stores.append(BucketStore.open(Interposed(bucket.client()), grace_seconds=grace))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


Opened = Callable[..., BucketStore]


def put(store: BucketStore, data: bytes, ref: str | None = None) -> Digest:
    id, encoded = plain(data)
    with store.session() as session:
        session.put(id, encoded)
        session.commit([] if ref is None else [RefUpdate(ref, None, bytes(id))])
    return id


def collect(store: BucketStore) -> int:
    return store.collect(mark_values).objects


def test_who_reuses_what_is_collected_meanwhile_starts_over(bucket, opened: Opened) -> None:
    one, two = opened(), opened()
    id = put(one, b"nobody names it")
    two.look()
    with two.session() as session:
        assert session.missing([id]) == [False]
        assert collect(one) == 1
        with pytest.raises(StaleReuse):
            session.commit([RefUpdate("a", None, bytes(id))])
        assert two.refs() == {}
        assert session.missing([id]) == [True]
        session.put(*plain(b"nobody names it"))
        session.commit([RefUpdate("a", None, bytes(id))])
    one.look()
    assert one.get(id) == b"nobody names it"
    assert list(opened().check()) == []


@pytest.mark.parametrize("times", [1, 2])
def test_what_was_sent_and_condemned_is_not_taken_up(bucket, opened: Opened, times: int) -> None:
    """Also where the list of what is condemned has forgotten it since."""
    one, two = opened(), opened()
    id, encoded = plain(b"on its way")
    two.blobs.before("swap refs", lambda: [collect(one) for _ in range(times)])
    with two.session() as session:
        session.put(id, encoded)
        with pytest.raises(StaleReuse):
            session.commit([RefUpdate("a", None, bytes(id))])
        session.put(id, encoded)
        session.commit([RefUpdate("a", None, bytes(id))])
    assert opened().get(id) == b"on its way"
    assert list(two.check()) == []


def test_with_a_time_of_grace_pushes_under_way_are_left_alone(bucket, opened: Opened) -> None:
    one, two = opened(DAY), opened(DAY)
    id, encoded = plain(b"on its way")
    two.blobs.before("swap refs", lambda: collect(one))
    with two.session() as session:
        session.put(id, encoded)
        session.commit([RefUpdate("a", None, bytes(id))])
    assert two.get(id) == b"on its way"


def test_a_push_while_it_is_looked_makes_a_collection_look_again(bucket, opened: Opened) -> None:
    one, two = opened(), opened()
    id = put(one, b"nobody names it")
    two.look()
    one.blobs.before("swap refs", lambda: two.update_refs([RefUpdate("a", None, bytes(id))]))
    assert collect(one) == 0
    assert opened().get(id) == b"nobody names it"
    assert list(one.check()) == []


def test_what_somebody_else_pushed_since_it_was_opened_stays(bucket, opened: Opened) -> None:
    """Marking reads what is swept: with the index of a client that has not looked since, content that was
    pushed meanwhile is absent, and what is absent reaches nothing."""
    one, two = opened(), opened()
    content, nobody = put(two, b"content"), put(two, b"nobody names it")
    node, encoded = node_of(content)
    with two.session() as session:
        session.put(node, encoded)
        session.commit([RefUpdate("a", None, bytes(node))])
    assert one.collect(mark_nodes).objects == 1
    fresh = opened()
    assert fresh.has([node, content, nobody]) == [True, True, False]
    assert list(fresh.check()) == []


def test_a_collection_that_is_never_fast_enough_gives_up(bucket, opened: Opened) -> None:
    one, two = opened(), opened()
    put(one, b"nobody names it")

    def push() -> None:
        put(two, random.randbytes(9))
        one.blobs.before("swap refs", push)

    one.blobs.before("swap refs", push)
    with pytest.raises(Busy):
        one.collect(mark_values)
    assert list(opened().check()) == []


def test_a_reader_with_an_older_index_finds_what_was_moved(bucket, opened: Opened) -> None:
    one = opened()
    with one.session() as session:
        kept, encoded = plain(b"kept")
        session.put(kept, encoded)
        for id, more, _ in some(seed=3, count=20):
            session.put(id, more)
        session.commit([RefUpdate("a", None, bytes(kept))])
    reader = opened()
    assert collect(one) == 20
    packs = bucket.names("packs/")
    assert len(packs) == 1
    assert reader.get(kept) == b"kept"
    reader = opened()
    again = opened()
    one.update_refs([RefUpdate("a", bytes(kept), None)])
    assert collect(one) == 1
    for store in (reader, again):
        with pytest.raises(MissingObject):
            store.get(kept)
    assert bucket.names("packs/") == []


def test_what_is_condemned_goes_when_its_time_is_over(bucket, opened: Opened) -> None:
    one = opened(DAY)
    id = put(one, b"named", "a")
    bucket.pass_time(2 * DAY)
    one.update_refs([RefUpdate("a", bytes(id), None)])
    assert one.collect(mark_values, dry_run=True).objects == 1
    assert one.state.condemned == ()
    report = one.collect(mark_values)
    assert (report.objects, report.freed_bytes) == (1, 0)
    assert not one.has([id])[0]
    condemned = {found.name for found in one.state.condemned}
    assert len([n for n in condemned if n.startswith("packs/")]) == 1
    assert condemned <= set(bucket.names())
    assert one.collect(mark_values).freed_bytes == 0
    bucket.pass_time(2 * DAY)
    assert opened(DAY).collect(mark_values).freed_bytes > 0
    assert not condemned & set(bucket.names())
    assert bucket.names("packs/") == []


def test_what_is_put_anew_after_it_was_condemned_has_another_name(bucket, opened: Opened) -> None:
    one = opened(DAY)
    id = put(one, b"the same bytes", "a")
    bucket.pass_time(2 * DAY)
    one.update_refs([RefUpdate("a", bytes(id), None)])
    one.collect(mark_values)
    assert put(one, b"the same bytes", "a") == id
    bucket.pass_time(2 * DAY)
    one.collect(mark_values)
    one.collect(mark_values)
    assert opened().get(id) == b"the same bytes"
    assert list(one.check()) == []


def test_what_dead_clients_left_goes(bucket, opened: Opened) -> None:
    dead = bucket.client()
    store = BucketStore.open(dead)
    with store.session() as session:
        session.put(*plain(b"never swapped in"))
        dead.dies_at = dead.calls + 2
        with pytest.raises(BaseException, match="at its call"):
            session.commit()
    bucket.calm_down()
    assert bucket.names("packs/")
    collect(opened())
    assert bucket.names("packs/") == bucket.names("runs/") == []
    assert bucket.names() == ["refs"]


def test_what_others_keep_below_names_of_the_store_stays(bucket, opened: Opened) -> None:
    """A store at the top of a bucket, beside logs of trainings, and another store below its `packs/`."""
    inner = f"packs/packs/{'ab' * 32}"
    foreign = ["clock/tower.png", "logs/2026/train.log", inner, "packs/refs", "runs/1/events"]
    client = bucket.client()
    for name in foreign:
        client.put(name, b"of somebody else")
    left = f"packs/{'cd' * 32}"
    client.put(left, b"what a push left that was cut short")
    one = opened()
    put(one, b"nobody names it")
    assert collect(one) == 1
    collect(one)
    assert bucket.names() == sorted([*foreign, "refs"])
    assert list(one.check()) == []


def test_small_packs_are_put_together(bucket, opened: Opened) -> None:
    one = opened()
    ids = [put(one, b"push %d" % n, f"tags/{n}") for n in range(SMALL_PACKS + 1)]
    assert len(bucket.names("packs/")) == SMALL_PACKS + 1
    assert collect(one) == 0
    assert len(bucket.names("packs/")) == 1
    reader = opened()
    assert dict(reader.get_many(ids)) == {id: b"push %d" % n for n, id in enumerate(ids)}
    assert list(reader.check()) == []


def test_a_damaged_pack_stays_where_it_is_found(bucket, opened: Opened) -> None:
    one = opened()
    with one.session() as session:
        kept, encoded = plain(b"kept and damaged")
        session.put(kept, encoded)
        for id, more, _ in some(seed=3, count=20):
            session.put(id, more)
        session.commit([RefUpdate("a", None, bytes(kept))])
    (name,) = bucket.names("packs/")
    data = bucket.content(name).replace(b"kept and damaged", b"kept and DAMAGED")
    bucket.write(name, data, "any")
    assert collect(opened()) == 20
    assert bucket.names("packs/") == [name]
    assert [found.id for found in opened().check()] == [ChunkId(kept)]
