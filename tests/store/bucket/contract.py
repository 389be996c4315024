"""What every kind of bucket must do (mvcd/store/bucket/blobs.py). The tests of each inherit it and make
`blobs`, and `again` where another program is to open the same place.

Each test uses names below a prefix of its own, so that one bucket serves them all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from mvcd.errors import IntegrityError
from mvcd.store.bucket.blobs import BlobAbsent, BlobChanged, Blobs, InDoubt, Tag
from tests.support.proxy import Proxy
from tests.support.s3buckets import Endpoint

RACERS = 8
MIB = 1 << 20


class BlobsContract:
    """Tests get `blobs`, and `again`, which opens the same place as another program would."""

    rounds = 5
    """Races of each kind."""

    @pytest.fixture
    def again(self, blobs: Blobs) -> Callable[[], Blobs]:
        return lambda: blobs

    @pytest.fixture
    def at(self) -> str:
        return f"contract-{os.urandom(6).hex()}/"

    # ------------------------------------------------------------------ whole objects

    @pytest.mark.parametrize("size", [0, 1, 1000, 3 * MIB + 7])
    def test_what_was_put_is_read(self, blobs, at, size):
        data = os.urandom(size)
        blobs.put(at + "packs/one", data)
        found, tag = blobs.get(at + "packs/one")
        assert (bytes(found), bool(tag)) == (data, True)

    def test_what_has_not_changed_is_not_read_again(self, blobs, again, at):
        name = at + "refs"
        first = blobs.create(name, b"one")
        assert blobs.get_changed(name, first) is None
        second = again().swap(name, b"two", first)
        data, tag = blobs.get_changed(name, first)
        assert (bytes(data), tag) == (b"two", second)
        assert blobs.get_changed(name, second) is None
        blobs.delete([name])
        with pytest.raises(BlobAbsent):
            blobs.get_changed(name, second)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_all_that_is_read_as_bytes_can_be_written(self, blobs, at, kind):
        blobs.put(at + "put", kind(b"abc"))
        tag = blobs.create(at + "created", kind(b"def"))
        blobs.swap(at + "created", kind(b"ghi"), tag)
        assert [bytes(blobs.get(at + n)[0]) for n in ("put", "created")] == [b"abc", b"ghi"]

    def test_a_second_put_of_the_same_content_is_no_error(self, blobs, at):
        blobs.put(at + "same", b"content")
        blobs.put(at + "same", b"content")
        assert bytes(blobs.get(at + "same")[0]) == b"content"

    def test_an_absent_object_is_absent_to_every_reading_call(self, blobs, at):
        with pytest.raises(BlobAbsent):
            blobs.get(at + "none")
        with pytest.raises(BlobAbsent):
            blobs.get_ranges(at + "none", [(0, 1)])
        assert list(blobs.list(at + "none")) == []

    def test_a_name_below_another_one_is_another_object(self, blobs, at):
        blobs.put(at + "a", b"1")
        blobs.put(at + "a.b", b"2")
        blobs.put(at + "a-b/c", b"3")
        assert [i.name for i in blobs.list(at)] == [at + n for n in ("a", "a-b/c", "a.b")]

    def test_names_of_every_ascii_sign_that_a_store_uses(self, blobs, at):
        name = at + "Runs/2026-11-29T10:00:00+01=x,y;(z)@~!_$&'*" + "n" * 200
        blobs.put(name, b"x")
        assert bytes(blobs.get(name)[0]) == b"x"
        assert [i.name for i in blobs.list(at)] == [name]
        blobs.delete([name])
        assert list(blobs.list(at)) == []

    # ------------------------------------------------------------------ ranges

    def test_ranges_come_in_the_order_asked(self, blobs, at):
        data = os.urandom(9 * MIB)
        blobs.put(at + "pack", data)
        spans = [
            (8 * MIB, 9 * MIB), (0, 10), (10, 20), (5 * MIB, 5 * MIB + 1), (15, 40), (7, 7), (0, 9 * MIB),
        ]  # fmt: skip
        assert [bytes(p) for p in blobs.get_ranges(at + "pack", spans)] == [
            data[start:end] for start, end in spans
        ]
        assert blobs.get_ranges(at + "pack", []) == []

    def test_many_small_ranges(self, blobs, at):
        data = os.urandom(2 * MIB)
        blobs.put(at + "pack", data)
        spans = [(n * 4099, n * 4099 + 97) for n in range(500)]
        assert [bytes(p) for p in blobs.get_ranges(at + "pack", spans)] == [
            data[a:b] for a, b in spans
        ]

    @pytest.mark.parametrize(
        "spans", [[(0, 11)], [(9, 11)], [(10, 11)], [(500, 600)], [(0, 1), (9, 30)]]
    )
    def test_an_object_that_ends_before_is_an_error(self, blobs, at, spans):
        blobs.put(at + "short", b"0123456789")
        with pytest.raises(IntegrityError, match="ends"):
            blobs.get_ranges(at + "short", spans)

    def test_an_empty_range_at_the_end_is_empty(self, blobs, at):
        blobs.put(at + "short", b"0123456789")
        blobs.put(at + "empty", b"")
        assert [bytes(p) for p in blobs.get_ranges(at + "short", [(10, 10), (8, 10)])] == [
            b"",
            b"89",
        ]
        assert [bytes(p) for p in blobs.get_ranges(at + "empty", [(0, 0)])] == [b""]

    # ------------------------------------------------------------------ conditional writes

    def test_create_writes_once(self, blobs, at):
        tag = blobs.create(at + "refs", b"one")
        with pytest.raises(BlobChanged):
            blobs.create(at + "refs", b"two")
        data, found = blobs.get(at + "refs")
        assert (bytes(data), found) == (b"one", tag)

    def test_swap_needs_the_newest_tag(self, blobs, at):
        first = blobs.create(at + "refs", b"one")
        second = blobs.swap(at + "refs", b"two", first)
        assert second != first
        with pytest.raises(BlobChanged):
            blobs.swap(at + "refs", b"three", first)
        assert (bytes(blobs.get(at + "refs")[0]), blobs.get(at + "refs")[1]) == (b"two", second)
        third = blobs.swap(at + "refs", b"three", second)
        assert blobs.get(at + "refs")[1] == third

    def test_swap_of_what_is_absent_or_was_deleted_changes_nothing(self, blobs, at):
        tag = blobs.create(at + "refs", b"one")
        with pytest.raises(BlobChanged):
            blobs.swap(at + "other", b"two", tag)
        blobs.delete([at + "refs"])
        with pytest.raises(BlobChanged):
            blobs.swap(at + "refs", b"two", tag)
        assert list(blobs.list(at)) == []

    def test_a_deleted_object_can_be_created_again(self, blobs, at):
        blobs.create(at + "refs", b"one")
        blobs.delete([at + "refs"])
        with pytest.raises(BlobAbsent):
            blobs.get(at + "refs")
        tag = blobs.create(at + "refs", b"two")
        blobs.swap(at + "refs", b"three", tag)
        assert bytes(blobs.get(at + "refs")[0]) == b"three"

    def test_of_many_who_create_one_does(self, blobs, again, at):
        with Racers(again) as race:
            for number in range(self.rounds):
                name = f"{at}create-{number}"
                won = race(lambda other, who, name=name: other.create(name, b"by %d" % who))
                _one_winner(won, bytes(blobs.get(name)[0]), b"")

    def test_of_many_who_swap_one_does(self, blobs, again, at):
        tag = blobs.create(at + "swap", b"base")
        with Racers(again) as race:
            for number in range(self.rounds):
                won = race(
                    lambda other, who, n=number, tag=tag: other.swap(
                        at + "swap", b"%d by %d" % (n, who), tag
                    )
                )
                data, tag = blobs.get(at + "swap")
                _one_winner(won, bytes(data), b"%d " % number)

    def test_a_list_that_many_add_to_loses_and_doubles_nothing(self, blobs, again, at):
        """Each addition is a read and a swap; who is in doubt about a swap reads whether it is there."""
        each = 2 * self.rounds
        blobs.create(at + "list", b"")

        def add(other: Blobs, who: int) -> None:
            for number in range(each):
                mark = b"%d-%d" % (who, number)
                while mark not in (found := other.get(at + "list"))[0].split():
                    try:
                        other.swap(at + "list", found[0] + mark + b" ", found[1])
                    except (BlobChanged, InDoubt):
                        continue

        with Racers(again, 4) as race:
            assert race(add) == [None] * 4
        marks = sorted(blobs.get(at + "list")[0].split())
        assert marks == sorted(b"%d-%d" % (w, n) for w in range(4) for n in range(each))

    # ------------------------------------------------------------------ lists

    def test_lists_are_sorted_and_whole(self, blobs, at):
        names = sorted(f"{at}{n % 7}/{n:04d}-{'x' * (n % 5)}" for n in range(60))
        for name in reversed(names):
            blobs.put(name, name.encode()[: len(name) % 11])
        found = list(blobs.list(at))
        assert [i.name for i in found] == names
        assert [i.size_bytes for i in found] == [len(n) % 11 for n in names]
        assert all(i.modified_ns > 1_500_000_000 * 10**9 for i in found)

    @pytest.mark.parametrize(
        "prefix", ["packs/", "packs/ab", "packs/abc", "pack", "p", "packs/abcd", "x"]
    )
    def test_a_prefix_is_the_beginning_of_a_name_not_a_folder(self, blobs, at, prefix):
        names = ["packs/abc", "packs/abd", "packs/b", "packs.old", "pax/abc"]
        for name in names:
            blobs.put(at + name, b"x")
        expected = sorted(at + n for n in names if n.startswith(prefix))
        assert [i.name for i in blobs.list(at + prefix)] == expected

    def test_swapped_objects_are_listed_once_with_their_newest_size(self, blobs, at):
        tag = blobs.create(at + "refs", b"1")
        for size in range(2, 6):
            tag = blobs.swap(at + "refs", b"x" * size, tag)
        assert [(i.name, i.size_bytes) for i in blobs.list(at)] == [(at + "refs", 5)]

    def test_what_was_written_is_listed_and_what_was_deleted_is_not(self, blobs, again, at):
        other = again()
        for number in range(20):
            blobs.put(f"{at}{number:02d}", b"x")
            assert f"{at}{number:02d}" in [i.name for i in other.list(at)]
        other.delete([f"{at}{n:02d}" for n in range(0, 20, 2)])
        assert [i.name for i in blobs.list(at)] == [f"{at}{n:02d}" for n in range(1, 20, 2)]

    # ------------------------------------------------------------------ deletions

    def test_deleting_is_no_error_for_what_is_absent(self, blobs, at):
        blobs.put(at + "a", b"x")
        blobs.delete([at + "a", at + "b", at + "a", at + "c/d"])
        blobs.delete([at + "a"])
        blobs.delete([])
        assert list(blobs.list(at)) == []

    def test_many_are_deleted(self, blobs, at):
        names = [f"{at}{n:05d}" for n in range(150)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: blobs.put(name, b"x"), names))
        blobs.delete(iter(names[:-1]))
        assert [i.name for i in blobs.list(at)] == names[-1:]

    # ------------------------------------------------------------------ threads

    def test_several_threads_use_one(self, blobs, at):
        def use(number: int) -> bool:
            data = bytes([number]) * (100_000 + number)
            blobs.put(f"{at}{number}", data)
            return bytes(blobs.get(f"{at}{number}")[0]) == data and blobs.get_ranges(
                f"{at}{number}", [(0, 5), (90_000, 90_010)]
            ) == [data[:5], data[:10]]

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(use, range(32)))

    def test_the_url_names_the_place(self, blobs):
        assert "://" in blobs.url


class HttpContract:
    """What is counted on the line to a store that speaks S3. Tests get its `endpoint` and a `bucket` there."""

    def test_an_object_that_has_not_changed_does_not_come(
        self, endpoint: Endpoint, bucket: str
    ) -> None:
        name, data = f"looked-{os.urandom(6).hex()}", os.urandom(1 << 20)
        with Proxy(int(endpoint.url.rpartition(":")[2])) as proxy:
            near = replace(endpoint, url=f"http://127.0.0.1:{proxy.port}")
            with closing(near.blobs(bucket)) as blobs:
                tag = blobs.create(name, data)
                before = proxy.carried["down"]
                for _ in range(10):
                    assert blobs.get_changed(name, tag) is None
                assert proxy.carried["down"] - before < 10_000
                assert blobs.get_changed(name, Tag('"other"')) == (data, tag)
                assert proxy.carried["down"] - before > len(data)


class Racers:
    """Several programs that begin at the same moment."""

    def __init__(self, again: Callable[[], Blobs], count: int = RACERS) -> None:
        self._others = [again() for _ in range(count)]
        self._pool = ThreadPoolExecutor(count)

    def __enter__(self) -> Callable[[Callable[[Blobs, int], object]], list[object]]:
        barrier = threading.Barrier(len(self._others))

        def race(work: Callable[[Blobs, int], object]) -> list[object]:
            def run(who: int) -> object:
                barrier.wait(60)
                try:
                    return work(self._others[who], who)
                except (BlobChanged, InDoubt) as lost:
                    return lost

            return list(self._pool.map(run, range(len(self._others))))

        return race

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()


def _one_winner(outcomes: list[object], final: bytes, before: bytes) -> None:
    """Exactly one may have won; losers were told so, or were left in doubt."""
    winners = [who for who, end in enumerate(outcomes) if isinstance(end, str)]
    doubtful = [who for who, end in enumerate(outcomes) if isinstance(end, InDoubt)]
    written_by = int(final.removeprefix(before).removeprefix(b"by "))
    assert len(winners) <= 1, outcomes
    assert written_by in (winners or doubtful), (outcomes, final)
