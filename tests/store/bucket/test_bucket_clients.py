"""What clients of a bucket ask of it, and how their own indexes follow."""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path

import pytest

from mvcd.errors import Conflict, Failure, IntegrityError, RemoteUnreachable
from mvcd.ids import ID_TYPES, Kind
from mvcd.store.api import RefUpdate
from mvcd.store.bucket.blobs import InDoubt
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.bucketstate import KEPT_WRITE_IDS
from mvcd.store.bucket.logsegments import INLINE_ROWS
from mvcd.store.bucket.merging import MERGE_RUNS
from mvcd.store.bucket.packing import SEAL_BYTES
from mvcd.store.memory_store import MemoryStore
from tests.store.objects import mark_values, plain, some
from tests.support.interposed import Interposed
from tests.support.simulated import Bucket


@pytest.fixture
def bucket():
    made = Bucket(random.Random(1))
    BucketStore.create(made.client()).close()
    return made


def push(store: BucketStore, data: bytes, ref: str) -> None:
    id, encoded = plain(data)
    with store.session() as session:
        session.put(id, encoded)
        session.commit([RefUpdate(ref, store.ref(ref), bytes(id))], operation=data)


def named(store: BucketStore, data: bytes, ref: str) -> None:
    """The same, with a ref alone that a collection finds it by."""
    id, encoded = plain(data)
    with store.session() as session:
        session.put(id, encoded)
        session.commit([RefUpdate(ref, None, bytes(id))])


# ---------------------------------------------------------------------- requests


def test_a_look_is_one_request(bucket: Bucket, tmp_path: Path) -> None:
    with BucketStore.open(bucket.client(), cache=str(tmp_path)) as store:
        push(store, b"one", "a")
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, cache=str(tmp_path)) as store:
        assert store.refs().keys() == {"a"}
        assert store.has([plain(b"one")[0]]) == [True]
        assert blobs.requests == {"get refs": 1}
        store.changes()
        assert blobs.requests == {"get refs": 2}


def test_a_push_is_a_pack_a_run_and_a_swap(bucket: Bucket, tmp_path: Path) -> None:
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, cache=str(tmp_path)) as store:
        push(store, b"one", "a")
    assert blobs.requests == {"get refs": 1, "put packs": 1, "put runs": 1, "swap refs": 1}


def test_versions_are_read_without_a_request(bucket: Bucket, tmp_path: Path) -> None:
    ids = []
    for n in range(20):
        with (
            BucketStore.open(bucket.client(), cache=str(tmp_path / "one")) as store,
            store.session() as session,
        ):
            id, encoded = plain(b"version %d" % n, Kind.VERSION)
            session.put(id, encoded)
            session.commit()
            ids.append(id)
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, cache=str(tmp_path / "two")) as store:
        assert [store.get(id) for id in ids] == [b"version %d" % n for n in range(20)]
        assert blobs.requests.keys() == {"get refs", "get runs"}
        assert blobs.requests["get runs"] < 2 * MERGE_RUNS


def test_runs_are_merged_and_the_newest_row_counts(bucket: Bucket, tmp_path: Path) -> None:
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, cache=str(tmp_path)) as store:
        for n in range(5 * MERGE_RUNS):
            push(store, b"push %d" % n, "a")
        assert len(store.state.runs) <= MERGE_RUNS
        assert "get runs" not in blobs.requests  # small ones are kept
        assert store.state.pack_bytes == sum(len(bucket.content(n)) for n in bucket.names("packs/"))
        assert store.stats().packs == 5 * MERGE_RUNS
    with BucketStore.open(bucket.client()) as store:
        assert store.stats().objects == 5 * MERGE_RUNS
        assert list(store.check()) == []


