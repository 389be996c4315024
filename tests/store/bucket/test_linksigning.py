"""Views of a store, signed and read by links, over a bucket that a web server of the test's own shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.errors import AuthError, CorruptObject, Failure, NotPermitted, UsageError
from mvcd.ids import ChunkId, Digest
from mvcd.store.api import RefUpdate
from mvcd.store.bucket.addresses import open_blobs
from mvcd.store.bucket.agekey import wrap
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.links import decode_links
from mvcd.store.bucket.linksigning import publish, sign_view
from mvcd.store.bucket.sealed import SealedBlobs
from mvcd.store.memory_store import MemoryStore
from mvcd.store.stores import open_bucket, sign_links
from tests.store.objects import delta, mark_values, plain, revisions, some
from tests.support.answering import Answer, Told, answering, error
from tests.support.simulated import Bucket, SimulatedBlobs

KEY = bytes(range(32))


class Shown(SimulatedBlobs):
    """One that a web server shows: a link is the object's name there."""

    web = ""

    def signed(self, names, seconds):
        return [f"{self.web}/{name}?secret={seconds}" for name in names]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(random.Random(1))


@pytest.fixture
def told(bucket: Bucket) -> Iterator[Told]:
    def answer(_: str, path: str) -> Answer:
        try:
            return Answer(200, bucket.content(path[1:].partition("?")[0]))
        except KeyError:
            return error(404, "NoSuchKey")

    with answering(answer) as found:
        yield found


@pytest.fixture
def store(bucket: Bucket, told: Told) -> Iterator[BucketStore]:
    blobs = Shown(bucket, "owner")
    blobs.web = told.url
    BucketStore.create(blobs).close()
    with BucketStore.open(blobs) as opened:
        yield opened


def put(store: BucketStore, name: str, count: int, seed: int) -> list[Digest]:
    """Objects in packs of their own, some of which rest on others; a ref names the last."""
    objects = some(seed=seed, count=count)
    with store.session() as session:
        for id, encoded, _ in objects:
            session.put(id, encoded)
        last = bytes(objects[-1][0])
        session.commit([RefUpdate(name, store.ref(name), last)], operation=last)
    return [id for id, _, _ in objects]


def signed(store: BucketStore, ids: list[Digest], *names: str, seconds: int = 60) -> bytes:
    refs = {name: value for name, value in store.refs().items() if name in names}
    made = sign_links(store, names, refs, ids, now_s=0, seconds=seconds, publish=False)
    assert made.objects >= len(set(ids)) and "secret" not in repr(made)
    return made.file


def test_a_view_has_what_was_asked_for_and_no_more(store: BucketStore, tmp_path: Path) -> None:
    ids, others = put(store, "a", 40, 1), put(store, "b", 40, 2)
    file = tmp_path / "a.links"
    file.write_bytes(signed(store, ids, "a"))
    with open_bucket(f"links://{file}", {"cache": str(tmp_path / "cache")}) as view:
        assert view.read_only and view.id != store.id
        assert view.refs() == {"a": store.ref("a")} and list(view.operations()) == []
        assert dict(view.get_many(ids)) == dict(store.get_many(ids))
        assert not any(view.has([id for id in others if id not in ids]))
        assert list(view.check()) == []
        with pytest.raises(NotPermitted):
            view.update_refs([RefUpdate("a", store.ref("a"), None)])
        with pytest.raises(NotPermitted):
            view.collect(mark_values)
    assert len(decode_links(file.read_bytes()).links) < len(list(store.blobs.list("packs/")))


def test_bases_come_with_what_rests_on_them(store: BucketStore, tmp_path: Path) -> None:
    whole, *rest = revisions(1, 5)
    with store.session() as session:
        session.put(*plain(whole))
        for data, base in zip(rest, [whole, *rest], strict=False):
            session.put(*delta(data, base))
            session.flush()  # each in a pack of its own
        last = ChunkId.of(rest[-1])
        session.commit([RefUpdate("a", None, bytes(last))])
    file = tmp_path / "a.links"
    file.write_bytes(signed(store, [last], "a"))
    with open_bucket(f"links://{file}", {}) as view:
        assert view.get(last) == rest[-1]


def test_who_follows_a_file_sees_what_is_signed_anew(store: BucketStore, tmp_path: Path) -> None:
    ids = put(store, "a", 10, 1)
    file = tmp_path / "a.links"
    file.write_bytes(signed(store, ids, "a"))
    with open_bucket(f"links://{file}", {"cache": str(tmp_path / "cache")}) as view:
        before = view.changes()
        assert view.changes() == before
        more = put(store, "a", 10, 2)
        file.write_bytes(signed(store, [*ids, *more], "a"))
        assert view.changes() > before
        assert view.ref("a") == bytes(more[-1])
        assert dict(view.get_many(more)) == dict(store.get_many(more))


