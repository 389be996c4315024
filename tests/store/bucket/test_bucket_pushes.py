"""Versions pushed to a bucket while somebody else deletes branches and collects with no time of grace."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mvcd.errors import StaleReuse
from mvcd.ids import VersionId
from mvcd.monitor import Silent
from mvcd.repo.care.gc import collect_store
from mvcd.repo.records.committed import Context
from mvcd.repo.records.operations import encode
from mvcd.repo.trust.receiving import judge, shared
from mvcd.store.api import RefUpdate
from mvcd.store.arrivals import Arrivals
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.frames import parse_frame
from mvcd.store.memory_store import MemoryStore
from mvcd.sync.local import LocalPeer
from mvcd.sync.pull import pull
from mvcd.sync.push import push
from tests.support.interposed import Interposed
from tests.support.simulated import Bucket
from tests.support.workspace import Bench

NOW_US = 1_800_000_000_000_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "iris")
    yield made
    made.repo.close()


@pytest.fixture
def opened() -> Iterator[Callable[[], BucketStore]]:
    bucket = Bucket(random.Random(1))
    BucketStore.create(bucket.client()).close()
    stores: list[BucketStore] = []

    def open_one() -> BucketStore:
        stores.append(BucketStore.open(Interposed(bucket.client()), grace_seconds=0))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def peer_of(there: BucketStore) -> LocalPeer:
    return LocalPeer(
        there, "simulated://bucket", repo_id=there.id, visible=shared, judge=judge(there, clock)
    )


def send(bench: Bench, there: BucketStore, ref: str, rev: str) -> VersionId:
    """Pushes a version as a ref, by a peer of its own."""
    there.look()
    head = bench.repo.resolve(rev)
    known = [VersionId(value) for value in there.refs("heads/").values()]
    peer = peer_of(there)
    push(bench.repo._core.store, peer, [head], known, monitor=Silent())
    update = RefUpdate(ref, there.ref(ref), bytes(head))
    peer.update_refs([update], force=frozenset(), author="Ada", detail="push")
    return head


def clock() -> int:
    return NOW_US * 1000


def collect(there: BucketStore) -> int:
    """All that no ref reaches and the newest operation does not name."""
    monitor = Silent()
    return collect_store(
        there, dry_run=False, oldest_us=NOW_US + 1, now_us=NOW_US, monitor=monitor
    ).objects


def require_whole(there: BucketStore, *heads: VersionId) -> None:
    peer = peer_of(there)
    with MemoryStore() as copy, copy.session() as session:
        pull(copy, session, [peer], list(heads), [], monitor=Silent())


def test_a_collection_keeps_the_content_of_what_was_pushed_since_it_was_opened(
    bench: Bench, opened: Callable[[], BucketStore]
) -> None:
    collector, pusher = opened(), opened()
    bench.save({"model.bin": os.urandom(100_000), "notes.md": "1\n"})
    first = send(bench, pusher, "heads/main", "HEAD")
    collector.blobs.before("swap refs", lambda: send(bench, pusher, "heads/main", "HEAD"))
    bench.save({"notes.md": "2\n"})
    second = send(bench, pusher, "heads/other", "HEAD")
    bench.save({"notes.md": "3\n"})
    assert collect(collector) == 0
    require_whole(opened(), first, second)


def test_a_branch_that_goes_takes_nothing_along_that_a_push_under_way_rests_on(
    bench: Bench, opened: Callable[[], BucketStore]
) -> None:
    """The push asks for nothing that the branch reaches, for that is whole. Its objects were put before, as by
    another server."""
    other, pusher = opened(), opened()
    bench.save({"model.bin": os.urandom(100_000), "notes.md": "1\n"})
    first = send(bench, other, "heads/side", "HEAD")
    bench.save({"notes.md": "2\n"})
    pusher.look()
    with pusher.session() as session:
        arrivals, store = Arrivals(pusher, session), bench.repo._core.store
        for frame in store.records([id for id, _ in store.ids() if not other.has([id])[0]]):
            arrivals.receive(parse_frame(frame))
        session.flush()
    head = bench.repo.resolve("HEAD")

    def take_away() -> None:
        other.look()
        later = encode(Context("Ada", NOW_US), "receive", "nothing", [])  # the newest one stays
        other.update_refs([RefUpdate("heads/side", bytes(first), None)], operation=later)
        collect(other)

    pusher.blobs.before("swap refs", take_away)
    with pytest.raises(StaleReuse):
        peer_of(pusher).update_refs(
            [RefUpdate("heads/main", None, bytes(head))],
            force=frozenset(), author="Ada", detail="push",
        )  # fmt: skip
    assert opened().refs("heads/") == {}
    assert opened().stats().objects == 0
    second = send(bench, pusher, "heads/main", "HEAD")
    require_whole(opened(), first, second)
    assert list(opened().check()) == []