def test_after_a_collection_only_runs_that_are_new_are_fetched(
    bucket: Bucket, tmp_path: Path
) -> None:
    """Here that of the push of which one object has gone; a push that has gone as a whole costs nothing."""
    old = some(seed=1, count=2000)
    with BucketStore.open(bucket.client(), grace_seconds=0) as store:
        with store.session() as session:
            for id, encoded, _ in old:
                session.put(id, encoded)
            session.commit([RefUpdate("old", None, b"".join(id for id, _, _ in old))])
        with store.session() as session:
            for data in (b"left", b"gone"):
                session.put(*plain(data))
            session.commit([RefUpdate("both", None, plain(b"left")[0] + plain(b"gone")[0])])
        for n in range(4):
            named(store, b"push %d" % n, f"new{n}")
    BucketStore.open(bucket.client(), cache=str(tmp_path)).close()
    with BucketStore.open(bucket.client(), grace_seconds=0) as store:
        whole = sum(run.size_bytes for run in store.state.runs)
        store.update_refs([RefUpdate("new2", store.ref("new2"), None)])
        store.update_refs([RefUpdate("both", store.ref("both"), bytes(plain(b"left")[0]))])
        assert store.collect(mark_values).objects == 2
        epoch = store.state.epoch
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, cache=str(tmp_path)) as store:
        assert (blobs.requests, store.state.epoch) == ({"get refs": 1, "get runs": 1}, epoch)
        came = blobs.read_bytes - len(bucket.content("refs"))
        assert came == store.state.runs[-1].size_bytes < whole / 50
        assert store.has([plain(b"push %d" % n)[0] for n in range(4)]) == [True, True, False, True]
        assert all(store.has([id for id, _, _ in old]))
        assert store.has([plain(b"left")[0], plain(b"gone")[0]]) == [True, False]
        assert store.stats().objects == 2004
    with (
        BucketStore.open(bucket.client()) as anew,
        BucketStore.open(bucket.client(), cache=str(tmp_path)) as store,
    ):
        assert {id for id, _ in anew.ids()} == {id for id, _ in store.ids()}
        assert list(anew.check()) == list(store.check()) == []


def test_a_collection_that_loses_no_row_costs_an_index_nothing(
    bucket: Bucket, tmp_path: Path
) -> None:
    with BucketStore.open(bucket.client(), cache=str(tmp_path), grace_seconds=0) as store:
        named(store, b"one", "a")
        bucket.write("packs/" + "0" * 64, b"nobody names it", "any")
        epoch = store.state.epoch
        store.collect(mark_values)
        assert store.state.epoch == epoch + 1
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, cache=str(tmp_path)) as store:
        assert blobs.requests == {"get refs": 1} and store.has([plain(b"one")[0]]) == [True]


def test_reading_forward_takes_ranges_of_megabytes(bucket: Bucket) -> None:
    objects = [plain(random.Random(n).randbytes(200_000)) for n in range(250)]
    with BucketStore.open(bucket.client()) as store, store.session() as session:
        for id, encoded in objects:
            session.put(id, encoded)
        session.commit()
    packs = bucket.names("packs/")
    assert len(packs) == 2 and len(bucket.content(packs[0])) <= SEAL_BYTES + (1 << 20)
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs) as store:
        assert sum(1 for _ in store.get_many([id for id, _ in objects])) == 250
        assert blobs.requests["get packs"] <= 24  # of 50 MB
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs) as store:
        for id, _ in objects[::40]:
            store.get(id)
        assert blobs.requests["get packs"] <= 14


def test_what_is_near_by_is_not_fetched(bucket: Bucket) -> None:
    objects = some(seed=5, count=30)
    near = MemoryStore()
    with BucketStore.open(bucket.client()) as store:
        for one in (store, near):
            with one.session() as session:
                for id, encoded, _ in objects[: 20 if one is near else 30]:
                    session.put(id, encoded)
                session.commit()
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, nearby=near) as store:
        ids = [id for id, _, _ in objects]
        assert dict(store.get_many(ids[:20])) == {id: data for id, _, data in objects[:20]}
        assert store.get(ids[0]) == objects[0][2]
        assert "get packs" not in blobs.requests
        assert len(dict(store.get_many(ids))) == 30
        assert list(store.check()) == []
    with BucketStore.open(bucket.client(), nearby=near) as store:
        absent, encoded = plain(b"only near by")
        with near.session() as session:
            session.put(absent, encoded)
            session.commit()
        assert dict(store.get_many([absent])) == {}


# ---------------------------------------------------------------------- indexes