def test_published_links_are_replaced_in_their_place(
    store: BucketStore, tmp_path: Path, bucket: Bucket
) -> None:
    ids = put(store, "a", 10, 1)
    file = tmp_path / "a.links"
    made = sign_view(store, ["a"], store.refs(), ids, now_s=0, seconds=60)
    file.write_text(publish(store, made, 60))
    with open_bucket(f"links://{file}", {}) as view:
        more = put(store, "a", 10, 2)
        made = sign_view(store, ["a"], store.refs(), [*ids, *more], now_s=0, seconds=60)
        publish(store, made, 60)
        assert view.changes() and view.get(more[0]) == store.get(more[0])
    assert len(bucket.names("links/")) == 1
    store.collect(mark_values)
    assert len(bucket.names("links/")) == 1


def test_wrong_bytes_are_found(store: BucketStore, tmp_path: Path, bucket: Bucket) -> None:
    """Whoever is on the way, or has the bucket, changes one byte of a pack."""
    ids = put(store, "a", 10, 1)
    file = tmp_path / "a.links"
    file.write_bytes(signed(store, ids, "a"))
    for name in bucket.names("packs/"):
        data = bytearray(bucket.content(name))
        for at in range(40, len(data), 50):
            data[at] ^= 1
        bucket.write(name, bytes(data), "any")
    with open_bucket(f"links://{file}", {}) as view, pytest.raises(CorruptObject):
        for id in ids:
            view.get(id)


def test_what_was_collected_after_signing_is_told(
    store: BucketStore, tmp_path: Path, bucket: Bucket
) -> None:
    ids = put(store, "a", 10, 1)
    file = tmp_path / "a.links"
    file.write_bytes(signed(store, ids, "a"))
    for name in bucket.names("packs/"):
        bucket.remove(name)
    with open_bucket(f"links://{file}", {}) as view, pytest.raises(Exception) as caught:
        view.get(ids[0])
    assert getattr(caught.value, "kind", "") == "links-outdated"


def test_a_sealed_bucket_stays_sealed(bucket: Bucket, told: Told, tmp_path: Path) -> None:
    """Nothing of it is in the clear in the document; whoever has the file needs a private key, too."""
    pyrage = pytest.importorskip("pyrage")
    made = pyrage.x25519.Identity.generate()
    identity = tmp_path / "age.key"
    identity.write_text(f"{made}\n")
    shown = Shown(bucket, "owner")
    shown.web = told.url
    shown.create("key", wrap(KEY, [str(made.to_public())]))
    file = tmp_path / "a.links"
    with BucketStore.open(SealedBlobs(shown, KEY), begin={}) as store:
        ids = put(store, "heads/secret-name", 10, 1)
        content = signed(store, ids, "heads/secret-name")
        file.write_bytes(content)
        document = decode_links(content)
        assert b"secret-name" not in b"".join(document.objects.values())
        with open_bucket(f"links://{file}", {"identity": str(identity)}) as view:
            assert view.refs().keys() == {"heads/secret-name"}
            assert dict(view.get_many(ids)) == dict(store.get_many(ids))
            made_view = sign_view(store, ["x"], store.refs(), ids, now_s=0, seconds=60)
            file.write_text(publish(store, made_view, 60))
        with open_bucket(f"links://{file}", {"identity": str(identity)}) as view:
            assert view.has(ids)
    other = tmp_path / "other.key"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    with pytest.raises(AuthError):
        open_bucket(f"links://{file}", {"identity": str(other)})


def test_times_that_no_store_takes(store: BucketStore) -> None:
    ids = put(store, "a", 3, 1)
    for seconds in (0, -1, 7 * 86400 + 1):
        with pytest.raises(UsageError, match="good for"):
            sign_view(store, [], store.refs(), ids, now_s=0, seconds=seconds)
    with pytest.raises(UsageError, match="bucket"):
        sign_links(MemoryStore(), [], {}, [], now_s=0, seconds=1, publish=False)


def test_a_directory_has_no_links(tmp_path: Path) -> None:
    blobs = open_blobs(f"bucket+file://{tmp_path}", {})
    with pytest.raises(Failure, match="can be signed") as caught:
        blobs.signed(["a"], 1)
    assert caught.value.kind == "not-supported"
