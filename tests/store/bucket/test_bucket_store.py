"""A store in a bucket does what every store does."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable
from itertools import cycle

import pytest

from mvcd.errors import Failure
from mvcd.store.bucket.blobs import Blobs
from mvcd.store.bucket.bucket_store import BucketStore
from mvcd.store.bucket.directory import DirectoryBlobs
from tests.store.contract import StoreContract
from tests.store.objects import mark_values
from tests.support.memory import in_memory
from tests.support.simulated import Bucket


class OverBlobs(StoreContract):
    """With an index that is kept."""

    @abstractmethod
    def blobs(self) -> Callable[[], Blobs]:
        """A new, empty bucket: what opens it."""

    def make(self) -> BucketStore:
        blobs = self.blobs()
        BucketStore.create(blobs()).close()
        return BucketStore.open(blobs(), cache=str(self.directory), grace_seconds=0)

    def sweep_regardless_of_leases(
        self, store: BucketStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(store, "sessions", set())
            store.collect(mark_values)


class TestBucketStore(OverBlobs):
    """In a calm simulated bucket."""

    def blobs(self) -> Callable[[], Blobs]:
        return Bucket(random.Random(1)).client

    def test_what_belongs_on_a_disk_is_refused(self, store: BucketStore) -> None:
        for ask in (lambda: store.optimize(lambda *_: None), lambda: store.rebase([])):
            with pytest.raises(Failure) as caught:
                ask()
            assert caught.value.kind == "not-supported"


class TestInADirectory(OverBlobs):
    @pytest.fixture(autouse=True)
    def place(self):
        with in_memory() as directory:
            self.directories = iter(directory / str(n) for n in range(9))
            yield

    def blobs(self) -> Callable[[], Blobs]:
        path = next(self.directories)
        path.mkdir()
        return lambda: DirectoryBlobs(str(path), "bucket+file:///somewhere")


class TestOverS3(OverBlobs):
    """Each that opens it does so by another address."""

    @pytest.fixture(autouse=True)
    def places(self, s3, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in s3[0].environment().items():
            monkeypatch.setenv(name, value)
        self.endpoints = s3

    def blobs(self) -> Callable[[], Blobs]:
        bucket, turns = self.endpoints[0].make_bucket(), cycle(self.endpoints)
        return lambda: next(turns).blobs(bucket, etags="unquoted")


@pytest.mark.tools
class TestOverObstore(OverBlobs):
    def blobs(self) -> Callable[[], Blobs]:
        from mvcd.store.bucket.objectstore import memory_blobs  # an extra

        blobs = memory_blobs("contract")
        return lambda: blobs