def test_an_index_is_made_anew_when_it_is_gone_or_damaged(bucket: Bucket, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with BucketStore.open(bucket.client(), cache=str(cache)) as store:
        push(store, b"one", "a")
    for harm in (
        lambda: shutil.rmtree(cache),
        lambda: next(cache.rglob("data.mdb")).write_bytes(b"no index" * 1000),
        lambda: next(cache.rglob("data.mdb")).write_bytes(b""),
    ):
        harm()
        with BucketStore.open(bucket.client(), cache=str(cache)) as store:
            assert store.get(plain(b"one")[0]) == b"one"


def test_where_no_index_can_be_kept_it_is_done_without(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with BucketStore.open(bucket.client(), cache=str(tmp_path / "file")) as store:
        push(store, b"one", "a")
        assert store.get(plain(b"one")[0]) == b"one"


def test_older_objects_that_were_put_back_are_seen(bucket: Bucket, tmp_path: Path) -> None:
    """An index that knows more than the bucket would let a push leave out what is not there."""
    with BucketStore.open(bucket.client(), cache=str(tmp_path)) as store:
        push(store, b"one", "a")
        older = bucket.content("refs")
        push(store, b"two", "a")
    bucket.write("refs", older, "any")
    with BucketStore.open(bucket.client(), cache=str(tmp_path)) as store:
        assert store.has([plain(b"one")[0], plain(b"two")[0]]) == [True, False]
        push(store, b"three", "a")
        push(store, b"four", "a")
    bucket.write("refs", older, "any")
    with BucketStore.open(bucket.client()) as store:
        push(store, b"five", "a")
        push(store, b"six", "a")
        push(store, b"seven", "a")
    with BucketStore.open(bucket.client(), cache=str(tmp_path)) as store:
        assert store.has([plain(b"three")[0], plain(b"seven")[0]]) == [False, True]
        assert list(store.check()) == []


def test_two_programs_share_an_index(bucket: Bucket, tmp_path: Path) -> None:
    with (
        BucketStore.open(bucket.client(), cache=str(tmp_path)) as one,
        BucketStore.open(bucket.client(), cache=str(tmp_path)) as two,
    ):
        for n in range(10):
            push(one, b"one %d" % n, "one")
            push(two, b"two %d" % n, "two")
        for store in (one, two):
            store.look()
            assert store.stats().objects == 20
            assert list(store.check()) == []


# ---------------------------------------------------------------------- refs and logs


def test_a_lost_race_is_no_conflict_where_the_ref_is_as_expected(bucket: Bucket) -> None:
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs) as one, BucketStore.open(bucket.client()) as two:
        blobs.before("swap refs", lambda: push(two, b"two", "two"))
        push(one, b"one", "one")
        assert one.refs().keys() == {"one", "two"}
        blobs.before("swap refs", lambda: push(two, b"again", "one"))
        with pytest.raises(Conflict):
            push(one, b"more", "one")


def test_a_conflict_is_one_with_what_is_there_now(bucket: Bucket) -> None:
    """A client that knows from elsewhere where a ref is need not have looked itself."""
    with BucketStore.open(bucket.client()) as one, BucketStore.open(bucket.client()) as two:
        one.update_refs([RefUpdate("a", None, b"1")])
        two.update_refs([RefUpdate("a", b"1", b"2")])
        with pytest.raises(Conflict):
            one.update_refs([RefUpdate("a", b"1", b"3")])
        assert one.ref("a") == b"2"


def test_who_lost_a_race_has_a_chance_after_its_pause(bucket: Bucket) -> None:
    """Others swap while it waits, as many servers over one bucket do all the time."""
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        other.update_refs([RefUpdate(f"{len(pauses)}", None, b"v")])

    with (
        BucketStore.open(bucket.client(), sleep=pause) as store,
        BucketStore.open(bucket.client()) as other,
    ):
        other.update_refs([RefUpdate("first", None, b"v")])
        store.update_refs([RefUpdate("ours", None, b"v")])
    assert len(pauses) == 1


def test_many_threads_lose_no_update(bucket: Bucket) -> None:
    def work(number: int) -> None:
        with BucketStore.open(bucket.client(f"t{number}")) as store:
            for n in range(5):
                store.update_refs([RefUpdate(f"{number}/{n}", None, b"v")], operation=b"x")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with BucketStore.open(bucket.client()) as store:
        assert len(store.refs()) == 20
        assert [n for n, _ in store.operations()] == list(range(20, 0, -1))


class Doubtful(Interposed):
    """The reply of each swap is lost; `landed` says which of them landed."""

    def __init__(self, blobs, landed: list[bool]) -> None:
        super().__init__(blobs)
        self.landed = landed

    def swap(self, name, data, tag):
        if self.landed.pop(0):
            super().swap(name, data, tag)
        raise InDoubt("the reply was lost")


def quiet(blobs) -> BucketStore:
    return BucketStore.open(blobs, sleep=lambda _: None)


@pytest.mark.parametrize("landed", [[True], [False, True], [False] * 7 + [True]])
def test_who_is_in_doubt_finds_out(bucket: Bucket, landed: list[bool]) -> None:
    with quiet(Doubtful(bucket.client(), landed)) as store:
        push(store, b"one", "a")
        assert landed == []
        assert store.changes() == 1
        assert [data for _, data in store.operations()] == [b"one"]


def test_doubt_that_stays_is_told(bucket: Bucket) -> None:
    with quiet(Doubtful(bucket.client(), [False] * 99)) as store:
        with pytest.raises(RemoteUnreachable) as caught:
            push(store, b"one", "a")
        assert caught.value.kind == "in-doubt"


def test_doubt_after_too_many_swaps_of_others_is_told(bucket: Bucket) -> None:
    blobs = Doubtful(bucket.client(), [True])
    with quiet(blobs) as store, BucketStore.open(bucket.client()) as other:
        store.look()

        def others() -> None:
            for n in range(KEPT_WRITE_IDS):
                other.update_refs([RefUpdate(f"{n}", None, b"v")])

        blobs.before("get refs", others)
        with pytest.raises(RemoteUnreachable) as caught:
            store.update_refs([RefUpdate("a", None, b"v")])
        assert caught.value.kind == "in-doubt"


def test_logs_leave_the_object_that_is_swapped(bucket: Bucket) -> None:
    count = 2 * INLINE_ROWS
    with BucketStore.open(bucket.client()) as store:
        with store.session() as session:
            for n in range(1, count + 1):
                session.commit(operation=b"op %d" % n, audit=b"row %d" % n)
        assert len(store.state.operations) <= INLINE_ROWS
        assert bucket.names("logs/")
    with BucketStore.open(bucket.client(), grace_seconds=0) as store:
        expected = [(n, b"op %d" % n) for n in range(1, count + 1)]
        assert list(store.operations(newest_first=False)) == expected
        assert list(store.operations()) == expected[::-1]
        assert list(store.operations(start=7)) == expected[6::-1]
        assert list(store.operations(newest_first=False, start=count - 2)) == expected[-3:]
        assert [row.data for row in store.audit(start=5)] == [
            b"row %d" % n for n in range(5, count + 1)
        ]
        assert list(store.check()) == []
        store.collect(mark_values_of_none, drop_operations_below=9)
        assert list(store.operations(newest_first=False)) == expected[8:]
        store.collect(mark_values_of_none, drop_operations_below=count)
        assert list(store.operations()) == expected[-1:]
        assert [row.data for row in store.audit()][:2] == [b"row 1", b"row 2"]
        assert len(bucket.names("logs/")) == len(store.state.audit_segments)


def mark_values_of_none(refs, operations, leased, read):
    return ()


# ---------------------------------------------------------------------- what is refused


def test_a_store_is_made_once(bucket: Bucket) -> None:
    with pytest.raises(Failure) as caught:
        BucketStore.create(bucket.client())
    assert caught.value.kind == "store-exists"
    with pytest.raises(Failure) as caught:
        BucketStore.open(Bucket(random.Random(2)).client())
    assert caught.value.kind == "no-store"


def test_two_that_begin_one_store_make_one(bucket: Bucket) -> None:
    empty = Bucket(random.Random(2))
    one = BucketStore.open(empty.client(), begin={})
    two = BucketStore.open(empty.client(), begin={})
    assert empty.names() == []
    push(one, b"one", "a")
    with pytest.raises(Conflict) as caught:
        push(two, b"two", "b")
    assert caught.value.kind == "store-exists"
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "refs-damaged"),
        (b"mvc-bucket 1\nno zstd", "refs-damaged"),
        (b"mvc-bucket 2\n", "newer-format"),
    ],
)
def test_refs_that_cannot_be_read_are_refused(bucket: Bucket, content: bytes, kind: str) -> None:
    bucket.write("refs", content, "any")
    with pytest.raises((IntegrityError, Failure)) as caught:
        BucketStore.open(bucket.client())
    assert caught.value.kind == kind


