"""The probe finds each fault that a store may have, and passes those that have none, in any weather."""

from __future__ import annotations

import random
import threading
from functools import partial

import pytest

from mvcd.errors import AuthError, MvcError, NotPermitted
from mvcd.store.bucket.blobs import BlobChanged, BlobInfo
from mvcd.store.bucket.objectstore import memory_blobs
from mvcd.store.bucket.probe import RACER_THREADS, probe, probe_with
from tests.support.simulated import Bucket, SimulatedBlobs, Weather


def probed(bucket: Bucket, kind: type[SimulatedBlobs] = SimulatedBlobs):
    return probe_with(lambda style: kind(bucket, style))


@pytest.fixture
def bucket():
    return Bucket(random.Random(1))


def test_a_good_bucket_passes_and_is_left_as_it_was(bucket):
    bucket.write("refs", b"mine", "any")
    found = probed(bucket)
    assert (found.etags, found.options) == ("quoted", {})
    assert bucket.names() == ["refs"]


def test_it_passes_where_replies_are_lost(bucket):
    bucket.weather = Weather(lost_reply=0.05, lost_request=0.05)
    passed = 0
    for _ in range(20):
        try:
            passed += probed(bucket).etags == "quoted"
        except MvcError as error:  # a call that was given up
            assert not isinstance(error, NotPermitted)
    assert passed


def test_a_directory_passes(tmp_path):
    found = probe(f"bucket+file://{tmp_path}", {})
    assert found.options == {}
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_bucket_in_memory_passes():
    blobs = memory_blobs("probed")
    assert probe_with(lambda style: Sharing(blobs)).etags == "quoted"
    assert list(blobs.list("")) == []
    blobs.close()


class Sharing:
    """One bucket for all who open it."""

    def __init__(self, blobs) -> None:
        self._blobs = blobs

    def __getattr__(self, name):
        return (lambda: None) if name == "close" else getattr(self._blobs, name)


class LikeCeph(SimulatedBlobs):
    """Takes only tags without quotes; `name` is the style here."""

    def swap(self, name, data, tag):
        if self.name != "unquoted":
            raise BlobChanged(name)
        return super().swap(name, data, tag)


def test_the_style_of_tags_is_found(bucket):
    found = probed(bucket, LikeCeph)
    assert (found.etags, found.options) == ("unquoted", {"etags": "unquoted"})


class LikeSwift(SimulatedBlobs):
    def create(self, name, data):
        raise NotPermitted("cannot hold", kind="no-conditional-writes", cause="501 NotImplemented")


class CreatesOver(SimulatedBlobs):
    def create(self, name, data):
        return self.bucket.write(name, data, "any")


class SwapsStale(SimulatedBlobs):
    def swap(self, name, data, tag):
        return self.bucket.write(name, data, "any")


class SwapsNothing(SimulatedBlobs):
    def swap(self, name, data, tag):
        raise BlobChanged(name)


class MakesNew(SimulatedBlobs):
    def swap(self, name, data, tag):
        return (
            self.bucket.write(name, data, "any")
            if not self.bucket.names(name)
            else super().swap(name, data, tag)
        )


class RefusesAndWrites(SimulatedBlobs):
    def create(self, name, data):
        there = bool(self.bucket.names(name))
        tag = self.bucket.write(name, data, "any")
        if there:
            raise BlobChanged(name)
        return tag


class LooksThenWrites(SimulatedBlobs):
    """Looks whether the condition holds, and writes later: all who look at once find that it does."""

    looked = threading.Barrier(RACER_THREADS)

    def create(self, name, data):
        if not name.endswith("race"):
            return super().create(name, data)
        if self.bucket.names(name):
            raise BlobChanged(name)
        self.looked.wait(30)
        return self.bucket.write(name, data, "any")


class KeepsTags(SimulatedBlobs):
    def get(self, name):
        data, _ = super().get(name)
        return data, "always"

    def swap(self, name, data, tag):
        return self.bucket.write(name, data, "any")


class SaysUnchanged(SimulatedBlobs):
    def get_changed(self, name, tag):
        self.get(name)


class ListsLate(SimulatedBlobs):
    def list(self, prefix):
        yield from list(super().list(prefix))[1:]


class ListsInNoOrder(SimulatedBlobs):
    def list(self, prefix):
        yield from reversed(list(super().list(prefix)))


class DeletesLate(SimulatedBlobs):
    def delete(self, names):
        list(names)


class KeepsListing(SimulatedBlobs):
    def list(self, prefix):
        yield from super().list(prefix)
        yield BlobInfo(prefix + "~gone", 0, 0)


class ReadsElse(SimulatedBlobs):
    def get_ranges(self, name, spans):
        return [part[::-1] for part in super().get_ranges(name, spans)]


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (LikeSwift, "501 NotImplemented"),
        (CreatesOver, "on the condition that there is none"),
        (SwapsStale, "tag is that of an earlier one"),
        (SwapsNothing, "whose tag is right"),
        (MakesNew, "makes a new object where one is to be replaced"),
        (RefusesAndWrites, "a write that it refused changed the object"),
        (LooksThenWrites, "8 of 8 who wrote at once were told that they won"),
        (KeepsTags, "keeps its tag"),
        (SaysUnchanged, "was replaced that it is as before"),
        (ListsLate, "does not list at once"),
        (ListsInNoOrder, "names in their order"),
        (DeletesLate, "deleted is still there"),
        (KeepsListing, "does not list at once what was written"),
        (ReadsElse, "a part of an object"),
    ],
)
def test_each_fault_is_refused_by_name(bucket, kind, cause):
    with pytest.raises(NotPermitted, match="cannot hold") as caught:
        probed(bucket, kind)
    assert cause in str(caught.value.cause)
    if kind is not DeletesLate:
        assert bucket.names() == []


def test_who_may_not_write_is_told_so(bucket):
    class ReadOnly(SimulatedBlobs):
        def put(self, name, data):
            raise AuthError("this key may not write", kind="permission")

    with pytest.raises(AuthError, match="may not write"):
        probe_with(partial(ReadOnly, bucket))
