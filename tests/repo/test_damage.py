"""Damage to what rests on disk: it is found and named with the files it hurts; wrong bytes never come out.

Flip, truncate, delete, on packs (every kind of object in them) and on the index. LMDB keeps no checksums and
trusts its pages, so what reads a damaged index runs in a process of its own: it may die, it may complain, but
it may not answer wrongly.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mvcd.errors import Failure, IntegrityError, MvcError
from mvcd.ids import Kind, VersionId
from mvcd.repo.records.results import VerifyReport
from tests.store.children import Child
from tests.support.engine import Repository
from tests.support.memory import in_memory
from tests.support.workspace import Bench

Contents = dict[tuple[VersionId, str], bytes]


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


class Patient:
    """A repository with a history, to be damaged and healed again and again."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, root / ".mvc/store"
        self.contents: Contents = {}
        with Bench(root) as bench:
            for turn in range(4):
                files: dict[str, bytes | str] = {
                    "model.pt": noise(turn, 300_000),
                    "same.pt": noise(99, 200_000),
                    f"data/{turn}.csv": noise(turn + 10, 5000),
                    "params.yaml": f"lr: {turn}\n" + "#" * 200,
                    "tiny": str(turn),
                }
                for number in range(10):
                    files[f"data/many/{number:03}-{turn // 2}.csv"] = f"{number}" * 60
                id = bench.save(files).version
                self.contents |= {(id, p): c for p, c in bench.files().items()}
            bench.repo.create_tag("t", context=bench.context())
        self.versions = sorted({v for v, _ in self.contents})
        self.healthy = root.parent / "healthy"
        shutil.copytree(self.store, self.healthy)

    def heal(self) -> None:
        shutil.rmtree(self.store)
        shutil.copytree(self.healthy, self.store)

    @contextmanager
    def open(self) -> Iterator[Repository]:
        with Repository.open(str(self.root)) as repo:
            yield repo

    def packs(self) -> list[Path]:
        return sorted((self.store / "packs").iterdir())

    def records(self, kind: Kind) -> list[tuple[int, int, int]]:
        """(pack, offset, size) of all objects of a kind."""
        with self.open() as repo:
            store = repo._core.store
            places = [store.location(i) for i, info in store.ids() if info.kind is kind]  # type: ignore[attr-defined]
        return sorted((place.pack, place.offset, place.size) for place in places)


@pytest.fixture
def patient(admitted: Patient) -> Iterator[Patient]:
    yield admitted
    admitted.heal()
    with admitted.open() as repo:
        assert repo.verify().ok


@pytest.fixture(scope="module")
def admitted() -> Iterator[Patient]:
    with in_memory() as base:
        yield Patient(base / "experiment")


def flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def unreadable(repo: Repository, contents: Contents) -> set[tuple[VersionId, str]]:
    """Files that cannot be read any more; fails on wrong bytes."""
    found = set()
    for (version, path), content in contents.items():
        try:
            assert repo.read(path, version.hex()) == content
        except IntegrityError:
            found.add((version, path))
        except Failure as error:
            assert error.kind == "unknown-revision"  # the version itself is gone from the index
            found.add((version, path))
    return found


def hurt(report: VerifyReport, contents: Contents) -> set[tuple[VersionId, str]]:
    """Files that a report calls hurt; a version or a file list that cannot be read hurts all it has."""
    found: set[tuple[VersionId, str]] = set()
    for error in report.errors:
        for harm in error.hurts:
            if harm.path == "" or harm.path.startswith("("):
                found |= {(v, p) for v, p in contents if v == harm.version}
            else:
                found.add((harm.version, harm.path))
    return found


def examine(patient: Patient, *, exactly: bool = False) -> VerifyReport:
    """Damage was done to packs: it is found, and hurts what it is said to hurt.

    Not always all of that: a checksum that is damaged itself spoils no file.
    """
    with patient.open() as repo:
        report = repo.verify()
        assert not report.ok
        broken, said = unreadable(repo, patient.contents), hurt(report, patient.contents)
        assert broken <= said
        assert broken == said or not exactly
    return report


@pytest.mark.parametrize("kind", list(Kind))
def test_a_flipped_bit_in_a_record(patient: Patient, kind: Kind) -> None:
    source = random.Random(kind)
    for pack, offset, size in source.sample(patient.records(kind), 4):
        for _ in range(4):
            bit = 8 * offset + source.randrange(8 * size)
            flip(patient.store / "packs" / f"{pack:08x}.pack", bit)
            report = examine(patient)
            assert {e.object.split()[0] for e in report.errors if e.object} == {kind.name.lower()}
            patient.heal()


