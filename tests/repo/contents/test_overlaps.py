"""What train and test share: equal files, near-equal ones by their chunks, and what must not be claimed."""

from __future__ import annotations

import random

import pytest

from mvcd.chunking.params import DEFAULT
from mvcd.objects.version import Component
from mvcd.repo.contents import overlaps as module
from mvcd.repo.contents.overlaps import NearOverlap, SplitOverlaps, overlaps
from tests.support.workspace import Bench


def found(bench: Bench) -> SplitOverlaps:
    side = bench.repo.sides("v0", "HEAD").new
    return overlaps(side.files.all([Component.DATA]), side.fetch)


def photo(seed: int, size: int = 400_000) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_picture_with_another_header_is_near_equal(bench: Bench) -> None:
    first = photo(1)
    bench.save({
        "data/train/cat/a.jpg": b"EXIF 1" + first, "data/test/cat/b.jpg": b"other EXIF" + first,
        "data/train/cat/c.jpg": photo(2), "data/test/cat/d.jpg": photo(3),
    })  # fmt: skip
    (near,) = found(bench).near
    assert (near.splits, near.files) == (("train", "test"), 1)
    ((one, other, share),) = near.examples
    assert (one, other) == ("data/train/cat/a.jpg", "data/test/cat/b.jpg")
    assert 0.7 < share < 1, "all but the first chunk of at most 112 KiB"
    assert not found(bench).equal


def test_the_nearest_counts_and_each_content_once(bench: Bench) -> None:
    whole = photo(1)
    bench.save({
        "data/train/more.bin": whole + photo(2, 300_000), "data/train/near.bin": whole + photo(3, 60_000),
        "data/test/x.bin": whole, "data/test/y.bin": whole,
    })  # fmt: skip
    (near,) = found(bench).near
    assert near.files == 1
    assert near.examples[0][:2] == ("data/train/near.bin", "data/test/x.bin")


def test_less_than_half_is_not_near(bench: Bench) -> None:
    whole = photo(1)
    bench.save({
        "data/train/a.bin": whole, "data/test/a.bin": whole[:150_000],
        "data/test/b.bin": whole + photo(2, 500_000),
    })  # fmt: skip
    assert found(bench).near == ()


def test_equal_files_are_not_near_too(bench: Bench) -> None:
    whole, changed = photo(1), b"x" + photo(1)
    bench.save({
        "data/train/a.bin": whole, "data/test/a.bin": whole, "data/train/b.bin": changed,
        "data/test/b.bin": changed,
    })  # fmt: skip
    (equal,) = found(bench).equal
    assert equal.files == 2 and found(bench).near == ()


def test_fillers_are_not_what_files_have_in_common(bench: Bench) -> None:
    """Empty masks of segmentation, raw and as arrays: a mark apart, nothing but zeros or one label."""
    masks: dict[str, bytes | str] = {}
    for number, split in enumerate(("train", "test")):
        for name, label in (("zero", 0), ("one", 1)):
            mask = bytearray([label]) * 1_000_000
            mask[number * 300_000 + 50_000] = 9
            masks[f"data/{split}/{name}.raw"] = bytes(mask[: 9 * DEFAULT.max_size])
    bench.save(masks)
    assert found(bench).near == ()


def test_what_many_files_have_is_their_format(bench: Bench) -> None:
    header = photo(1, 300_000)
    bench.save({
        f"data/{split}/{n}.bin": header + photo(10 * n + len(split), 100_000)
        for split in ("train", "test") for n in range(5)
    })  # fmt: skip
    assert found(bench).near == ()


def test_small_files_and_what_describes_data(bench: Bench) -> None:
    state = '{"a": "' + "b" * 300_000 + '"}'
    bench.save({
        "data/train/a.png": photo(1, 30_000) + b"1", "data/test/a.png": photo(1, 30_000) + b"2",
        "data/train/state.json": state, "data/test/state.json": state,
    })  # fmt: skip
    assert found(bench) == SplitOverlaps()


@pytest.mark.parametrize("bound", ["MAX_LOOKED_FILES", "MAX_LOOKED_CHUNKS"])
def test_too_many_files_are_told(bench: Bench, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(module, bound, 1)
    bench.save(
        {"data/train/a.bin": photo(1), "data/val/a.bin": photo(1), "data/val/b.bin": photo(2)}
    )
    said = found(bench)
    assert said.equal[0].splits == ("train", "val") and said.near == () and said.unlooked == 2


def test_lists_of_chunks_that_are_not_here_say_nothing(bench: Bench) -> None:
    bench.save({"data/train/a.bin": photo(1), "data/test/a.bin": b"x" + photo(1)})
    side = bench.repo.sides("v0", "HEAD").new
    files = list(side.files.all([Component.DATA]))
    lost = files[0].entry.recipe

    def fetch(id):
        if id == lost:
            raise module.ABSENT[0]("gone")
        return side.fetch(id)

    assert overlaps(files, side.fetch).near and overlaps(files, fetch) == SplitOverlaps()


def test_three_splits(bench: Bench) -> None:
    whole = photo(1)
    bench.save({f"data/{s}/a.bin": s.encode() + whole for s in ("train", "val", "test")})
    pairs = [near.splits for near in found(bench).near]
    assert pairs == [("train", "val"), ("train", "test"), ("val", "test")]
    assert all(isinstance(near, NearOverlap) and near.files == 1 for near in found(bench).near)
