"""A push that rests on what a ref reaches, while somebody else deletes that ref and collects."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mvcd.errors import MissingObject, StaleReuse
from mvcd.ids import Kind, VersionId
from mvcd.monitor import Silent
from mvcd.repo.care.gc import collect_store
from mvcd.repo.core.core import Core
from mvcd.repo.core.kept_here import roots_of
from mvcd.repo.records.committed import Context
from mvcd.repo.records.operations import encode
from mvcd.repo.trust.receiving import judge, shared
from mvcd.store.api import RefUpdate, Store
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.lmdb_store import LmdbStore
from mvcd.sync.local import LocalPeer
from mvcd.sync.push import push
from mvcd.sync.whole import whole
from tests.support.interposed import Interposed
from tests.support.simulated import Bucket
from tests.support.workspace import Bench

DAY_SECONDS = 86400.0


@pytest.fixture
def two(bench: Bench) -> tuple[Core, VersionId, VersionId]:
    """Two versions with a large file in common, which only the first brings."""
    bench.write({"model.bin": os.urandom(300_000), "a.py": "1\n"})
    bench.add()
    first = bench.commit().version
    bench.write({"a.py": "2\n"})
    bench.add()
    return bench.repo._core, first, bench.commit().version


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(random.Random(1))
    BucketStore.create(made.client()).close()
    return made


def peer_over(store: Store, after: Callable[[], object] = lambda: None) -> LocalPeer:
    """`after` is done between the judgement of an update and its commit."""
    judged = judge(store, lambda: 10**18)

    def and_then(*update: Any) -> bytes | None:
        operation = judged(*update)
        after()
        return operation

    return LocalPeer(store, "there", repo_id=store.id, visible=shared, judge=and_then)


def move(peer: LocalPeer, name: str, target: VersionId) -> None:
    update = RefUpdate(name, None, bytes(target))
    peer.update_refs([update], force=frozenset(), author="ada", detail="push")


def forget(store: Store, name: str, value: VersionId) -> None:
    """Deletes a ref, and takes all that is reached no more and is no longer young; of the operations, the
    newest alone is kept, and it says nothing of that."""
    last = encode(Context("ada", 1), "receive", "nothing", [])
    store.update_refs([RefUpdate(name, bytes(value), None)], operation=last)
    collect_store(store, dry_run=False, oldest_us=2**62, now_us=2**62, monitor=Silent())


def test_the_closure_is_judged_anew_where_something_was_taken_away_before_the_swap(
    bucket: Bucket, two: tuple[Core, VersionId, VersionId]
) -> None:
    core, first, second = two
    here, roots = core.store, roots_of(core, second)
    peer = peer_over(BucketStore.open(bucket.client()))
    push(here, peer, [first], [], monitor=Silent())
    move(peer, "heads/old", first)
    peer.close()
    bucket.pass_time(2 * DAY_SECONDS)

    blobs = Interposed(bucket.client())
    store = BucketStore.open(blobs)
    peer = peer_over(store)
    push(here, peer, [second], [first], monitor=Silent())
    other = BucketStore.open(bucket.client(), grace_seconds=DAY_SECONDS)

    def go_by() -> None:
        """Until nothing is young any more, which would keep what it consists of."""
        bucket.pass_time(2 * DAY_SECONDS)
        forget(other, "heads/old", first)

    # The first swap makes the objects durable; the closure is checked after it, and the second moves the ref.
    blobs.before("swap refs", lambda: blobs.before("swap refs", go_by))
    with pytest.raises(StaleReuse):
        move(peer, "heads/new", second)
    assert "heads/new" not in store.refs() and not whole(store, roots, Kind.VERSION)
    with pytest.raises(MissingObject):  # what is left of it is not taken for the whole
        move(peer, "heads/new", second)
    push(here, peer, [second], [], monitor=Silent())
    move(peer, "heads/new", second)
    other.look()
    assert other.refs("heads/").keys() == {"heads/new"}
    assert whole(other, roots, Kind.VERSION)
    for one in (peer, other):
        one.close()


@pytest.mark.parametrize("target", ["first", "second"])
def test_on_a_disk_what_the_closure_rests_on_is_under_the_lease(
    tmp_path: Path, two: tuple[Core, VersionId, VersionId], target: str
) -> None:
    """The same there, where a lease is seen by every process: nothing of it is collected."""
    core, first, second = two
    new = first if target == "first" else second
    LmdbStore.create(str(tmp_path / "there")).close()
    peer = peer_over(LmdbStore.open(str(tmp_path / "there")))
    push(core.store, peer, [first], [], monitor=Silent())
    move(peer, "heads/old", first)
    peer.close()
    store, other = (LmdbStore.open(str(tmp_path / "there")) for _ in range(2))
    peer = peer_over(store, lambda: forget(other, "heads/old", first))
    if new == second:
        push(core.store, peer, [second], [first], monitor=Silent())
    move(peer, "heads/new", new)
    assert other.refs("heads/").keys() == {"heads/new"}
    assert whole(other, roots_of(core, new), Kind.VERSION)
    peer.close()
    other.close()