@pytest.mark.parametrize("kind", list(Kind))
def test_an_overwritten_record_is_named_with_what_it_hurts(patient: Patient, kind: Kind) -> None:
    """A chunk or a recipe hurts single files; a node or a version whole lists of them."""
    source = random.Random(20 + kind)
    for pack, offset, size in source.sample(patient.records(kind), 4):
        with (patient.store / "packs" / f"{pack:08x}.pack").open("r+b") as file:
            file.seek(offset + size // 2)
            file.write(source.randbytes(size - size // 2))
        report = examine(patient, exactly=kind in (Kind.CHUNK, Kind.RECIPE))
        (error,) = report.errors
        assert error.object is not None
        assert error.object.startswith(kind.name.lower())
        assert error.hurts
        with patient.open() as repo, pytest.raises(IntegrityError) as caught:
            for harm in error.hurts:
                for row in repo.ls(harm.version.hex()):
                    repo.read(row.path, harm.version.hex())
        assert caught.value.help == "mvc verify"
        patient.heal()


def test_a_flipped_bit_anywhere_in_a_pack(patient: Patient) -> None:
    source = random.Random(7)
    for _ in range(25):
        pack = source.choice(patient.packs())
        flip(pack, source.randrange(8 * pack.stat().st_size))
        examine(patient)
        patient.heal()


def test_a_truncated_pack(patient: Patient) -> None:
    source = random.Random(8)
    for _ in range(8):
        pack = source.choice(patient.packs())
        os.truncate(pack, source.randrange(pack.stat().st_size))
        report = examine(patient)
        assert any("pack-length" in error.problem for error in report.errors)
        patient.heal()


def test_a_deleted_pack(patient: Patient) -> None:
    for pack in patient.packs():
        pack.unlink()
        examine(patient)
        patient.heal()


def test_a_record_cut_out_of_the_index_is_missed(patient: Patient) -> None:
    """As after a lost row: nothing in the store is damaged, but a version names what is not there."""
    source = random.Random(9)
    for kind in Kind:
        with patient.open() as repo:
            store = repo._core.store
            ids = [i for i, info in store.ids() if info.kind is kind]
            gone = source.choice(ids)
            store.index.write(lambda txn: txn.delete(gone, db=store.index.objects))  # type: ignore[attr-defined] # noqa: B023
            report = repo.verify()
            names = [e.object for e in report.errors]
            assert f"{kind.name.lower()} {gone.hex()}" in names
            assert unreadable(repo, patient.contents) <= hurt(report, patient.contents)
        patient.heal()


# -------------------------------------------------------------------- the index


def look_at_everything(patient: Patient, report: Callable[[str], None]) -> None:
    """What a person could ask; any answer must be right, any error one of ours."""
    try:
        with patient.open() as repo:
            found = repo.verify()
            head = repo.head.version
            broken = unreadable(repo, patient.contents)
            clean = repo.status().clean
            log = [h.id for h in repo.history()]
            tags = [t.version for t in repo.tags()]
            whole = head == log[0] == tags[0] and set(log) == set(patient.versions) and clean
            report(
                "wrong" if found.ok and (broken or not whole) else "sound" if found.ok else "found"
            )
    except MvcError as error:
        report(f"refused {error.kind}")


def after(patient: Patient, damage: Callable[[Path], object]) -> str:
    """What becomes of a look at everything: died, found, refused, sound; never wrong."""
    damage(patient.store / "data.mdb")
    status, reports = Child(lambda report: look_at_everything(patient, report)).end()
    patient.heal()
    if status < 0:
        return "died"
    assert status == 0, "an exception that is none of ours"
    (said,) = reports
    assert said != "wrong"
    return said.split()[0]


def flips_in_the_index(patient: Patient, seed: int, rounds: int) -> None:
    """Flips only where bytes are in use: most of a page is often empty."""
    source = random.Random(seed)
    data = (patient.store / "data.mdb").read_bytes()
    used = [n for n, byte in enumerate(data) if byte]
    outcomes = [
        after(patient, lambda path: flip(path, 8 * source.choice(used) + source.randrange(8)))
        for _ in range(rounds)
    ]
    assert outcomes.count("sound") < len(outcomes) * 0.9, "most bytes in use should matter"


@pytest.mark.thorough
def test_a_flipped_bit_in_the_index(patient: Patient) -> None:
    flips_in_the_index(patient, seed=10, rounds=60)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(10))
def test_flips_in_the_index_at_length(patient: Patient, seed: int) -> None:
    flips_in_the_index(patient, seed=100 + seed, rounds=1000)


def test_a_truncated_index(patient: Patient) -> None:
    source = random.Random(11)
    size = (patient.store / "data.mdb").stat().st_size
    for length in (0, 1, 4096, 8192, 3 * 4096):
        assert after(patient, lambda path: os.truncate(path, length)) != "sound"  # noqa: B023
    for _ in range(10):  # what is cut off may have been free pages
        after(patient, lambda path: os.truncate(path, source.randrange(size)))


def test_a_deleted_index(patient: Patient) -> None:
    assert after(patient, os.unlink) == "refused"


def test_lock_files_may_vanish(patient: Patient) -> None:
    """They hold no state: LMDB's is made anew, ours too."""
    (patient.store / "lock.mdb").unlink()
    (patient.root / ".mvc/lock").unlink()
    with patient.open() as repo, repo.lock.hold():
        assert repo.verify().ok
    patient.heal()