def test_damage_is_told(bucket: Bucket) -> None:
    with BucketStore.open(bucket.client()) as store:
        push(store, b"one", "a")
        push(store, b"two", "b")
    first, second = bucket.names("packs/")
    bucket.remove(first)
    bucket.write(second, bucket.content(second)[:-1], "any")
    with BucketStore.open(bucket.client()) as store:
        found = list(store.check())
        assert {f.problem.partition(":")[0] for f in found} == {"pack", "digest"}
        assert len(store.damaged()) == 2
        push(store, b"one", "a")
        push(store, b"two", "b")
        assert store.damaged() == []
    with BucketStore.open(bucket.client()) as store:
        assert {store.get(ID_TYPES[Kind.CHUNK].of(data)) for data in (b"one", b"two")} == {
            b"one",
            b"two",
        }
    run = bucket.names("runs/")[0]
    bucket.write(run, b"garbage", "any")
    with pytest.raises(IntegrityError, match="index run"):
        BucketStore.open(bucket.client())
    bucket.remove(run)
    with pytest.raises(IntegrityError, match="gone"):
        BucketStore.open(bucket.client())


def test_nothing_is_written_where_the_store_is_gone(bucket: Bucket) -> None:
    with BucketStore.open(bucket.client()) as store:
        bucket.remove("refs")
        for work in (store.changes, lambda: push(store, b"one", "a")):
            with pytest.raises(Failure) as caught:
                work()
            assert caught.value.kind == "no-store"
