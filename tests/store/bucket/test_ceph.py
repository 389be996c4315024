"""The contract over Ceph, a real store of three disks and two gateways, and what is left when parts of it die.

The programs are Debian's: see tests/support/cephcluster.py. Without them the tests skip.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from mvcd.errors import AuthError, Failure, RemoteUnreachable
from mvcd.store.bucket import objectstore
from mvcd.store.bucket.blobs import BlobChanged, Blobs, InDoubt, Tag
from mvcd.store.bucket.links import Link, decode_links, encode_links
from mvcd.store.bucket.probe import probe
from mvcd.store.stores import open_bucket, sign_links
from tests.store.bucket.contract import BlobsContract, HttpContract
from tests.store.objects import plain
from tests.support import cephcluster
from tests.support.cephcluster import Cluster
from tests.support.s3buckets import Endpoint

pytestmark = [pytest.mark.engine, cephcluster.needed]
PACK_BYTES = 1 << 20


@pytest.fixture(scope="module")
def cluster(ceph: Cluster) -> Cluster:
    return ceph


@pytest.fixture(scope="module")
def bucket(cluster: Cluster) -> str:
    return cluster.endpoints[0].make_bucket()


@pytest.fixture(autouse=True)
def environment(monkeypatch, cluster):
    for name, value in cluster.endpoints[0].environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def opened(cluster, bucket):
    """Opens the bucket through the gateways in turn; all that it opened is closed at the end."""
    made: list[Blobs] = []

    def opened(gateway: int | None = None) -> Blobs:
        number = len(made) % 2 if gateway is None else gateway
        made.append(cluster.endpoints[number].blobs(bucket, etags="unquoted"))
        return made[-1]

    yield opened
    for each in made:
        each.close()


class TestCephOnTheLine(HttpContract):
    @pytest.fixture
    def endpoint(self, cluster: Cluster) -> Endpoint:
        return cluster.endpoints[0]


class TestCeph(BlobsContract):
    rounds = 10

    @pytest.fixture
    def blobs(self, opened):
        return opened(0)

    @pytest.fixture
    def again(self, opened):
        return opened

    def test_tags_in_quotes_are_refused_even_where_they_are_right(self, cluster, bucket, at):
        """So whoever has not probed would never win; PROVIDERS.md says which stores are so."""
        blobs = cluster.endpoints[0].blobs(bucket, etags="quoted")
        tag = blobs.create(at + "refs", b"1")
        with pytest.raises(BlobChanged):
            blobs.swap(at + "refs", b"2", tag)
        blobs.close()


def test_the_probe_finds_how_it_wants_its_tags(cluster, bucket):
    url = cluster.endpoints[0].url
    assert probe(f"s3://{bucket}/below", {"endpoint": url}).options == {"etags": "unquoted"}


@pytest.mark.parametrize(
    ("variable", "cause"),
    [
        ("AWS_ACCESS_KEY_ID", "the store does not know this access key"),
        ("AWS_SECRET_ACCESS_KEY", "the secret key does not belong to the access key"),
    ],
)
def test_a_wrong_key_is_told(cluster, bucket, monkeypatch, variable, cause):
    monkeypatch.setenv(variable, "wrong")
    blobs = cluster.endpoints[0].blobs(bucket)
    for call in (
        lambda: blobs.get("refs"),
        lambda: blobs.create("refs", b""),
        lambda: list(blobs.list("")),
    ):
        with pytest.raises(AuthError, match="does not accept this key") as caught:
            call()
        assert caught.value.cause == cause
    blobs.close()


def test_a_bucket_that_is_not_there_is_told(cluster):
    blobs = cluster.endpoints[0].blobs("mvc-none")
    for call in (
        lambda: blobs.get("refs"), lambda: blobs.create("refs", b""), lambda: list(blobs.list("")),
        lambda: blobs.put("a", b""), lambda: blobs.swap("refs", b"", Tag("x")), lambda: blobs.delete(["a"]),
    ):  # fmt: skip
        with pytest.raises(Failure, match="there is no bucket mvc-none"):
            call()
    blobs.close()


def test_a_bucket_that_may_not_be_written_is_told(cluster, bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    blobs = cluster.endpoints[0].blobs(bucket, anonymous="yes")
    for call in (lambda: blobs.put("a", b""), lambda: blobs.create("refs", b"")):
        with pytest.raises(AuthError, match="this key may not write") as caught:
            call()
        assert "s3:PutObject" in str(caught.value.help)
    blobs.close()


def test_links_are_read_without_keys_until_they_expire(cluster, bucket, tmp_path, monkeypatch):
    """In ranges, by their time alone, and as they were signed: a changed one is refused."""
    url, place = cluster.endpoints[0].url, f"s3://{bucket}/signed"
    objects = [plain(os.urandom(100_000)) for _ in range(60)]
    ids = [id for id, _ in objects]
    file = tmp_path / "some.links"

    def sign(seconds: int) -> bytes:
        now_s = int(time.time())
        return sign_links(store, [], {}, ids, now_s=now_s, seconds=seconds, publish=False).file

    with open_bucket(place, {"endpoint": url, "etags": "unquoted"}, begin=True) as store:
        with store.session() as session:
            for id, encoded in objects:
                session.put(id, encoded)
            session.commit()
        long, short = sign(3600), sign(1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file.write_bytes(long)
    with open_bucket(f"links://{file}", {}) as view:
        assert sum(len(data) for _, data in view.get_many(ids)) == 60 * 100_000
    made = decode_links(long)
    forged = {
        n: Link(a.replace("Expires=3600", "Expires=7200"), s) for n, (a, s) in made.links.items()
    }
    file.write_bytes(encode_links(replace(made, links=forged)))
    with open_bucket(f"links://{file}", {}) as view, pytest.raises(AuthError) as caught:
        view.get(ids[0])
    assert caught.value.kind == "links-refused" and "SignatureDoesNotMatch" in caught.value.cause
    file.write_bytes(short)
    while True:  # until it has expired, by the clock of the gateway
        try:
            with open_bucket(f"links://{file}", {}) as view:
                view.get(ids[0])
        except AuthError as error:
            assert error.kind == "links-expired" and "mvc remote presign" in error.help
            break
        time.sleep(0.1)


# ---------------------------------------------------------------------- deaths


class Writer(threading.Thread):
    """Puts packs and adds a mark for each to one list, until told to stop; goes on through every failure."""

    def __init__(self, name: str, open_at: Callable[[int], Blobs], at: str) -> None:
        super().__init__(name=name)
        self._gateways = [open_at(0), open_at(1)]
        self._at = at
        self.stop = threading.Event()
        self.told: list[str] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                mark = f"{self.name}{len(self.told)}"
                pack = mark.encode() * (PACK_BYTES // len(mark))
                self._through(lambda blobs, m=mark, p=pack: blobs.put(f"{self._at}packs/{m}", p))
                self._append(mark)
                self.told.append(mark)
        except BaseException as error:
            self.error = error

    def _through(self, call: Callable[[Blobs], object]) -> None:
        """Goes to the other gateway where one does not answer."""
        while True:
            try:
                call(self._gateways[0])
            except RemoteUnreachable:
                self._gateways.reverse()
            else:
                return

    def _append(self, mark: str) -> None:
        """Reads back when in doubt: the mark is in the list, or the write has not landed. One that is still
        under way lands on the tag that it was sent with, or never."""
        while True:
            try:
                data, tag = self._gateways[0].get(f"{self._at}refs")
                if mark in data.decode().split():
                    return
                self._gateways[0].swap(f"{self._at}refs", data + f"{mark} ".encode(), tag)
            except (BlobChanged, InDoubt):
                continue
            except RemoteUnreachable:
                self._gateways.reverse()
                continue
            return


@dataclass(frozen=True)
class Death:
    """Which daemons die; while they are dead, work goes on or does not."""

    daemons: tuple[str, ...]
    works_on: bool


DEATHS = {
    "a disk": Death(("osd.1",), works_on=True),
    "a gateway": Death(("rgw.0",), works_on=True),
    "the monitor": Death(("mon.a",), works_on=True),
    "the quorum": Death(("osd.1", "osd.2"), works_on=False),
    "everything": Death(("rgw.0", "rgw.1", "osd.0", "osd.1", "osd.2", "mon.a"), works_on=False),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_what_was_told_survives_the_death_of(death: Death, cluster: Cluster, opened, monkeypatch):
    monkeypatch.setattr(objectstore, "PATIENCE_SECONDS", 2.0)  # there is another gateway
    at = f"death-{os.urandom(4).hex()}/"
    opened(0).create(at + "refs", b"")
    writers = [Writer(name, opened, at) for name in "abc"]
    for writer in writers:
        writer.start()
    more(writers, 5)
    for daemon in death.daemons:
        cluster.kill(daemon)
    if death.works_on:
        more(writers, 5)
    for daemon in reversed(death.daemons):
        cluster.start(daemon)
    cluster.wait_for(0, 1)
    more(writers, 5)
    for writer in writers:
        writer.stop.set()
    for writer in writers:
        writer.join()
    assert [writer.error for writer in writers] == [None] * 3
    blobs = opened(1)
    marks = Counter(blobs.get(at + "refs")[0].decode().split())
    assert marks == Counter(mark for writer in writers for mark in writer.told)
    for mark in marks:
        data, _ = blobs.get(f"{at}packs/{mark}")
        assert data == mark.encode() * (PACK_BYTES // len(mark))


def more(writers: list[Writer], count: int) -> None:
    """Waits until each writer has told of so many more."""
    before = [len(writer.told) for writer in writers]
    while any(len(w.told) < b + count for w, b in zip(writers, before, strict=True)):
        assert all(writer.error is None for writer in writers), [w.error for w in writers]
        writers[0].join(0.05)
