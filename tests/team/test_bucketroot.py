"""A team's root in a bucket, opened by several at once, as servers have it."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mvcd.daemon.serve import inbucket
from mvcd.daemon.serve.inbucket import BucketWatch, cache_directory
from mvcd.errors import AuthError, Failure, NoRepository, RemoteUnreachable
from mvcd.ids import Digest, VersionId
from mvcd.store.api import RefUpdate
from mvcd.store.bucket import served
from mvcd.store.bucket.directory import DirectoryBlobs
from mvcd.store.bucket.served import ServedStore
from mvcd.store.frames import parse_frame
from mvcd.store.memory_store import MemoryStore
from mvcd.store.stores import trim_indexes
from mvcd.team import auditlog, doneupdates
from mvcd.team.buckethost import BucketHost, BucketRepository
from mvcd.team.bucketroot import BucketRoot
from mvcd.team.doneupdates import DoneUpdates
from mvcd.team.records import Quota
from mvcd.team.roles import Role, Scope
from mvcd.wire.host import Access, Caller, Update
from mvcd.wire.uploads import Uploads
from tests.store.objects import plain
from tests.support.interposed import Interposed
from tests.team.acts import BY, NOW, put_version


class Servers:
    """Two hosts over one bucket, in one process, and what a client does with them."""

    def __init__(self, path: Path) -> None:
        self.url = f"bucket+file://{path}"
        self.roots = [BucketRoot.create(self.url) for _ in range(2)]
        self.now_us = NOW
        self.hosts = [BucketHost(root, lambda: self.now_us) for root in self.roots]
        self.uploads = [Uploads(), Uploads()]
        admin = self.roots[0]
        admin.accounts.add_user(BY, "ada")
        admin.accounts.set_grant(BY, "ada", Scope(role=Role.WRITE))
        admin.create_repository(BY, "iris")
        self.token, self.record = admin.accounts.add_token(BY, "ada")

    def open(self, server: int, action: Access = Access.READ) -> BucketRepository:
        found = self.hosts[server].open("iris", Caller("unix:", self.token), action)
        assert isinstance(found, BucketRepository)
        return found

    def put(self, server: int, store: MemoryStore, ids: list[VersionId]) -> None:
        found = self.open(server, Access.PUT)
        for data in store.records(ids):
            found.check_put(len(data))
            with self.uploads[server].using("iris", b"s" * 16, found.store, "ada") as upload:
                upload.put(parse_frame(data), found)

    def move(self, server: int, target: VersionId, expect: VersionId | None = None) -> str:
        """Points the branch to a version; the id of the request."""
        found = self.open(server, Access.UPDATE)
        update = RefUpdate("heads/main", None if expect is None else bytes(expect), bytes(target))
        request = os.urandom(16).hex()
        with found.store.session() as session:

            def missing(ids: list[Digest]) -> list[Digest]:
                return [id for id, gone in zip(ids, session.missing(ids), strict=True) if gone]

            wanted = Update((update,), frozenset(), "", "", request, b"answer")
            judged = found.check_update(wanted, missing)
            session.commit([update], operation=judged.operation, audit=judged.audit)
        return request

    def close(self) -> None:
        for uploads in self.uploads:
            uploads.close()
        for host, root in zip(self.hosts, self.roots, strict=True):
            host.close()
            root.close()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path / "bucket")
    yield made
    made.close()


# -------------------------------------------------------------------- freshness


def test_a_look_serves_all_calls_that_had_begun(tmp_path: Path) -> None:
    path = tmp_path / "bucket"
    path.mkdir()
    ServedStore.born(lambda: DirectoryBlobs(str(path), "bucket"), {}).close()
    counted = Interposed(DirectoryBlobs(str(path), "bucket"))
    with ServedStore.open(counted) as store:
        counted.requests.clear()
        store.look_since(store.looked)
        assert counted.requests["get refs"] == 0
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(store.look_since, [began] * 8))
        assert counted.requests["get refs"] == 1
        assert store.looked >= began
        assert store.changes() == 0
        assert counted.requests["get refs"] == 1


def test_a_call_does_not_wait_for_a_bucket_that_stalls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "LOOK_SECONDS", 0.01)
    path = tmp_path / "bucket"
    path.mkdir()
    ServedStore.born(lambda: DirectoryBlobs(str(path), "bucket"), {}).close()
    blobs, answer = Interposed(DirectoryBlobs(str(path), "bucket")), threading.Event()
    with ServedStore.open(blobs) as store:
        blobs.before("get refs", lambda: answer.wait(60))
        for _ in range(3):  # the first one asks, and nobody asks beside it
            with pytest.raises(RemoteUnreachable, match="has not answered") as caught:
                store.look_since(time.monotonic())
            assert caught.value.kind == "bucket-silent"
        assert blobs.requests["get refs"] == 2
        answer.set()
        monkeypatch.setattr(served, "LOOK_SECONDS", 60.0)
        store.look_since(time.monotonic())


def test_one_of_several_begins_a_store(tmp_path: Path) -> None:
    path = tmp_path / "bucket"
    path.mkdir()
    with ThreadPoolExecutor(6) as pool:
        stores = list(
            pool.map(
                lambda _: ServedStore.born(lambda: DirectoryBlobs(str(path), "bucket"), {}),
                range(6),
            )
        )
    assert len({store.id for store in stores}) == 1
    for store in stores:
        store.close()


def test_each_server_hears_of_what_another_changed_at_its_next_call(servers: Servers) -> None:
    for server in (0, 1):
        servers.open(server)
    servers.roots[0].accounts.revoke_token(BY, servers.record.id)
    for server in (0, 1):
        with pytest.raises(AuthError) as refused:
            servers.open(server)
        assert refused.value.cause == "the token was revoked"


def test_a_call_is_looked_at_once(servers: Servers) -> None:
    servers.open(0)
    caller = Caller("unix:", servers.token, began=time.monotonic())
    servers.hosts[0].admit(caller)
    looked = servers.roots[0].store.looked
    servers.hosts[0].open("iris", caller, Access.READ)
    assert servers.roots[0].store.looked == looked
    old = replace(caller, began=caller.began - 60 if caller.began else None)
    time.sleep(0.01)
    servers.hosts[0].open("iris", old, Access.WATCH)
    assert servers.roots[0].store.looked == looked  # younger than 2 s


# -------------------------------------------------------------------- puts and updates


def test_what_one_took_the_other_names(servers: Servers) -> None:
    with MemoryStore() as store:
        id = put_version(store)
        servers.put(0, store, [id])
        servers.move(1, id)
        assert servers.open(0).store.refs() == {"heads/main": bytes(id)}


def test_answers_are_found_by_all_for_a_week(servers: Servers) -> None:
    with MemoryStore() as store:
        ids = [put_version(store)]
        servers.put(0, store, ids)
        first = servers.move(0, ids[0])
        for number in range(150):  # more than the state itself holds
            ids.append(put_version(store, ids[-1], message=str(number)))
        servers.put(0, store, ids)
        last = ""
        for before, after in itertools.pairwise(ids):
            last = servers.move(number % 2, after, before)
        for server in (0, 1):
            found = servers.open(server)
            assert found.answered(last, thoroughly=False) == b"answer"
            assert found.answered(first, thoroughly=False) == b"answer"
            assert found.answered("ab" * 16, thoroughly=True) is None
    log = servers.open(1).looked
    later = NOW + doneupdates.INSIST_US + 1
    assert DoneUpdates(log).find(first, "ada", later, thoroughly=False) is None
    assert DoneUpdates(log).find(first, "ada", later, thoroughly=True) == b"answer"
    assert DoneUpdates(log).find(first, "bob", NOW, thoroughly=True) is None
    weeks = DoneUpdates(log)
    assert weeks.find(first, "ada", NOW + doneupdates.KEPT_US + 1, thoroughly=True) is None


def test_of_servers_that_make_a_repository_at_once_one_does(servers: Servers) -> None:
    """Another one finds it, and both serve the same."""
    servers.roots[0].accounts.set_grant(BY, "ada", Scope(role=Role.MAINTAIN))
    hosts = [BucketHost(root, lambda: NOW, create=["new-*"]) for root in servers.roots]

    def make(host: BucketHost, name: str) -> str:
        return host.open(name, Caller("unix:", servers.token), Access.CREATE).repo_id

    with ThreadPoolExecutor(2) as pool:
        for number in range(3):
            ids = list(pool.map(lambda host, name=f"new-{number}": make(host, name), hosts))
            assert ids[0] == ids[1]
    for host in hosts:
        host.close()
    listed = [one.name for one in servers.roots[1].accounts.repositories()]
    assert listed == ["iris", "new-0", "new-1", "new-2"]


# -------------------------------------------------------------------- quotas, collections


def test_a_quota_counts_what_was_named_whoever_took_it(servers: Servers) -> None:
    with MemoryStore() as store:
        ids = [put_version(store, message="x" * 20_000)]
        servers.put(0, store, ids)
        servers.move(1, ids[0])
        row = auditlog.newest(servers.open(0).looked, 1)[0]
        assert row.detail["bytes"] == store.info(ids[0]).record_size
        servers.roots[1].accounts.set_quota(
            BY, Quota("iris", "ada", store.info(ids[0]).record_size + 100)
        )
        more = put_version(store, message="y" * 20_000)
        for server in (0, 1):
            with pytest.raises(Failure, match="quota of ada is used up"):
                servers.put(server, store, [more])


def test_a_repositorys_quota_counts_what_no_swap_has_yet(servers: Servers) -> None:
    servers.roots[0].accounts.set_quota(BY, Quota("iris", None, 8 << 20))
    found = servers.open(0, Access.PUT)
    with found.store.session() as session:
        for _ in range(8):
            id, encoded = plain(os.urandom(1_000_000))
            found.check_put(1_000_000)
            session.put(id, encoded)
        with pytest.raises(Failure, match="quota of this repository is used up"):
            found.check_put(1_000_000)


def test_one_server_collects_and_once_a_day(servers: Servers) -> None:
    one, other = servers.hosts
    assert one.tidy("iris", set())
    assert not other.tidy("iris", set())
    assert not one.tidy("iris", set())
    servers.now_us += 86_400_000_000
    assert other.tidy("iris", set())
    assert other.tidy("gone", set())


# -------------------------------------------------------------------- repositories


def test_a_name_that_was_removed_gets_another_place(servers: Servers) -> None:
    root = servers.roots[0]
    before = root.listed_path("iris")
    aside = root.remove_repository(BY, "iris")
    assert aside == before
    with pytest.raises(NoRepository):
        root.listed_path("iris")
    root.create_repository(BY, "iris")
    assert root.listed_path("iris") != before
    with pytest.raises(Failure, match="already"):
        root.create_repository(BY, "iris/below")
    assert [one.name for one in root.accounts.repositories()] == ["iris"]


def test_what_is_no_root_is_told(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    for name in ("bucket", "absent"):
        with pytest.raises(Failure) as refused:
            BucketRoot.open(f"bucket+file://{tmp_path / name}")
        assert refused.value.kind == "no-server-root"
    with BucketRoot.create(f"bucket+file://{tmp_path / 'bucket'}") as root:
        with pytest.raises(Failure, match="needs a disk"):
            root.first_start(BY)
        with pytest.raises(Failure, match="needs a disk"):
            _ = root.uploads


# -------------------------------------------------------------------- the machine


def test_readiness_tells_when_the_bucket_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbucket, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(inbucket, "SILENT_SECONDS", 0.0)
    bucket, gone = tmp_path / "bucket", tmp_path / "gone"
    with BucketRoot.create(f"bucket+file://{bucket}") as root:
        watch = BucketWatch(root.store)
        bucket.rename(gone)
        assert "has not answered" in (watch.problem() or "")
        assert "is gone" in (watch.problem() or "")
        gone.rename(bucket)
        monkeypatch.setattr(inbucket, "SILENT_SECONDS", 15.0)
        assert watch.problem() is None


def test_indexes_that_are_too_many_go_the_oldest_first(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "older", "oldest")):
        made = tmp_path / name / "1"
        made.mkdir(parents=True)
        (made / "data.mdb").write_bytes(bytes(100_000))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    trim_indexes(str(tmp_path), 250_000)
    assert sorted(os.listdir(tmp_path)) == ["new", "older"]
    trim_indexes(str(tmp_path), 250_000)
    assert sorted(os.listdir(tmp_path)) == ["new", "older"]
    trim_indexes(str(tmp_path / "absent"), 0)


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Failure, match="cannot be written"):
        cache_directory(str(tmp_path / "file"))
