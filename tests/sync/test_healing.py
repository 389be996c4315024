"""Damage heals: commit, fetch, pull and repair bring the good bytes to where they were lost."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvcd.errors import Failure, IntegrityError
from mvcd.ids import Digest, Kind
from mvcd.repo import anew
from mvcd.repo.repository import Repository
from mvcd.repo.verify import verify_apart
from tests.support.workspace import Bench
from tests.sync.people import Pair

FILES: dict[str, bytes | str] = {
    "model.pt": random.Random(1).randbytes(400_000),
    "params.yaml": "lr: 1\n",
    "notes.bin": random.Random(2).randbytes(9000),
    **{f"data/{n}.csv": f"{n}," * 50 for n in range(40)},
}


def spoil(repo: Repository, kinds: set[Kind], *, most: int = 1000) -> list[Digest]:
    """Flips a bit in the record of each object of these kinds."""
    store = repo._core.store
    found = [id for id, info in store.ids() if info.kind in kinds][:most]
    for id in found:
        place = store.location(id)  # type: ignore[attr-defined]
        path = Path(repo.store_path) / "packs" / f"{place.pack:08x}.pack"
        with path.open("r+b") as file:
            file.seek(place.offset + place.size - 1)
            (byte,) = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
    return found


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path) as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "work") as made:
        made.save(FILES)
        yield made


@pytest.mark.parametrize("kinds", [{Kind.CHUNK}, {Kind.RECIPE}, {Kind.NODE}], ids=str)
def test_a_commit_stores_it_anew(bench: Bench, kinds: set[Kind]) -> None:
    bench.age()
    with pytest.raises(Failure):
        bench.commit()  # the stat cache knows all files now, so nothing would be read again
    spoil(bench.repo, kinds)
    assert not bench.repo.verify().ok
    with pytest.raises(Failure) as caught:
        bench.reopen().commit("again", context=bench.context())
    assert caught.value.kind == "nothing-to-commit"
    assert "stored anew" in str(caught.value.cause)
    assert bench.repo.verify().ok
    assert bench.repo.read("model.pt") == FILES["model.pt"]


def test_a_new_version_is_never_made_of_what_is_known_to_be_bad(bench: Bench) -> None:
    spoil(bench.repo, {Kind.CHUNK})
    assert not bench.repo.verify().ok
    model = FILES["model.pt"]
    assert isinstance(model, bytes)
    bench.write({"copy.pt": model, "notes.bin": random.Random(3).randbytes(9000)})
    bench.commit()
    for name in ("copy.pt", "model.pt", "data/7.csv", "notes.bin"):
        assert bench.repo.read(name) == Path(bench.path(name)).read_bytes()
    with pytest.raises(IntegrityError):  # what nobody has any more stays lost, and is said to be
        bench.repo.read("notes.bin", "v1")
    assert [error.object for error in bench.repo.verify().errors] == [
        f"chunk {id.hex()}" for id in bench.repo._core.store.damaged()
    ]


def test_every_file_is_read_once_for_the_same_damage(bench: Bench) -> None:
    bench.save({"notes.bin": random.Random(3).randbytes(9000)})
    for id in spoil(bench.repo, {Kind.CHUNK}):
        with pytest.raises(IntegrityError):
            bench.repo._core.store.get(id)
    bench.save({"notes.bin": random.Random(4).randbytes(9000)})
    assert bench.repo.damaged() == 2, "those of v1 and v2 nobody has"
    assert anew.worth_reading_all(bench.repo._core) == []


@pytest.mark.parametrize("how", ["fetch", "pull"])
@pytest.mark.parametrize(
    "kinds", [{Kind.CHUNK}, set(Kind) - {Kind.VERSION}, {Kind.VERSION}], ids=str
)
def test_fetch_and_pull_bring_it(pair: Pair, how: str, kinds: set[Kind]) -> None:
    pair.ada.save(FILES)
    pair.ada.save({"params.yaml": "lr: 2\n"})
    bob = pair.join(url=str(pair.ada.root))
    spoil(bob.repo, kinds)
    assert not verify_apart(
        bob.repo.store_path, read_data=True, monitor=bob.repo._core.monitor, partial=False
    ).ok
    bob.reopen()
    pair.ada.save({"more.csv": "1,2\n"})
    getattr(bob, how)()
    assert bob.repo.verify().ok
    assert bob.repo.read("more.csv", "origin/main") == b"1,2\n"


@pytest.mark.parametrize("kinds", [{Kind.CHUNK}, set(Kind)], ids=str)
def test_repair_fetches_all_that_is_damaged(pair: Pair, kinds: set[Kind]) -> None:
    pair.ada.save(FILES)
    pair.ada.save({"params.yaml": "lr: 2\n"})
    bob = pair.join(url=str(pair.ada.root))
    for name in FILES:
        (bob.root / name).unlink()  # nor are they in the workspace
    gone = spoil(bob.repo, kinds)
    healed = bob.repo.heal_from_remote("origin")
    assert healed.objects >= len(gone)
    assert healed.left == []
    assert bob.repo.verify().ok


def test_what_is_missing_comes_level_by_level(pair: Pair) -> None:
    pair.ada.save(FILES)
    bob = pair.join(url=str(pair.ada.root))
    store = bob.repo._core.store
    ids = [id for id, info in store.ids() if info.kind is not Kind.VERSION]
    store.index.write(lambda txn: [txn.delete(id, db=store.index.objects) for id in ids])  # type: ignore[attr-defined]
    assert bob.repo.heal_from_remote(str(pair.ada.root)).left == []
    assert bob.repo.verify().ok


def test_what_the_remote_lost_too_is_told(pair: Pair) -> None:
    pair.ada.save(FILES)
    bob = pair.join(url=str(pair.ada.root))
    for person in (pair.ada, bob):
        spoil(person.repo, {Kind.CHUNK}, most=3)
    lost = bob.repo.heal_from_remote("origin").left
    assert len(lost) == 3
