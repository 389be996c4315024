"""The simulated bucket does in calm weather what every bucket does, and in a storm what its page says."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import RemoteUnreachable
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, InDoubt
from tests.store.bucket.contract import BlobsContract
from tests.support.simulated import CALM, STORMY, Bucket, Died, SimulatedBlobs, Weather


class TestCalm(BlobsContract):
    @pytest.fixture
    def bucket(self):
        return Bucket(random.Random(1))

    @pytest.fixture
    def blobs(self, bucket):
        return bucket.client()

    @pytest.fixture
    def again(self, bucket):
        return bucket.client


def append(blobs: SimulatedBlobs, mark: str) -> None:
    """Adds a mark to a list of them, with the care that a caller has to take: reads back when in doubt."""
    while True:
        try:
            data, tag = blobs.get("refs")
            if mark in data.decode().split():
                return
            blobs.swap("refs", data + f" {mark}".encode(), tag)
        except (BlobChanged, InDoubt, RemoteUnreachable):
            continue
        return


@given(st.integers(0, 1 << 32))
@settings(max_examples=60)
def test_appends_in_a_storm_lose_and_double_nothing(seed):
    bucket = Bucket(random.Random(seed), STORMY)
    clients = [bucket.client(name) for name in "abc"]
    bucket.write("refs", b"", None)
    works = [lambda c=client: [append(c, f"{c.name}{n}") for n in range(5)] for client in clients]
    assert bucket.together(works) == [None] * 3
    bucket.calm_down()
    marks = Counter(bucket.content("refs").decode().split())
    assert marks == Counter({f"{name}{n}": 1 for name in "abc" for n in range(5)}), bucket.log


def test_turns_are_taken_and_the_same_numbers_give_the_same_history():
    def history(seed: int) -> tuple[list[str], bytes]:
        bucket = Bucket(random.Random(seed), STORMY)
        bucket.write("refs", b"", None)
        clients = [bucket.client(name) for name in "ab"]
        bucket.together(
            [lambda c=c: [append(c, f"{c.name}{n}") for n in range(8)] for c in clients]
        )
        return bucket.log, bucket.content("refs")

    assert history(7) == history(7)
    log, content = history(7)
    order = [mark[0] for mark in content.decode().split()]
    assert order not in (sorted(order), sorted(order, reverse=True)), "one ran after the other"
    assert history(8)[0] != log


@pytest.mark.parametrize(
    ("weather", "outcomes"),
    [
        (Weather(lost_request=1), {("in doubt", b"old")}),
        (Weather(lost_reply=1), {("in doubt", b"new")}),
        (Weather(late=1), {("in doubt", b"old"), ("in doubt", b"new")}),
        (Weather(quorum_lost=1), {("in doubt", b"old"), ("in doubt", b"new")}),
        (CALM, {("done", b"new")}),
    ],
)
def test_what_a_swap_may_come_to(weather, outcomes):
    seen = set()
    for seed in range(40):
        bucket = Bucket(random.Random(seed), tags="unique")
        tag = bucket.write("refs", b"old", None)
        bucket.weather = weather
        try:
            bucket.client().swap("refs", b"new", tag)
            end = "done"
        except InDoubt:
            end = "in doubt"
        if seed % 2:
            bucket.land()
        seen.add((end, bucket.content("refs")))
    assert seen == outcomes


def test_a_late_write_is_refused_where_its_condition_no_longer_holds():
    bucket = Bucket(random.Random(1))
    tag = bucket.write("refs", b"old", None)
    bucket.weather = Weather(late=1)
    with pytest.raises(InDoubt):
        bucket.client().swap("refs", b"late", tag)
    bucket.write("refs", b"other", "any")
    bucket.calm_down()
    assert bucket.content("refs") == b"other"
    assert bucket.log[-1] == "late: refused"


def test_a_late_delete_takes_what_was_put_meanwhile():
    bucket = Bucket(random.Random(1), Weather(late=1))
    with pytest.raises(RemoteUnreachable):
        bucket.client().delete(["pack"])
    bucket.write("pack", b"needed", "any")
    bucket.calm_down()
    assert bucket.names() == []


def test_the_same_bytes_have_the_same_tag_as_in_s3():
    bucket = Bucket(random.Random(1))
    first = bucket.write("refs", b"a", None)
    assert bucket.write("refs", b"b", first) != first
    assert bucket.write("refs", b"a", "any") == first


def test_a_client_dies_at_its_call_and_its_last_write_may_land():
    ends = set()
    for seed in range(60):
        bucket = Bucket(random.Random(seed))
        client = bucket.client()
        client.dies_at = 1
        client.put("first", b"x")
        with pytest.raises(Died):
            client.put("second", b"x")
        with pytest.raises(Died):
            client.get("first")
        before = len(bucket.names())
        bucket.land()
        ends.add((before, len(bucket.names())))
    assert ends == {(1, 1), (2, 2), (1, 2)}


def test_what_appears_behind_the_page_of_a_listing_is_in_it():
    bucket = Bucket(random.Random(1))
    for number in (1, 2, 3, 5):
        bucket.write(f"n{number}", b"x", None)
    listing = bucket.client().list("n")
    assert next(listing).name == "n1"
    bucket.write("n4", b"x", None)
    bucket.write("n0", b"x", None)
    assert [i.name for i in listing] == ["n2", "n3", "n4", "n5"]


def test_without_a_quorum_nothing_is_answered_and_then_all_is():
    bucket = Bucket(random.Random(3), Weather(quorum_lost=1, quorum_calls=4))
    client = bucket.client()
    with pytest.raises(RemoteUnreachable):
        client.get("none")
    bucket.weather = CALM
    for _ in range(4):
        try:
            client.get("none")
        except RemoteUnreachable:
            continue
        except BlobAbsent:
            break
    with pytest.raises(BlobAbsent):
        client.get("none")
