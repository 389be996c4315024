"""The object `refs` as a client saw it last: a bucket is not asked for what has not changed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mvcd.store.bucket.blobs import Tag
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.sealed import SealedBlobs
from mvcd.store.bucket.seenrefs import SeenRefs
from tests.store.objects import plain
from tests.support.interposed import Interposed
from tests.support.simulated import Bucket

LETTERS = b"abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket(random.Random(1))
    with BucketStore.open(made.client(), begin={}) as store:
        store.change(lambda state: state)
        _push(store, b"one")
    return made


def _push(store: BucketStore, data: bytes) -> None:
    id, encoded = plain(data)
    with store.session() as session:
        session.put(id, encoded)
        session.commit(operation=data)


def _looked(bucket: Bucket, cache: Path) -> tuple[int, int]:
    """Requests and bytes of contents that it takes a client to open the store."""
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs, cache=str(cache)) as store:
        assert store.state.operation == len(list(store.operations()))
    return blobs.requests.total(), blobs.read_bytes


def test_a_second_client_on_this_machine_gets_no_content(bucket: Bucket, tmp_path: Path) -> None:
    requests, size = _looked(bucket, tmp_path)
    assert requests == 2 and size > len(bucket.content("refs"))  # a run came, too
    assert _looked(bucket, tmp_path) == (1, 0)
    with BucketStore.open(bucket.client()) as store:
        _push(store, b"two")
    requests, size = _looked(bucket, tmp_path)
    assert requests == 2 and size > len(bucket.content("refs"))
    assert _looked(bucket, tmp_path) == (1, 0)


def test_what_a_client_swapped_in_itself_does_not_come_back(bucket: Bucket, tmp_path: Path) -> None:
    with BucketStore.open(bucket.client(), cache=str(tmp_path)) as store:
        _push(store, b"two")
    assert _looked(bucket, tmp_path) == (1, 0)


def test_a_look_of_an_open_store_brings_only_what_changed(bucket: Bucket) -> None:
    blobs = Interposed(bucket.client())
    with BucketStore.open(blobs) as store:
        before = blobs.read_bytes
        for _ in range(20):
            store.changes()
        assert (blobs.requests["get refs"], blobs.read_bytes) == (21, before)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another tag"])
def test_one_that_is_damaged_is_none(bucket: Bucket, tmp_path: Path, damage: str) -> None:
    _looked(bucket, tmp_path)
    (path,) = (tmp_path / "refs").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[-5] ^= 1
    elif damage == "another tag":
        tag = data.split(b"\n")[2]
        data = data.replace(tag, bytes(LETTERS[b % 26] for b in tag))
    else:
        del data[0 if damage == "empty" else -1 :]
    path.write_bytes(data)
    requests, size = _looked(bucket, tmp_path)
    assert (requests, size) == (1, len(bucket.content("refs")))
    assert _looked(bucket, tmp_path) == (1, 0)


def test_older_objects_that_somebody_put_back_are_seen(bucket: Bucket, tmp_path: Path) -> None:
    old = bucket.content("refs")
    with BucketStore.open(bucket.client(), cache=str(tmp_path)) as store:
        _push(store, b"two")
    bucket.write("refs", old, "any")
    with BucketStore.open(bucket.client(), cache=str(tmp_path)) as store:
        assert [data for _, data in store.operations()] == [b"one"]


def test_what_was_seen_unsealed_is_nothing_to_who_has_no_key(
    bucket: Bucket, tmp_path: Path
) -> None:
    """Otherwise a state in the clear would be taken for that of a bucket that is not encrypted."""
    sealed = SealedBlobs(bucket.client(), bytes(32))
    SeenRefs(str(tmp_path), sealed).keep(b"secret", Tag('"1"'))
    assert SeenRefs(str(tmp_path), sealed).load() == (b"secret", '"1"')
    assert SeenRefs(str(tmp_path), bucket.client()).load() is None
    assert SeenRefs(None, sealed).load() is None


@pytest.mark.parametrize("tag", ['"a\nb"', '"ü"', ""])
def test_tags_of_every_kind(tmp_path: Path, bucket: Bucket, tag: str) -> None:
    seen = SeenRefs(str(tmp_path), bucket.client())
    seen.keep(b"content", Tag(tag))
    assert seen.load() == (None if tag else (b"content", ""))
